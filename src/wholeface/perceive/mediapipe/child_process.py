"""The landmark detector in a process of its own, so that it starts and works beside everything else."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import weakref
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DetectorError
from ..landmarks import FaceLandmarks
from .detector import MediapipeDetector

__all__ = ["ChildProcessDetector"]

_START = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "  # where there are no sessions
    "import sys; sys.path[:] = sys.argv[1:]; "  # the parent's, so that both import the same files
    "from wholeface.perceive.mediapipe._worker import main; main()"
)


class ChildProcessDetector:
    """:class:`LandmarkDetector` that runs a :class:`MediapipeDetector` in a child process.

    The child starts at once and loads its networks while the caller does other things, which Python's
    interpreter lock does not allow to threads. With :meth:`prefetch` a photo's landmarks are found while
    the previous photo is being reconstructed. The result is that of :class:`MediapipeDetector`.

    A child that dies gives one :class:`~wholeface.errors.DetectorError`; the next call starts another.
    The child ends with :meth:`close`, with this object, or with the parent process, whichever comes first.

    Args:
        options: arguments of :class:`MediapipeDetector`.

    Raises:
        UsageError: an option is out of range.
    """

    def __init__(self, **options: Any) -> None:
        MediapipeDetector(**options)  # refuses bad options here rather than in the child
        self._options = options
        self._lock = threading.Lock()
        self._ahead: list[tuple[NDArray[np.uint8], Future[tuple[FaceLandmarks, ...]]]] = []
        self._child: subprocess.Popen[bytes] | None = None
        self._ending: weakref.finalize[Any, Any] | None = None
        self._start()

    def prefetch(self, pixels: NDArray[np.uint8]) -> None:
        """Begin to detect in the background; a later :meth:`detect` of the same array takes the result.

        Args:
            pixels: (H, W, 3) uint8, sRGB; do not change it in between.
        """
        if not any(array is pixels for array, _ in self._ahead):
            self._ahead.append((pixels, self._submit(pixels)))

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceLandmarks, ...]:
        """All faces of a photo, largest first; an empty tuple when there are none.

        Args:
            pixels: (H, W, 3) uint8, sRGB.

        Raises:
            UsageError: ``pixels`` is not such an image, or mediapipe is not installed.
            DetectorError: the child process ended before it answered.
        """
        for i, (array, future) in enumerate(self._ahead):
            if array is pixels:
                del self._ahead[i]
                return future.result()
        return self._submit(pixels).result()

    def close(self) -> None:
        """End the child process; a later call starts another one."""
        if self._ending is not None:
            self._ending()
        self._child = self._ending = None

    def _submit(self, pixels: NDArray[np.uint8]) -> Future[tuple[FaceLandmarks, ...]]:
        future: Future[tuple[FaceLandmarks, ...]] = Future()

        def work() -> None:
            try:
                future.set_result(self._ask(pixels))
            except BaseException as error:
                future.set_exception(error)

        # A daemon: a program that ends does not wait for an answer that nobody will read.
        threading.Thread(target=work, name="landmarks", daemon=True).start()
        return future

    def _ask(self, pixels: NDArray[np.uint8]) -> tuple[FaceLandmarks, ...]:
        with self._lock:
            child = self._child if self._child is not None else self._start()
            try:
                self._send(child, np.ascontiguousarray(pixels))
                assert child.stdout is not None
                kind, content = pickle.load(child.stdout)
            except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
                self.close()
                raise DetectorError(
                    f"the process that finds faces ended with exit code {child.returncode} before it answered; "
                    "try the photo again, or make it smaller if memory is short"
                ) from error
        if kind == "failed":
            raise content
        faces: tuple[FaceLandmarks, ...] = content
        return faces

    def _start(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-c", _START, *map(str, sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the parent to answer
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"} if sys.dont_write_bytecode else None,
        )
        self._child = child
        self._ending = weakref.finalize(self, _end, child)
        with contextlib.suppress(OSError):  # a child that is already dead is noticed by the first question
            self._send(child, self._options)
        return child

    @staticmethod
    def _send(child: subprocess.Popen[bytes], content: object) -> None:
        assert child.stdin is not None
        pickle.dump(content, child.stdin, protocol=pickle.HIGHEST_PROTOCOL)
        child.stdin.flush()


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill and reap: the child holds nothing that would have to be put away."""
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
