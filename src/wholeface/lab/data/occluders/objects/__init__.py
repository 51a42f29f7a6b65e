"""Objects held or standing before the face."""

from .source import ObjectSource

__all__ = [
    "ObjectSource",
]
