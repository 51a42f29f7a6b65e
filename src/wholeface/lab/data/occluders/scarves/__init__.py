"""Scarves, bandanas, veils and hoods."""

from .source import ScarfSource

__all__ = [
    "ScarfSource",
]
