"""The child process of :class:`ChildProcessDetector`: answers detection requests until its input ends.

Requests and answers are pickles on the pipes to and from the parent, which is the same program: no foreign
data is unpickled here.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DetectorError, WholeFaceError
from .detector import MediapipeDetector


def main() -> None:
    """Read the detector's options once; then ``pixels`` → ``("found", faces)`` or ``("failed", error)``."""
    source, sink = _private_pipes()
    options: dict[str, Any] = pickle.load(source)
    detector = MediapipeDetector(**options)
    try:
        while True:
            pickle.dump(_answer(detector, pickle.load(source)), sink, protocol=pickle.HIGHEST_PROTOCOL)
            sink.flush()
    except (EOFError, OSError, pickle.UnpicklingError):  # the parent has ended, perhaps in mid-sentence
        os._exit(0)


def _answer(detector: MediapipeDetector, pixels: NDArray[np.uint8]) -> tuple[str, Any]:
    try:
        return ("found", detector.detect(pixels))
    except WholeFaceError as error:
        return ("failed", error)
    except Exception as error:  # of the native library; its own type need not exist in the parent
        return ("failed", DetectorError(f"the landmark detector failed ({type(error).__name__}: {error})"))


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes, moved away from standard input and output, where a library might read or print."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # no standard error
        os.dup2(nowhere, 1)
    os.close(nowhere)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(source.fileno(), os.O_BINARY)
        msvcrt.setmode(sink.fileno(), os.O_BINARY)
    return source, sink
