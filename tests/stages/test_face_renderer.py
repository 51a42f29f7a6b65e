"""The face alone: the same as the whole model's picture where it is drawn, and landmarks that lie on it."""

from __future__ import annotations

import torch

from wholeface.core.srgb_torch import linear_to_srgb
from wholeface.morphable import MorphableModel, Parameters
from wholeface.render import Camera, ambient_light, render_parameters, to_camera
from wholeface.stages.face_renderer import FaceRenderer


def _faces(model: MorphableModel, rng: torch.Generator) -> Parameters:
    return Parameters(
        identity=0.5 * torch.randn(2, model.identity_size, generator=rng),
        expression=torch.rand(2, model.expression_size, generator=rng),
        albedo=0.5 * torch.randn(2, model.albedo_size, generator=rng),
        light=ambient_light(0.8).expand(2, 9, 3),
        rotation=torch.tensor([[0.1, 0.2, 0.0], [-0.2, 0.0, 0.3]]),
        translation=torch.tensor([[0.0, 0.0, -500.0], [10.0, -5.0, -600.0]]),
    )


def test_the_face_is_drawn_as_the_model_draws_it(small_model: MorphableModel, rng: torch.Generator) -> None:
    parameters, camera = _faces(small_model, rng), Camera.of_photo(70, 60)
    renderer = FaceRenderer.of(small_model)
    assert 0 < renderer.inside.sum() < len(small_model.triangles)
    found = renderer(parameters, camera)
    whole = render_parameters(small_model, parameters, camera)
    assert found.region.shape == (2, 1, 60, 70)
    region = found.region[:, 0] > 0
    inside = renderer.inside[whole.fragments.triangle.clamp_min(0).long()]
    assert torch.equal(region, whole.mask & inside)
    assert 0 < region.sum() < whole.mask.sum()
    assert torch.equal(found.image.movedim(1, -1)[region], linear_to_srgb(whole.image).movedim(1, -1)[region])
    assert (found.image.amax(1)[~region] == 0).all()
    photo = torch.rand(2, 3, 60, 70, generator=rng)
    over = found.over(photo)
    assert torch.equal(over.amax(1)[~region], photo.amax(1)[~region])
    assert torch.equal(over.amax(1)[region], found.image.amax(1)[region])


def test_landmarks_are_those_of_the_mesh(small_model: MorphableModel, rng: torch.Generator) -> None:
    parameters, camera = _faces(small_model, rng), Camera.of_photo(70, 60)
    assert small_model.landmarks_68 is not None
    shape = small_model.vertices(parameters.identity, parameters.expression)
    points = small_model.landmarks_68.points(shape, small_model.triangles)
    wanted = camera.project(to_camera(points, parameters.rotation, parameters.translation))
    torch.testing.assert_close(
        FaceRenderer.of(small_model).landmarks(parameters, camera), wanted, rtol=0, atol=1e-3
    )


def test_expressions_that_cannot_be_are_taken_for_the_nearest(
    small_model: MorphableModel, rng: torch.Generator
) -> None:
    parameters, camera = _faces(small_model, rng), Camera.of_photo(70, 60)
    renderer = FaceRenderer.of(small_model)
    assert renderer is FaceRenderer.of(small_model)
    beyond = parameters.with_(expression=parameters.expression * 0 - 3)
    neutral = parameters.with_(expression=parameters.expression * 0)
    assert torch.equal(renderer.landmarks(beyond, camera), renderer.landmarks(neutral, camera))
    assert torch.equal(renderer(beyond, camera).image, renderer(neutral, camera).image)
