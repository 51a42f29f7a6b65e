"""Hands: cut out of photos, or built from capsules."""

from .source import HandSource

__all__ = [
    "HandSource",
]
