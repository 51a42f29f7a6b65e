"""Folders of subjects, as of VGGFace2, in miniature."""

from __future__ import annotations

from pathlib import Path

import pytest

from wholeface.core.errors import DataError
from wholeface.lab.data.datasets import FaceFolders


@pytest.fixture
def root(tmp_path: Path, write_image) -> Path:  # type: ignore[no-untyped-def]
    for person in ("n000002", "n000009"):
        for i in range(1, 4):
            write_image(tmp_path / "train" / person / f"{i:04d}_01.jpg", seed=i)
    (tmp_path / "train" / "n000002" / "notes.txt").write_text("")
    return tmp_path / "train"


def test_all_images(root: Path) -> None:
    dataset = FaceFolders(root)
    assert len(dataset) == 6
    assert dataset.identities == ["n000002", "n000009"]
    item = dataset[3]
    assert (item.name, item.identity) == ("n000009/0001_01.jpg", "n000009")
    assert item.path == root / "n000009" / "0001_01.jpg"
    assert item.image().shape == (24, 20, 3)
    assert len(list(dataset)) == 6
    with pytest.raises(IndexError):
        dataset[6]


@pytest.mark.parametrize("place", ["below", "beside", "path"])
def test_lists(root: Path, place: str) -> None:
    path = {"below": root, "beside": root.parent, "path": root.parent}[place] / "train_list.txt"
    path.write_text("n000009/0002_01.jpg 1\n\nn000009/0001_01.jpg 1\n")
    dataset = FaceFolders(root, path if place == "path" else "train_list.txt")
    assert [item.name for item in dataset] == ["n000009/0002_01.jpg", "n000009/0001_01.jpg"]
    assert dataset.identities == ["n000009"]


def test_other_names(tmp_path: Path, write_image) -> None:  # type: ignore[no-untyped-def]
    write_image(tmp_path / "Ævar Þór" / "ljósmynd 1.png")
    (item,) = FaceFolders(tmp_path)
    assert (item.identity, item.name) == ("Ævar Þór", "Ævar Þór/ljósmynd 1.png")
    assert item.image().shape == (24, 20, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n000002/9.jpg\n", r"n000002/9\.jpg: not there, but l\.txt lists it \(line 1\)"),
        ("n000003/0001_01.jpg\n", r"n000003/0001_01\.jpg: not there"),
        ("\n0001_01.jpg\n", "line 2: '0001_01.jpg'; expected one 'person/image.jpg' a line"),
        ("../train/n000002/0001_01.jpg\n", "line 1: "),
        ("", "holds no images"),
    ],
)
def test_damaged_lists(root: Path, text: str, message: str) -> None:
    (root / "l.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        FaceFolders(root, "l.txt")


def test_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="away: no such folder; expected one folder for each person"):
        FaceFolders(tmp_path / "away")
    with pytest.raises(DataError, match="holds no folders"):
        FaceFolders(tmp_path)
    (tmp_path / "n1").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        FaceFolders(tmp_path)
    with pytest.raises(DataError, match=r"list\.txt: No such file.*; expected one 'person"):
        FaceFolders(tmp_path, "list.txt")
