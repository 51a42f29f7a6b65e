"""Reading ahead and postponing the garbage collector."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wholeface.app.cli import _ahead
from wholeface.app.cli._ahead import PhotosAhead, start_detector
from wholeface.app.cli._garbage import collection_postponed
from wholeface.core.errors import PhotoError, UsageError
from wholeface.perceive import ChildProcessDetector, MediapipeDetector
from wholeface.perceive.mediapipe import detector as mediapipe_detector


class _Recorder:
    def __init__(self) -> None:
        self.widths: list[int] = []

    def prefetch(self, pixels: np.ndarray) -> None:
        self.widths.append(pixels.shape[1])


def _photo(path: Path, width: int) -> Path:
    Image.new("RGB", (width, 64)).save(path)
    return path


def test_each_photo_goes_to_the_detector_before_the_one_before_it_is_taken(tmp_path: Path) -> None:
    recorder = _Recorder()
    paths = [_photo(tmp_path / f"{width}.png", width) for width in (65, 66, 67)]
    photos = PhotosAhead(paths, recorder)  # type: ignore[arg-type]
    assert recorder.widths == [65]
    seen = []
    for photo in photos:
        assert not isinstance(photo, Exception)
        seen.append((photo.pixels.shape[1], list(recorder.widths)))
    assert seen == [(65, [65, 66]), (66, [65, 66, 67]), (67, [65, 66, 67])]


def test_an_unreadable_photo_is_an_error_in_its_turn(tmp_path: Path) -> None:
    paths = [tmp_path / "missing.png", _photo(tmp_path / "good.png", 65), tmp_path / "broken.png"]
    paths[2].write_bytes(b"no photo")
    first, second, third = PhotosAhead(paths, None)
    assert isinstance(first, PhotoError)
    assert not isinstance(second, Exception)
    assert isinstance(third, PhotoError)


def test_the_collector_pauses_only_until_told_or_the_end_of_the_block() -> None:
    assert gc.isenabled()
    with collection_postponed() as resume:
        assert not gc.isenabled()
        resume()
        assert gc.isenabled()
    with pytest.raises(KeyError), collection_postponed():
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with collection_postponed():
            pass
        assert not gc.isenabled()  # as it was found
    finally:
        gc.enable()
        gc.unfreeze()


def _absent() -> None:
    raise UsageError("mediapipe is not there")


def test_our_own_detector_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mediapipe_detector, "require_mediapipe", _absent)
    assert start_detector("wholeface") is None
    assert start_detector("auto") is None
    with pytest.raises(UsageError, match="mediapipe is not there"):
        start_detector("mediapipe")


def test_mediapipe_starts_in_a_process_of_its_own_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mediapipe_detector, "require_mediapipe", lambda: None)
    detector = start_detector("mediapipe")
    assert isinstance(detector, ChildProcessDetector)
    detector.close()
    monkeypatch.setattr(_ahead.sys, "executable", "")
    assert isinstance(start_detector("mediapipe"), MediapipeDetector)
