"""Silence about odd files, for as long as a decoder is at work."""

from __future__ import annotations

import logging
import threading
import warnings

__all__ = ["quiet"]


class _Quiet:
    """Silences warnings while any thread decodes.

    Pillow warns about each odd tag; what matters to a caller becomes an error or one of our own warnings. The
    warning filters belong to the whole process, so the first thread in saves them and the last one out
    restores.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved: warnings.catch_warnings[None] | None = None
        # Without any handler Python prints what a library logs; a caller's own handlers still get it.
        self._handler = logging.NullHandler()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.simplefilter("ignore")
                logging.getLogger("PIL").addHandler(self._handler)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._saved is not None:
                logging.getLogger("PIL").removeHandler(self._handler)
                self._saved.__exit__(None, None, None)
                self._saved = None


quiet = _Quiet()
