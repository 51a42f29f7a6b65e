"""The set of people by whose second photo they should be recognised, and occluders laid over the first."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.bench.sets.identity_occluders import photo_sample
from wholeface.lab.bench.sets.likeness import OccludedPhotos, age_band, open_people
from wholeface.lab.bench.systems.own import Shared
from wholeface.lab.data import FaceSample
from wholeface.morphable import load_model
from wholeface.perceive import FaceLandmarks


@pytest.fixture(scope="module")
def frontal() -> FaceSample:
    """The mean face on skin-coloured ground, seen from the front."""

    class Detector:
        def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceLandmarks, ...]:
            points = _points()
            return (FaceLandmarks.from_points(points, "ibug68"),)

    return photo_sample(np.full((200, 200, 3), (190, 140, 120), np.uint8), Shared(detector=Detector()))  # type: ignore[arg-type]


def _points() -> NDArray[np.float64]:
    """(68, 2) of the mean face from the front, 0.7 pixels for a millimetre."""
    model = load_model()
    assert model.landmarks_68 is not None
    points = model.landmarks_68.points(model.mean, model.triangles).double().numpy()
    return np.stack((100 + 0.7 * points[:, 0], 100 - 0.7 * (points[:, 1] - points[30, 1])), axis=1)


def folder(root: Path, names: tuple[str, ...] = ("007", "003"), **about: object) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    person = {"age": "31", "sex": "female", "group": "black", **about}
    (root / "people.json").write_text(json.dumps(dict.fromkeys(names, person)))
    for name in names:
        for kind in ("neutral", "smiling"):
            (root / f"{name}_{kind}.jpg").touch()
    return root


def test_the_set_and_where_its_occluders_come_from(tmp_path: Path) -> None:
    folder(tmp_path / "data" / "faces_lab")
    people, root = open_people(tmp_path / "data")
    assert [person.name for person in people] == ["003", "007"]
    assert people[0].groups == {"sex": "female", "age": "25 to 34", "group": "black"}
    assert people[1].probe == tmp_path / "data" / "faces_lab" / "007_neutral.jpg"
    assert root is None  # no occluders there: they are drawn
    (tmp_path / "data" / "occluders").mkdir()
    for data in (tmp_path / "data", tmp_path / "data" / "faces_lab"):
        assert open_people(data)[1] == tmp_path / "data"


def test_people_at_most(tmp_path: Path) -> None:
    folder(tmp_path, ("1", "2", "3"))
    assert [person.name for person in open_people(tmp_path, 2)[0]] == ["1", "2"]
    with pytest.raises(DataError, match="1 people"):
        open_people(tmp_path, 1)


def test_ages() -> None:
    assert [age_band(age) for age in (19, 24.9, 25, 34, 35, 80)] == [
        "under 25", "under 25", "25 to 34", "25 to 34", "35 and over", "35 and over",
    ]  # fmt: skip


def test_other_layouts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither people\.json"):
        open_people(tmp_path)
    folder(tmp_path, age="old")
    with pytest.raises(DataError, match="expected age, sex and group"):
        open_people(tmp_path)
    folder(tmp_path)
    (tmp_path / "007_smiling.jpg").unlink()
    with pytest.raises(DataError, match="007_smiling"):
        open_people(tmp_path)


@pytest.mark.parametrize("kind", ["patches", "sunglasses"])
def test_occluders_belong_to_seed_and_person(kind: str, frontal: FaceSample) -> None:
    cover = OccludedPhotos(None, 0)
    made, design = cover(frontal, kind, "003")
    again, same = OccludedPhotos(None, 0)(frontal, kind, "003")
    assert design == same
    np.testing.assert_array_equal(made.image, again.image)
    assert made.hidden.sum() >= 0.03 * made.face.sum()
    np.testing.assert_array_equal(made.clean, frontal.image)
    others = [cover(frontal, kind, "004")[0], OccludedPhotos(None, 1)(frontal, kind, "003")[0]]
    assert all((other.image != made.image).any() for other in others)


def test_unknown_kinds_and_designs(frontal: FaceSample) -> None:
    with pytest.raises(UsageError, match="unknown occluder 'beard'"):
        OccludedPhotos(None, 0).check(["masks", "beard"])
    with pytest.raises(UsageError, match="designs must be"):
        OccludedPhotos(None, 0, "all")  # type: ignore[arg-type]


def test_what_does_not_fit_is_said(frontal: FaceSample) -> None:
    nowhere = frontal.with_(face=np.zeros_like(frontal.face))
    cover = OccludedPhotos(None, 0)
    marks = np.full_like(frontal.landmarks_68, -500)
    with pytest.raises(UsageError, match="no sunglasses fitted"):
        cover(nowhere.with_(landmarks_68=marks), "sunglasses", "003")
