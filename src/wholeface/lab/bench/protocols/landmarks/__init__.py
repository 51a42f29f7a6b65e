"""Landmarks against annotated ones."""

from .protocol import PROTOCOL

__all__ = [
    "PROTOCOL",
]
