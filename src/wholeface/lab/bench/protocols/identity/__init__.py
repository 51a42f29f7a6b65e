"""Does a system give one person one shape, and others another?"""

from .protocol import PROTOCOL

__all__ = [
    "PROTOCOL",
]
