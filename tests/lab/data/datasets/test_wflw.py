"""WFLW in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.data.datasets import WFLW, WFLW_ATTRIBUTES

LIST = "WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_train.txt"
NAMES = ("0--Parade/a 1.jpg", "0--Parade/a 1.jpg", "9--Press/b.jpg")
FLAGS = ("000010", "100000", "000011")


def rows() -> list[str]:
    lines = []
    for i, (name, flags) in enumerate(zip(NAMES, FLAGS)):
        coordinates = np.random.default_rng(i).uniform(0, 200, 196).round(6)
        lines.append(" ".join([*map(str, coordinates), f"{i} {i + 1} {i + 20} {i + 31}", *flags, name]))
    return lines


@pytest.fixture
def root(tmp_path: Path, write_image) -> Path:  # type: ignore[no-untyped-def]
    for i, name in enumerate(NAMES):
        write_image(tmp_path / "WFLW_images" / name, seed=i)
    path = tmp_path / LIST
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(rows()) + "\n")
    return tmp_path


def test_items(root: Path) -> None:
    dataset = WFLW(root)
    assert len(dataset) == 3
    item = dataset[1]
    assert (item.name, item.box, item.scheme) == (NAMES[1], (1, 2, 21, 32), "wflw98")
    assert item.attributes == dict(zip(WFLW_ATTRIBUTES, [True, *[False] * 5]))
    expected = np.random.default_rng(1).uniform(0, 200, 196).round(6).reshape(98, 2)
    np.testing.assert_array_equal(item.points, expected.astype(np.float32))
    assert item.image().shape == (24, 20, 3)
    assert len(list(dataset)) == 3


def test_subsets(root: Path) -> None:
    assert [item.name for item in WFLW(root, subset="occlusion")] == [NAMES[0], NAMES[2]]
    assert [item.name for item in WFLW(root, subset="blur")] == [NAMES[2]]
    assert len(WFLW(root, subset="make-up")) == 0
    with pytest.raises(UsageError, match="no subset 'fog'; choose from pose"):
        WFLW(root, subset="fog")
    with pytest.raises(UsageError, match="no split"):
        WFLW(root, "val")  # type: ignore[arg-type]


def test_the_68_points(root: Path) -> None:
    item = WFLW(root)[0]
    points = item.points_68()
    assert points.shape == (68, 2)
    for ibug, wflw in ((0, 0), (8, 16), (16, 32), (17, 33), (22, 42), (30, 54), (33, 57), (36, 60), (39, 64)):
        np.testing.assert_array_equal(points[ibug], item.points[wflw])
    for ibug, wflw in ((42, 68), (45, 72), (48, 76), (54, 82), (57, 85), (60, 88), (67, 95)):
        np.testing.assert_array_equal(points[ibug], item.points[wflw])


def test_what_is_missing(root: Path) -> None:
    with pytest.raises(DataError, match=r"list_98pt_rect_attr_test\.txt.*expected WFLW_images/ and"):
        WFLW(root, "test")
    (root / "WFLW_images" / NAMES[2]).unlink()
    with pytest.raises(
        DataError, match=r"9--Press/b\.jpg: not there, but list_98pt_rect_attr_train\.txt lists it"
    ):
        WFLW(root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            " 0 0 0 0 1 0 0--Parade",
            " 0 0 0 1 0 0--Parade",
            "line 1: .* expected 207 columns|line 1: could not",
        ),
        (" 0 0 0 0 1 1 9", " 0 0 0 2 1 1 9", "line 3: an attribute is neither 0 nor 1"),
        ("1 2 21 32", "1 2 x 32", "line 2: could not convert"),
    ],
)
def test_damaged_lists(root: Path, old: str, new: str, message: str) -> None:
    text = (root / LIST).read_text()
    assert old in text
    (root / LIST).write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message) as caught:
        WFLW(root)
    assert "list_98pt_rect_attr_train.txt" in str(caught.value)


def test_too_few_columns(root: Path) -> None:
    (root / LIST).write_text("1 2 3 a.jpg\n")
    with pytest.raises(DataError, match="line 1: 4 columns; expected 207 columns: 98 points"):
        WFLW(root)
