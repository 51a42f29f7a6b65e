"""Truth that can be rendered."""

from .protocol import PROTOCOL

__all__ = [
    "PROTOCOL",
]
