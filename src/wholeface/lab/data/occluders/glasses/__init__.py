"""Eyeglasses and sunglasses."""

from .source import GlassesSource

__all__ = [
    "GlassesSource",
]
