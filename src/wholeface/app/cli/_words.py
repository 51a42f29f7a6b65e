"""Words of the command line that name files and folders."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["named", "path_of"]


def named(text: str) -> str:
    """A name as it was typed, unless it is empty: an unset shell variable must not mean the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty (a shell variable that is not set?)")
    return text


def path_of(text: str) -> Path:
    """The path of a name, unless it is empty."""
    return Path(named(text))
