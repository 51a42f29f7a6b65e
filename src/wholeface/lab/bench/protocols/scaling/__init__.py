"""Time and memory over photos and threads."""

from .protocol import PROTOCOL

__all__ = [
    "PROTOCOL",
]
