"""The command line: the only room that prints and parses flags."""

from .command import build_parser, main

__all__ = [
    "build_parser",
    "main",
]
