"""Hand-drawn spectacles become maps, and overlaps are counted over pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wholeface.core.errors import DataError
from wholeface.lab.bench.protocols.perception.eyewear import part_counts
from wholeface.lab.bench.sets.eyewear import drawn_parts, labelled_photos, worn_or_not
from wholeface.perceive import EyewearPart

SQUARE = [[2.0, 2.0], [12.0, 2.0], [12.0, 10.0], [2.0, 10.0]]
HOLE = [[4.0, 4.0], [10.0, 4.0], [10.0, 8.0], [4.0, 8.0]]


def test_the_frame_is_what_its_outlines_hold_without_the_lenses() -> None:
    parts = drawn_parts([SQUARE], [("clear", HOLE)], 16, 20)
    assert parts.shape == (16, 20)
    assert set(np.unique(parts)) == {EyewearPart.NONE, EyewearPart.FRAME, EyewearPart.CLEAR_LENS}
    assert (parts[5:8, 5:10] == EyewearPart.CLEAR_LENS).all()
    assert parts[3, 6] == parts[6, 3] == parts[9, 6] == parts[6, 11] == EyewearPart.FRAME
    assert parts[0].max() == parts[:, 14:].max() == EyewearPart.NONE
    assert drawn_parts([SQUARE], [("dark", HOLE)], 16, 20)[6, 6] == EyewearPart.DARK_LENS


def test_overlaps() -> None:
    truth = np.array([[0, 1, 1, 2], [0, 3, 3, 0]], np.uint8)
    found = np.array([[0, 1, 0, 2], [1, 3, 1, 0]], np.uint8)
    counts = part_counts(truth, found)
    assert counts.iou(1) == pytest.approx(1 / 4)
    assert counts.iou(2) == 1.0
    assert counts.iou(3) == pytest.approx(1 / 2)
    assert counts.hiding_iou == pytest.approx(3 / 5)  # dark lens and frame may be mistaken for each other
    assert np.isnan(part_counts(truth * 0, truth * 0).iou(1))


def test_labels_without_their_photos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"stock_\d+\.jpg is missing"):
        labelled_photos(tmp_path)


def test_portraits_with_and_without(tmp_path: Path) -> None:
    folder = tmp_path / "portraits"
    folder.mkdir()
    entries = [{"file": f"{i}.jpg", "glasses": i % 3 == 0} for i in range(12)]
    (folder / "index.json").write_text(json.dumps(entries))
    found = worn_or_not(tmp_path, 3)
    assert [item.glasses for item in found] == [True] * 3 + [False] * 3
    assert {item.group for item in found} == {"portraits"}
    assert all((int(item.path.stem) % 3 == 0) == item.glasses for item in found)


def test_the_photos_drawn_by_hand(request: pytest.FixtureRequest) -> None:
    data = Path(request.config.rootpath).parent / "shared" / "data"
    if not (data / "faces_stock").is_dir():
        pytest.skip("needs ../shared/data/faces_stock")
    photos = labelled_photos(data)
    assert len(photos) == 12
    for photo in photos:
        with Image.open(data / "faces_stock" / photo.name) as image:
            assert photo.parts.shape == image.size[::-1]
        assert 0.0003 < (photo.parts == EyewearPart.FRAME).mean() < 0.1
