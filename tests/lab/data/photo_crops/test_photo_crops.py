"""Crops of the photos of a folder: found once, cut out where the face is, and found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wholeface.core.errors import DataError
from wholeface.lab.data.photo_crops import (
    PhotoCrops,
    Truth,
    build_photo_crops,
    cached_photo_crops,
    folder_photos,
)
from wholeface.perceive import FaceLandmarks

SIZE, MARGIN = 40, 1.6


class Detector:
    """Takes the red pixels of a photo for the face: 68 points spread over their box."""

    def __init__(self) -> None:
        self.asked = 0

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceLandmarks, ...]:
        self.asked += 1
        rows, columns = np.nonzero((pixels[..., 0] > 150) & (pixels[..., 1] < 80))
        if len(rows) == 0:
            return ()
        steps = np.linspace(0, 1, 68)
        points = np.stack(
            [
                columns.min() + (columns.max() - columns.min()) * steps,
                rows.min() + (rows.max() - rows.min()) * (steps * 7 % 1),
            ],
            axis=1,
        )
        return (FaceLandmarks.from_points(points, "ibug68"),)


def _photo(left: int, top: int, size: tuple[int, int] = (120, 90)) -> NDArray[np.uint8]:
    pixels = np.full((*size[::-1], 3), 100, np.uint8)
    pixels[top : top + 30, left : left + 30] = (200, 20, 20)
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    Image.fromarray(_photo(20, 30)).save(photos / "a.png")
    Image.fromarray(np.full((50, 50, 3), 90, np.uint8)).save(photos / "empty.png")
    (photos / "broken.jpg").write_bytes(b"no photo")
    (photos / "notes.txt").write_text("none either")
    Image.fromarray(_photo(70, 10)).save(photos / "more" / "b.png")
    face, hidden = np.zeros((90, 120), np.uint8), np.zeros((90, 120), np.uint8)
    face[10:40, 70:100] = 255
    hidden[30:60, 70:100] = 255
    Image.fromarray(face).save(photos / "more" / "b_face.png")
    Image.fromarray(hidden).save(photos / "more" / "b_occluder.png")
    return photos


def _build(folder: Path, detector: Detector) -> PhotoCrops:
    return build_photo_crops(
        folder.parent / "store", folder_photos(folder), size=SIZE, margin=MARGIN, detector=detector
    )


def test_faces_lie_in_the_middle_of_their_crops(folder: Path) -> None:
    store = _build(folder, Detector())
    assert store.names == ["a.png", "more/b.png"]
    assert sorted(store.skipped) == ["broken.jpg", "empty.png"]
    assert "no face" in (store.folder / "skipped.csv").read_text()
    both = np.arange(2)
    images, landmarks = store.array("image", both), store.array("landmarks", both)
    matrices = store.array("matrix", both)
    for index, (left, top) in enumerate(((20, 30), (70, 10))):
        red = (images[index, ..., 0] > 150) & (images[index, ..., 1] < 80)
        rows, columns = np.nonzero(red)
        # The points' bounding box, 29 pixels, is magnified to 40 / 1.6 = 25; 30 pixels are red.
        assert abs(np.ptp(rows) + 1 - 30 * 25 / 29) < 2.5
        assert abs(rows.mean() - 19.5) < 1
        assert abs(columns.mean() - 19.5) < 1
        there = np.array([left, top], float) @ matrices[index, :, :2].T + matrices[index, :, 2]
        assert np.allclose(landmarks[index, 0], there, atol=0.02)
    truth = store.array("truth", both)
    assert (truth[0] == Truth.UNKNOWN).all()
    assert store.annotated.tolist() == [1]
    assert truth[1, 19, 19] == Truth.VISIBLE
    assert truth[1, 30, 19] == Truth.OCCLUDED
    assert truth[1, 0, 0] == Truth.BESIDE


def test_a_build_goes_on_where_it_was_cut_off(folder: Path) -> None:
    class Cut(Detector):
        def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceLandmarks, ...]:
            if self.asked == 2:
                raise KeyboardInterrupt
            return super().detect(pixels)

    first = Cut()
    with pytest.raises(KeyboardInterrupt):
        _build(folder, first)
    second = Detector()
    store = _build(folder, second)
    assert second.asked == 1  # the broken file needs no detector, two photos were seen before
    whole = build_photo_crops(
        folder.parent / "other", folder_photos(folder), size=SIZE, margin=MARGIN, detector=Detector()
    )
    for name in ("image", "landmarks", "matrix", "truth"):
        assert np.array_equal(store.array(name, np.arange(2)), whole.array(name, np.arange(2)))
    third = Detector()
    _build(folder, third)
    assert third.asked == 0


def test_another_folder_is_another_store(folder: Path, tmp_path: Path) -> None:
    _build(folder, Detector())
    Image.fromarray(_photo(40, 30)).save(folder / "c.png")
    with pytest.raises(DataError, match="other photos or settings"):
        _build(folder, Detector())
    with pytest.raises(DataError, match="no such folder"):
        folder_photos(tmp_path / "nowhere")
    (tmp_path / "void").mkdir()
    with pytest.raises(DataError, match="no photo"):
        folder_photos(tmp_path / "void")


def test_a_cache_holds_a_store_for_each_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = Detector()
    monkeypatch.setattr("wholeface.lab.data.photo_crops.build.load_detector", lambda: detector)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    one = cached_photo_crops(folder, size=SIZE, margin=MARGIN)
    asked = detector.asked
    again = cached_photo_crops(folder, size=SIZE, margin=MARGIN)
    assert again.folder == one.folder
    assert one.folder.parent == tmp_path / "cache" / "wholeface"
    assert detector.asked == asked
    larger = cached_photo_crops(folder, size=48, margin=MARGIN, cache=tmp_path / "mine")
    assert larger.size == 48
    assert larger.folder.parent == tmp_path / "mine"


def test_held_out_photos_follow_from_their_names(folder: Path) -> None:
    store = _build(folder, Detector())
    store.names = [f"{n}.png" for n in range(400)]
    learned, held = store.split(20)
    assert len(learned) + len(held) == 400
    assert 8 <= len(held) <= 35
    store.names = store.names[::-1]
    other = store.split(20)[1]
    assert sorted(399 - other) == sorted(held)
