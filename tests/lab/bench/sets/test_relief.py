"""Rendered faces with folds: their light by name, the same ones again, and what an occluder hides of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.lab.bench.sets.relief import FoldedFaces, light_of
from wholeface.morphable import MorphableModel, Parameters
from wholeface.render import Camera, ambient_light, directional_light, rotation_from_degrees
from wholeface.stages import FaceFit, Tools


@pytest.mark.parametrize(
    ("direction", "name"),
    [
        ((0.1, 0.2, 1.0), "frontal"),
        ((1.0, 0.2, 0.4), "side"),
        ((-1.0, 0.2, 0.4), "side"),
        ((0.2, 1.0, 0.4), "above"),
        ((0.2, -1.0, 0.4), "below"),
    ],
)
@pytest.mark.parametrize("yaw", [0.0, 40.0])
def test_light_by_its_direction_as_the_face_sees_it(
    small_model: MorphableModel, direction: tuple[float, float, float], name: str, yaw: float
) -> None:
    rotation = rotation_from_degrees(yaw, 0.0, 0.0)
    turn = torch.linalg.matrix_exp(torch.tensor(
        [[0, 0, rotation[1]], [0, 0, 0], [-rotation[1], 0, 0]], dtype=torch.float64
    ))  # fmt: skip
    seen = turn @ torch.tensor(direction, dtype=torch.float64)
    light = ambient_light(0.2) + directional_light(tuple(seen.tolist()), 0.8)
    parameters = Parameters(
        torch.zeros(6), torch.zeros(5), torch.zeros(4), light, rotation, torch.tensor([0.0, 0.0, -600.0])
    )
    fit = FaceFit(small_model, parameters, Camera(300.0, 63.5, 63.5, 128, 128))
    assert light_of(fit) == name
    dim = replace(parameters, light=ambient_light(1.0) + directional_light(tuple(seen.tolist()), 0.1))
    assert light_of(replace(fit, parameters=dim)) == "diffuse"


@pytest.fixture(scope="module")
def faces() -> FoldedFaces:
    from wholeface.morphable import load_model

    return FoldedFaces(None, Tools(load_model()), seed=3, split="validation", occluders=("masks",))


def test_a_face_and_what_hides_it(faces: FoldedFaces) -> None:
    assert faces.albedos == ("model albedo",)
    face = faces.face(0, "model albedo")
    again = faces.face(0, "model albedo")
    assert (face.pixels == again.pixels).all()
    assert (face.displacement == again.displacement).all()
    assert face.displacement.min() < -0.1
    assert face.skin.sum() > 3000
    assert face.occluded is not None
    assert face.hidden is not None
    changed = (face.pixels.astype(int) != face.occluded).any(axis=2)
    assert (changed & face.hidden).sum() > 0.8 * face.hidden.sum()
    assert (face.hidden & face.skin).sum() > 300
    assert face.displacement[face.hidden].any() or face.displacement[~face.hidden].any()


def test_two_pictures_share_their_folds_alone(faces: FoldedFaces) -> None:
    first, second = faces.pair(1)
    assert first.shape == second.shape
    assert (first != second).mean() > 0.5


def test_skins_of_photos_need_photos(faces: FoldedFaces) -> None:
    with pytest.raises(UsageError, match="--data"):
        faces.face(0, "photo albedo")
    with pytest.raises(UsageError):
        FoldedFaces(None, faces.tools, occluders=("umbrellas",))
