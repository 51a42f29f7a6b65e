"""The complete vector of a face in a crop: what it says, and that both ways are inverses."""

from __future__ import annotations

import math

import pytest
import torch

from wholeface.morphable import Parameters
from wholeface.photo import Similarity
from wholeface.render import Camera, rotation_from_degrees, rotation_matrix, to_camera
from wholeface.stages.shape.crop_layout import complete_layout, crop_vector, parameters_of_crop

LAYOUT = complete_layout(7, 4, 3)
SIZE = 128


def _faces(count: int = 5) -> tuple[Parameters, Camera, torch.Tensor]:
    g = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=g, dtype=torch.float64)

    translation = 80 * normal(3)
    translation[:, 2] -= 700
    parameters = Parameters(normal(7), normal(4), normal(3), normal(9, 3), 0.4 * normal(3), translation)
    crops = [Similarity(0.5 + 0.1 * i, 0.3 * i - 0.5, 10.0 * i, -20.0).matrix for i in range(count)]
    numbers = [
        torch.rand(count, generator=g, dtype=torch.float64) * a + b
        for a, b in ((500, 700), (99, 200), (99, 150))
    ]
    return parameters, Camera(*numbers, 640, 480), torch.stack([torch.from_numpy(c) for c in crops])


@pytest.mark.parametrize("known", [True, False])
def test_there_and_back_is_the_same_face(known: bool) -> None:
    parameters, camera, crop = _faces()
    vector = crop_vector(parameters, camera, crop, SIZE)
    assert vector.shape == (5, LAYOUT.size)
    back, focal = parameters_of_crop(vector, LAYOUT, crop, SIZE, camera, focal_known=known)
    for name in vars(parameters):
        torch.testing.assert_close(getattr(back, name), getattr(parameters, name), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(focal, torch.as_tensor(camera.focal))


def test_what_the_numbers_say() -> None:
    """A frontal face straight ahead: no turn, the middle of the crop, and millimetres that cover so many pixels."""
    light = torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    zeros = torch.zeros(1, 1, dtype=torch.float64)
    face = Parameters(
        zeros, zeros, zeros, light, torch.zeros(1, 3, dtype=torch.float64),
        torch.tensor([[0.0, 0.0, -500.0]], dtype=torch.float64),
    )  # fmt: skip
    camera = Camera(1000.0, 319.5, 239.5, 640, 480)
    crop = torch.from_numpy(Similarity(0.5, 0.0, 63.5 - 319.5 / 2, 63.5 - 239.5 / 2).matrix)[None]
    parts = complete_layout(1, 1, 1).split(crop_vector(face, camera, crop, SIZE))
    torch.testing.assert_close(parts["rotation"], torch.zeros(1, 3, dtype=torch.float64))
    torch.testing.assert_close(parts["shift"], torch.zeros(1, 2, dtype=torch.float64))
    assert float(parts["scale"]) == pytest.approx(math.log(1.0 / 128))  # 2 photo pixels a mm, halved
    assert float(parts["distance"]) == pytest.approx(math.log(0.5))
    torch.testing.assert_close(parts["light"].view(1, 9, 3), light)


def test_a_head_that_looks_along_the_ray_is_not_turned() -> None:
    """Aside in the photo and facing the camera: the crop shows a frontal face, and the vector says so."""
    translation = torch.tensor([[200.0, 0.0, -500.0]], dtype=torch.float64)
    towards = math.degrees(math.atan2(-200.0, 500.0))  # yaw that leads the nose back to the camera
    zeros = torch.zeros(1, 1, dtype=torch.float64)
    face = Parameters(
        zeros, zeros, zeros, torch.zeros(1, 9, 3, dtype=torch.float64),
        rotation_from_degrees(towards, dtype=torch.float64)[None], translation,
    )  # fmt: skip
    camera = Camera(1000.0, 319.5, 239.5, 640, 480)
    crop = torch.from_numpy(Similarity(0.3).matrix)[None]
    parts = complete_layout(1, 1, 1).split(crop_vector(face, camera, crop, SIZE))
    torch.testing.assert_close(parts["rotation"], torch.zeros(1, 3, dtype=torch.float64))


def test_a_turned_crop_turns_the_face_not_its_look() -> None:
    """The same picture by another camera that was held aslant, cropped upright: the same vector."""
    parameters, camera, crop = _faces(1)
    vector = crop_vector(parameters, camera, crop, SIZE)
    angle = 0.7
    turn = rotation_matrix(torch.tensor([0.0, 0.0, -angle], dtype=torch.float64))
    from wholeface.render import axis_angle, rotate_light

    slanted = parameters.with_(
        rotation=axis_angle(turn @ rotation_matrix(parameters.rotation)),
        translation=parameters.translation @ turn.T,
        light=rotate_light(parameters.light, turn[None]),
    )
    # The photo turned by the angle about its principal point; the crop undoes that
    centre = torch.stack([torch.as_tensor(camera.cx), torch.as_tensor(camera.cy)], dim=1)[0].numpy()
    about = Similarity(1.0, angle)
    tx, ty = centre - about.apply(centre)
    undone = Similarity(1.0, angle, float(tx), float(ty)).inverse()
    first = Similarity(0.5, -0.5, 0.0, -20.0)
    torch.testing.assert_close(torch.from_numpy(first.matrix), crop[0])
    again = torch.from_numpy(undone.then(first).matrix)[None]
    torch.testing.assert_close(crop_vector(slanted, camera, again, SIZE), vector, rtol=1e-9, atol=1e-9)


def test_points_are_seen_where_they_were() -> None:
    parameters, camera, crop = _faces()
    vector = crop_vector(parameters, camera, crop, SIZE)
    back, focal = parameters_of_crop(vector, LAYOUT, crop, SIZE, camera, focal_known=False)
    points = 60 * torch.randn(5, 20, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = Camera(focal, camera.cx, camera.cy, 640, 480).project(
        to_camera(points, back.rotation, back.translation)
    )
    wanted = camera.project(to_camera(points, parameters.rotation, parameters.translation))
    torch.testing.assert_close(found, wanted)


def test_gradients_reach_every_number() -> None:
    parameters, camera, crop = _faces(2)
    vector = crop_vector(parameters, camera, crop, SIZE).requires_grad_()

    def chain(v: torch.Tensor) -> torch.Tensor:
        found, focal = parameters_of_crop(v, LAYOUT, crop, SIZE, camera, focal_known=False)
        return torch.cat([found.flat(), focal[:, None]], dim=1)

    assert torch.autograd.gradcheck(chain, (vector,))
