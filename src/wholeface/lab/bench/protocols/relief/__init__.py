"""Wrinkles and folds: how well they are found, filled in, and told apart: ``wholeface bench relief``."""

from .protocol import PROTOCOL

__all__ = ["PROTOCOL"]
