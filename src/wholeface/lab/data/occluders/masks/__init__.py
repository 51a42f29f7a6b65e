"""Medical and cloth masks."""

from .source import MaskSource

__all__ = [
    "MaskSource",
]
