"""Text for terminals and pipes: names of files must neither steer a terminal nor end the program."""

from __future__ import annotations

import contextlib
import sys
import unicodedata
from collections.abc import Iterator
from typing import TextIO

__all__ = ["printable", "reason_of", "say", "tolerant_streams"]

_STEERING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories of characters that move the cursor, turn the writing direction, or have no glyph."""


def printable(text: str) -> str:
    """The text with control characters, escape sequences and undecodable bytes written as ``\\x1b``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode("ascii") if unicodedata.category(c) in _STEERING else c
        for c in text
    )


def say(text: str, stream: TextIO | None = None) -> None:
    """Prints one line that is safe for a terminal, to standard output unless another stream is given."""
    print(printable(text), file=stream or sys.stdout, flush=True)


@contextlib.contextmanager
def tolerant_streams() -> Iterator[None]:
    """Standard output and error write what their encoding lacks as escapes, instead of raising."""
    changed = []
    try:
        for stream in (sys.stdout, sys.stderr):
            before = getattr(stream, "errors", None)
            if hasattr(stream, "reconfigure") and before == "strict":
                stream.reconfigure(errors="backslashreplace")
                changed.append((stream, before))
        yield
    finally:
        for stream, before in changed:
            with contextlib.suppress(ValueError, OSError):  # closed in the meantime
                stream.reconfigure(errors=before)


def reason_of(error: BaseException) -> str:
    """What an error of the system says, with the file it is about, but without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    if isinstance(error, MemoryError) and not str(error):
        return "there is not enough memory; shrink the photo or the texture"
    return str(error) or type(error).__name__
