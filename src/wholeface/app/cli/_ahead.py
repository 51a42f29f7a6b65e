"""Photos one ahead: the next one is read and its faces are searched while the current one is reconstructed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import WholeFaceError

if TYPE_CHECKING:
    from ...perceive import ChildProcessDetector, LandmarkDetector, MediapipeDetector
    from ...photo import Photo


def start_detector(name: str) -> ChildProcessDetector | MediapipeDetector | None:
    """The detector that starts before torch is imported, or None for WholeFace's own, which needs torch itself.

    Args:
        name: ``mediapipe``; ``wholeface`` and ``auto`` are our own.

    Raises:
        UsageError: mediapipe was asked for and is not installed.
    """
    from ...perceive import ChildProcessDetector, MediapipeDetector
    from ...perceive.mediapipe.detector import require_mediapipe

    if name != "mediapipe":
        return None
    require_mediapipe()
    if not sys.executable or getattr(sys, "frozen", False):  # Python cannot start another Python
        return MediapipeDetector()
    try:
        return ChildProcessDetector()
    except OSError:
        return MediapipeDetector()


class PhotosAhead:
    """Yields each photo, or the error that reading it raised, in order.

    Args:
        paths: image files; the first is read at once.
        detector: is given each photo as soon as it is read, where it can work in the background.
        max_pixels: photos with more pixels are refused; None = the usual limit.
    """

    def __init__(
        self, paths: Sequence[Path], detector: LandmarkDetector | None, max_pixels: int | None = None
    ) -> None:
        self._paths = iter(paths)
        self._max_pixels = max_pixels
        self._prefetch = getattr(detector, "prefetch", None)
        self._waiting = self._read()

    def __iter__(self) -> Iterator[Photo | Exception]:
        while self._waiting is not None:
            current, self._waiting = self._waiting, self._read()
            yield current

    def _read(self) -> Photo | Exception | None:
        from ...photo import DEFAULT_MAX_PIXELS, read_photo

        path = next(self._paths, None)
        if path is None:
            return None
        try:
            photo = read_photo(path, max_pixels=self._max_pixels or DEFAULT_MAX_PIXELS)
        except (WholeFaceError, OSError, MemoryError) as error:
            return error
        if self._prefetch is not None:
            self._prefetch(photo.pixels)
        return photo
