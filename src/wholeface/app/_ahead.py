"""Photos one ahead: the next one is read and its faces are searched while the current one is reconstructed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WholeFaceError

if TYPE_CHECKING:
    from ..perceive import ChildProcessDetector
    from ..photo import Photo


def start_detector() -> ChildProcessDetector | None:
    """The detector in a child process, or None where Python cannot start another Python."""
    from ..perceive import ChildProcessDetector

    if not sys.executable or getattr(sys, "frozen", False):
        return None
    try:
        return ChildProcessDetector()
    except OSError:
        return None


class PhotosAhead:
    """Yields each photo, or the error that reading it raised, in order.

    Args:
        paths: image files; the first is read at once.
        detector: is given each photo as soon as it is read.
    """

    def __init__(self, paths: Sequence[Path], detector: ChildProcessDetector | None) -> None:
        self._paths = iter(paths)
        self._detector = detector
        self._waiting = self._read()

    def __iter__(self) -> Iterator[Photo | Exception]:
        while self._waiting is not None:
            current, self._waiting = self._waiting, self._read()
            yield current

    def _read(self) -> Photo | Exception | None:
        from ..photo import read_photo

        path = next(self._paths, None)
        if path is None:
            return None
        try:
            photo = read_photo(path)
        except (WholeFaceError, OSError, MemoryError) as error:
            return error
        if self._detector is not None:
            self._detector.prefetch(photo.pixels)
        return photo
