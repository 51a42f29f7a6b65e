"""Vectors of encoders: one face, whether it is looked at in the crop or in the photo."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from wholeface.core.errors import UsageError
from wholeface.morphable import LAYOUTS, MorphableModel, ParameterLayout
from wholeface.photo import Similarity
from wholeface.render import Camera
from wholeface.stages.face_renderer import FaceRenderer
from wholeface.stages.shape.crop_layout import complete_layout
from wholeface.stages.shape.regressed import encoder_layout, face_in_crop, face_in_photo, usual_vector

SIZE = 64


def _layout(name: str, model: MorphableModel) -> ParameterLayout:
    return (
        LAYOUTS["257"]
        if name == "257"
        else complete_layout(model.identity_size, model.expression_size, model.albedo_size)
    )


def _marks(model: MorphableModel) -> Tensor:
    """(68, 2) the mean face upright in the crop."""
    assert model.landmarks_68 is not None
    points = model.landmarks_68.points(model.mean, model.triangles)[:, :2] * torch.tensor([1.0, -1.0])
    points = points - (points.amax(0) + points.amin(0)) / 2
    return points * (0.6 * SIZE / float((points.amax(0) - points.amin(0)).max())) + (SIZE - 1) / 2


@pytest.mark.parametrize("name", ["257", "complete"])
def test_the_usual_vector_is_the_mean_face_where_faces_lie(name: str, small_model: MorphableModel) -> None:
    layout, marks = _layout(name, small_model), _marks(small_model)
    mean, spread = usual_vector(layout, small_model, marks, SIZE)
    assert mean.shape == spread.shape == (layout.size,)
    assert (spread > 0).all()
    parameters, camera = face_in_crop(mean[None], layout, small_model, SIZE)
    renderer = FaceRenderer.of(small_model)
    seen = renderer.landmarks(parameters, camera)[0]
    assert (seen - marks).norm(dim=1).mean() < 1.5  # perspective
    assert (seen.mean(0) - marks.mean(0)).norm() < 1.0
    drawn = renderer(parameters, camera)
    assert drawn.region.shape == (1, 1, SIZE, SIZE)
    assert 0.1 < float(drawn.region.mean()) < 0.6
    lit = drawn.image[:, :, drawn.region[0, 0] > 0]
    assert 0.2 < float(lit.mean()) < 0.95


@pytest.mark.parametrize("name", ["257", "complete"])
def test_crop_and_photo_show_the_same_face(
    name: str, small_model: MorphableModel, rng: torch.Generator
) -> None:
    layout = _layout(name, small_model)
    mean, spread = usual_vector(layout, small_model, _marks(small_model), SIZE)
    vector = mean + 0.5 * spread * torch.randn(2, layout.size, generator=rng)
    turns = [Similarity(0.4, 0.3), Similarity(0.7, -0.5)]
    middles = [
        turn.apply(np.array([149.5, 129.5])) for turn in turns
    ]  # of the photo, close to that of the crop
    crops = [turn.then(Similarity(1.0, 0.0, 35 - x, 29 - y)) for turn, (x, y) in zip(turns, middles)]
    matrix = torch.stack([torch.from_numpy(crop.matrix).float() for crop in crops])
    renderer = FaceRenderer.of(small_model)
    photo = Camera.of_photo(300, 260)
    parameters, camera = face_in_photo(vector, layout, small_model, matrix, SIZE, photo, focal_known=False)
    assert (camera.width, camera.height) == (300, 260)
    seen = renderer.landmarks(parameters, camera)
    there = seen @ matrix[:, :, :2].mT + matrix[:, None, :, 2]
    inner, inside = face_in_crop(vector, layout, small_model, SIZE)
    wanted = renderer.landmarks(inner, inside)
    # Layout 257 brings the crop's camera along; with the complete layout the ray is another one, by a few degrees.
    assert (there - wanted).norm(dim=-1).max() < (1e-3 if name == "257" else 1.5)
    if name == "complete":
        known, same = face_in_photo(
            vector, layout, small_model, matrix, SIZE, Camera.of_photo(300, 260, 500.0), focal_known=True
        )
        assert torch.allclose(torch.as_tensor(same.focal), torch.tensor(500.0))
        assert not torch.allclose(known.translation, parameters.translation)


@pytest.mark.parametrize("name", ["257", "complete"])
def test_vectors_learn_through_the_renderer(name: str, small_model: MorphableModel) -> None:
    layout = _layout(name, small_model)
    mean, _ = usual_vector(layout, small_model, _marks(small_model), SIZE)
    vector = mean[None].clone().requires_grad_()
    renderer = FaceRenderer.of(small_model)
    parameters, camera = face_in_crop(vector, layout, small_model, SIZE)
    drawn = renderer(parameters, camera)
    loss = (drawn.image * drawn.region).square().sum() + renderer.landmarks(parameters, camera).square().sum()
    loss.backward()
    assert vector.grad is not None
    for block, part in layout.split(vector.grad).items():
        assert torch.isfinite(part).all(), block
        used = part[..., : {"identity": 6, "expression": 5, "albedo": 4}.get(block, 1)]
        assert (used != 0).any(), block


def test_other_layouts_are_refused() -> None:
    with pytest.raises(UsageError, match="complete layout or layout 257"):
        encoder_layout(LAYOUTS["175"].blocks)
    assert encoder_layout([list(block) for block in LAYOUTS["257"].blocks]) == LAYOUTS["257"]  # type: ignore[arg-type]
