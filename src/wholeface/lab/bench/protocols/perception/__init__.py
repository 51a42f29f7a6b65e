"""Our networks beside mediapipe."""

from .protocol import PROTOCOL

__all__ = [
    "PROTOCOL",
]
