"""Likeness by face recognition: ``wholeface bench likeness``."""

from .protocol import PROTOCOL, run

__all__ = [
    "PROTOCOL",
    "run",
]
