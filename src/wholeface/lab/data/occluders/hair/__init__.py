"""Hair: whole heads of it, and hair that falls over faces."""

from .source import HairSource

__all__ = [
    "HairSource",
]
