"""LFW in miniature."""

from __future__ import annotations

from pathlib import Path

import pytest

from wholeface.core.errors import DataError
from wholeface.lab.data.datasets import LFWPairs, LFWPeople

PEOPLE = {"Aaron_Eckhart": 3, "Bo_Ryan": 2, "Zorica_Radovic": 1}
PAIRS = """2\t2
Aaron_Eckhart\t1\t3
Bo_Ryan\t1\t2
Aaron_Eckhart\t1\tBo_Ryan\t2
Bo_Ryan\t1\tZorica_Radovic\t1
Aaron_Eckhart\t2\t3
Aaron_Eckhart\t1\t2
Zorica_Radovic\t1\tAaron_Eckhart\t3
Zorica_Radovic\t1\tBo_Ryan\t1
"""


@pytest.fixture(params=["lfw", "lfw_funneled", "lfw-deepfunneled/lfw-deepfunneled", "."])
def root(request: pytest.FixtureRequest, tmp_path: Path, write_image) -> Path:  # type: ignore[no-untyped-def]
    for name, count in PEOPLE.items():
        for i in range(1, count + 1):
            write_image(tmp_path / request.param / name / f"{name}_{i:04d}.jpg", seed=i)
    (tmp_path / "pairs.txt").write_text(PAIRS)
    return tmp_path


def test_pairs(root: Path) -> None:
    dataset = LFWPairs(root)
    assert (len(dataset), dataset.folds) == (8, 2)
    assert [pair.same for pair in dataset] == [True, True, False, False] * 2
    assert [pair.fold for pair in dataset] == [0] * 4 + [1] * 4
    pair = dataset[6]
    assert (pair.first.name, pair.second.name) == ("Zorica_Radovic_0001.jpg", "Aaron_Eckhart_0003.jpg")
    assert pair.second.parent.name == "Aaron_Eckhart"
    assert [image.shape for image in pair.images()] == [(24, 20, 3)] * 2
    assert dataset[-2].first == pair.first
    with pytest.raises(IndexError):
        dataset[8]


def test_development_lists(root: Path) -> None:
    (root / "pairsDevTest.txt").write_text("1\nBo_Ryan\t1\t2\nBo_Ryan\t1\tZorica_Radovic\t1\n")
    dataset = LFWPairs(root, "pairsDevTest.txt")
    assert [(p.same, p.fold) for p in dataset] == [(True, 0), (False, 0)]
    (root / "peopleDevTrain.txt").write_text("2\nAaron_Eckhart\t3\nBo_Ryan\t2\n")
    people = LFWPeople(root, "peopleDevTrain.txt")
    assert len(people) == 5
    assert (people[4].identity, people[4].name) == ("Bo_Ryan", "Bo_Ryan_0002.jpg")
    (root / "people.txt").write_text("2\n1\nBo_Ryan\t2\n2\nAaron_Eckhart\t3\nZorica_Radovic\t1\n")
    assert len(LFWPeople(root, "people.txt")) == 6
    assert len(LFWPeople(root)) == 6


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2\t2", "2\t3", "8 pairs; its first line says 2 × 2 × 3 = 12"),
        ("2\t2", "many", "line 1: 'many' is no whole number"),
        ("2\t2", "2 2 2", "line 1: no numbers of folds"),
        ("Bo_Ryan\t1\t2", "Bo_Ryan\t1", "line 3: .* expected a pair of one person, 'name n1 n2'"),
        ("Bo_Ryan\t1\tZorica_Radovic\t1", "Bo_Ryan\t1\t2", "line 5: .* expected a pair of two people"),
        ("Aaron_Eckhart\t1\t2", "Aaron_Eckhart\t1\t9", r"Aaron_Eckhart_0009\.jpg: not there, but pairs\.txt"),
        ("Bo_Ryan\t1\t2", "Bo_Ryan\t1\tx", "line 3: 'x' is no whole number"),
        ("Aaron_Eckhart\t1\t2", "Nobody\t1\t2", "Nobody: no such folder; expected folders of LFW"),
    ],
)
def test_damaged_pairs(root: Path, old: str, new: str, message: str) -> None:
    assert old in PAIRS
    (root / "pairs.txt").write_text(PAIRS.replace(old, new))
    with pytest.raises(DataError, match=message):
        LFWPairs(root)


def test_people_that_disagree(root: Path) -> None:
    path = root / "peopleDevTrain.txt"
    for text, message in (
        ("2\nBo_Ryan\t2\n", "1 people, but its counts say 2"),
        ("1\nBo_Ryan\t3\n", "Bo_Ryan: 2 images, but the list says 3"),
        ("1\nBo_Ryan\n", "line 2: 'Bo_Ryan'; expected peopleDevTrain"),
        ("1\nBo_Ryan\tx\n", "line 2: 'x' is no whole number"),
        ("1\nNobody\t1\n", "Nobody: no such folder"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            LFWPeople(root, path)


def test_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pairs\.txt: No such file.*; expected pairs\.txt: 'folds"):
        LFWPairs(tmp_path)
    (tmp_path / "pairs.txt").write_text("1\t1\nA\t1\t2\nA\t1\tB\t1\n")
    with pytest.raises(DataError, match=r"A: no such folder, nor in lfw/; expected folders of LFW"):
        LFWPairs(tmp_path)
    with pytest.raises(DataError, match="holds no images"):
        LFWPeople(tmp_path)
