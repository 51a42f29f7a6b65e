"""How well what hides a face is taken away: ``wholeface bench deocclusion``."""

from .protocol import PROTOCOL

__all__ = ["PROTOCOL"]
