"""Rendered faces whose truth is known."""

from .faces import SyntheticFaces, SyntheticSettings

__all__ = [
    "SyntheticFaces",
    "SyntheticSettings",
]
