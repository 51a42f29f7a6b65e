"""300-W in miniature."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.data.datasets import W300, read_pts

FOLDERS = (
    "afw",
    "helen/trainset",
    "helen/testset",
    "lfpw/trainset",
    "lfpw/testset",
    "ibug",
    "300W/01_Indoor",
)


def write_pts(path: Path, points: np.ndarray, declared: int | None = None) -> None:
    rows = "".join(f"{x:.6f} {y:.6f}\n" for x, y in points)
    path.write_text(f"version: 1\nn_points:  {declared or len(points)}\n{{\n{rows}}}\n")


def points(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-3, 30, (68, 2)).round(3)


@pytest.fixture
def root(tmp_path: Path, write_image) -> Path:  # type: ignore[no-untyped-def]
    for f, name in enumerate((*FOLDERS, "300W/02_Outdoor")):
        for i in range(2):
            stem = tmp_path / name / f"image_{f} _{i}"  # iBUG has such a name
            write_image(stem.with_suffix(".jpg" if i else ".png"), seed=f)
            write_pts(stem.with_suffix(".pts"), points(10 * f + i))
    return tmp_path


def test_splits(root: Path) -> None:
    sizes = {split: len(W300(root, split)) for split in ("train", "common", "challenge", "full", "test")}  # type: ignore[arg-type]
    assert sizes == {"train": 6, "common": 4, "challenge": 2, "full": 6, "test": 4}
    assert {item.name.split("/")[0] for item in W300(root, "full")} == {"helen", "lfpw", "ibug"}
    with pytest.raises(UsageError, match="no split 'val'"):
        W300(root, "val")  # type: ignore[arg-type]


def test_items(root: Path, write_image) -> None:  # type: ignore[no-untyped-def]
    dataset = pickle.loads(pickle.dumps(W300(root, "challenge")))
    item = dataset[0]
    assert item.name == "ibug/image_5 _0.png"
    # (1, 1) in the file is the centre of the top-left pixel
    np.testing.assert_allclose(item.points, points(50) - 1, atol=1e-5)
    assert item.points.dtype == np.float32
    assert item.points_68() is item.points
    np.testing.assert_array_equal(item.image(), write_image(root / "x.png", seed=5))
    assert dataset[-1].name == dataset[1].name
    with pytest.raises(IndexError):
        dataset[2]


def test_folders_in_capitals(root: Path) -> None:
    (root / "ibug").rename(root / "IBUG")
    assert len(W300(root, "challenge")) == 2


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda r: (r / "ibug").rename(r / "gone"), r"ibug: no such folder; expected the folders afw"),
        (
            lambda r: (r / "ibug/image_5 _1.pts").unlink(),
            r"image_5 _1\.jpg: has no points \(\.pts\) beside it",
        ),
        (lambda r: (r / "ibug/image_5 _1.jpg").unlink(), r"image_5 _1\.pts: has no image beside it"),
        (
            lambda r: (r / "ibug/image_5 _1.bmp").write_bytes(b""),
            r"image_5 _1\.jpg has the same stem|same stem",
        ),
    ],
)
def test_unexpected_layouts(root: Path, break_it, message: str) -> None:  # type: ignore[no-untyped-def]
    break_it(root)
    with pytest.raises(DataError, match=message):
        W300(root, "challenge")


def test_no_root_and_no_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"away: no such folder; expected"):
        W300(tmp_path / "away")
    (tmp_path / "ibug").mkdir()
    with pytest.raises(DataError, match="ibug: holds no images"):
        W300(tmp_path, "challenge")


def test_pts_of_other_sizes(root: Path, tmp_path: Path) -> None:
    write_pts(tmp_path / "a.pts", points(1)[:5])
    assert read_pts(tmp_path / "a.pts").shape == (5, 2)
    with pytest.raises(DataError, match=r"a\.pts: 5 points; expected 68"):
        read_pts(tmp_path / "a.pts", 68)
    write_pts(root / "ibug" / "image_5 _0.pts", points(1)[:67])
    with pytest.raises(DataError, match=r"image_5 _0\.pts: 67 points; expected 68"):
        W300(root, "challenge")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\nn_points: 3\n{\n1 2\n3 4\n}\n", "n_points says 3, but there are 2"),
        ("version: 1\n{\n1 2\n}\n", "no 'n_points:'"),
        ("version: 1\nn_points: 1\n1 2\n", "no list between"),
        ("n_points: 1\n}\n1 2\n{\n", "no list between"),
        ("n_points: one\n{\n1 2\n}\n", "line 1: 'one' is no whole number"),
        ("n_points: 1\n{\n1 2 3\n}\n", "line 3: 3 words"),
        ("n_points: 1\n{\n1 x\n}\n", "line 3: could not convert"),
        ("n_points: 1\n{\n1 nan\n}\n", "line 3: a number is not finite"),
        ("", "no list between"),
    ],
)
def test_damaged_pts(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.pts").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_pts(tmp_path / "a.pts")
    assert "a.pts" in str(caught.value)


def test_pts_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.pts").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(DataError, match=r"a\.pts: not a text file"):
        read_pts(tmp_path / "a.pts")
    with pytest.raises(DataError, match=r"b\.pts: No such file.*; expected a \.pts file"):
        read_pts(tmp_path / "b.pts")


def test_an_image_that_cannot_be_read(root: Path) -> None:
    item = W300(root, "challenge")[0]
    item.path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"image_5 _0\.png: not a readable image"):
        item.image()
    item.path.unlink()
    with pytest.raises(DataError, match="no such file"):
        item.image()
