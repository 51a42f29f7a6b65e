"""AR in miniature."""

from __future__ import annotations

from pathlib import Path

import pytest

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.data.datasets import AR


@pytest.fixture
def root(tmp_path: Path, write_image) -> Path:  # type: ignore[no-untyped-def]
    for i in range(1, 27):
        write_image(tmp_path / f"m-001-{i}.bmp", seed=i)
        write_image(tmp_path / "women" / f"W-050-{i:02d}.bmp", seed=i)
    (tmp_path / "readme.txt").write_text("")
    return tmp_path


def test_subsets_by_number(root: Path) -> None:
    numbers = {
        subset: [item.attributes["number"] for item in AR(root, subset) if item.identity == "m-001"]  # type: ignore[arg-type]
        for subset in ("all", "neutral", "glasses", "scarf")
    }
    assert numbers["all"] == list(range(1, 27))
    assert numbers["neutral"] == [*range(1, 8), *range(14, 21)]
    assert numbers["glasses"] == [8, 9, 10, 21, 22, 23]
    assert numbers["scarf"] == [11, 12, 13, 24, 25, 26]
    with pytest.raises(UsageError, match="no subset 'hat'"):
        AR(root, "hat")  # type: ignore[arg-type]


def test_items(root: Path) -> None:
    dataset = AR(root)
    assert len(dataset) == 52
    item = dataset[26 + 16]
    assert (item.identity, item.name, item.path.parent.name) == ("w-050", "W-050-17.bmp", "women")
    expected = {"occluder": "none", "expression": "scream", "light": "even", "session": 2, "sex": "w"}
    assert item.attributes == {"number": 17, **expected}
    assert item.image().shape == (24, 20, 3)


@pytest.mark.parametrize("name", ["m-001-27.bmp", "m-1-1.bmp", "x-001-1.bmp", "m-001-0.bmp", "face.bmp"])
def test_other_names(root: Path, name: str) -> None:
    (root / name).write_bytes(b"")
    with pytest.raises(DataError, match=rf"{name}: expected images named as m-001-1\.bmp"):
        AR(root)


def test_twice_and_none(root: Path, tmp_path: Path) -> None:
    (root / "women" / "m-001-01.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"m-001-01\.jpg: is the same image as m-001-1\.bmp"):
        AR(root)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="none: holds no images; expected"):
        AR(tmp_path / "none")
    with pytest.raises(DataError, match="is a file; expected"):
        AR(root / "readme.txt")
