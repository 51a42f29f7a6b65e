"""Samples made once and read many times."""

from .fields import KNOWN
from .store import SampleSource, SampleStore, build_store

__all__ = [
    "KNOWN",
    "SampleSource",
    "SampleStore",
    "build_store",
]
