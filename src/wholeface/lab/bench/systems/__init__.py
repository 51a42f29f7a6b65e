"""Who is compared: the mean face, ours, and what a user would pick instead."""

from .folders import LAYOUTS, ResultFolder, ResultLayout
from .registry import SYSTEM_HELP, load_systems, split_names
from .system import HeadPrediction, HeadSystem

__all__ = [
    "LAYOUTS",
    "SYSTEM_HELP",
    "HeadPrediction",
    "HeadSystem",
    "ResultFolder",
    "ResultLayout",
    "load_systems",
    "split_names",
]
