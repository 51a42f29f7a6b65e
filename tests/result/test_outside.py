"""The share of a face beyond the photo's edges, against a rasterised face on a larger canvas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wholeface.morphable import MorphableModel, Parameters, load_model
from wholeface.render import Camera
from wholeface.result.outside import outside_share
from wholeface.stages.posed import PosedFace


@pytest.fixture(scope="module")
def head() -> MorphableModel:
    return load_model("wholeface")


def _at(model: MorphableModel, x: float) -> Parameters:
    """A face in front of the camera, moved to the right by ``x`` mm."""
    return Parameters(
        identity=torch.zeros(len(model.identity)),
        expression=torch.zeros(len(model.expression_names)),
        albedo=torch.zeros(0),
        light=torch.zeros(9, 3),
        rotation=torch.zeros(3),
        translation=torch.tensor([x, 0.0, -1000.0]),
    )


def _region(model: MorphableModel, parameters: Parameters, width: int) -> np.ndarray:
    """(400, width) the rectangle around the face."""
    camera = Camera(focal=1500.0, cx=199.5, cy=199.5, width=width, height=400)
    points = model.vertices(parameters.identity, parameters.expression)[model.regions["face"]]
    column, row = camera.project(points + parameters.translation).round().long().unbind(-1)
    found = np.zeros((400, width), bool)
    top, bottom = max(int(row.min()), 0), min(int(row.max()) + 1, 400)
    found[top:bottom, max(int(column.min()), 0) : max(min(int(column.max()) + 1, width), 0)] = True
    return found


def test_a_face_within_the_photo(head: MorphableModel) -> None:
    whole = _at(head, 0.0)
    camera = Camera(focal=1500.0, cx=199.5, cy=199.5, width=400, height=400)
    assert outside_share(PosedFace.of(head, whole), camera, _region(head, whole, 400)) == 0.0


def test_half_a_face(head: MorphableModel) -> None:
    whole = _at(head, 0.0)
    camera = Camera(focal=1500.0, cx=199.5, cy=199.5, width=200, height=400)  # the edge runs along the nose
    assert outside_share(PosedFace.of(head, whole), camera, _region(head, whole, 200)) == pytest.approx(
        0.5, abs=0.01
    )


def test_more_of_it_the_further_it_is_moved(head: MorphableModel) -> None:
    camera = Camera(focal=1500.0, cx=199.5, cy=199.5, width=400, height=400)
    shares = []
    for x in (50.0, 80.0, 110.0, 140.0, 300.0):
        moved = _at(head, x)
        shares.append(outside_share(PosedFace.of(head, moved), camera, _region(head, moved, 400)))
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    assert shares[-1] == 1.0
