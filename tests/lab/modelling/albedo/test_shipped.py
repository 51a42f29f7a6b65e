"""The albedo statistics of the shipped face model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wholeface.lab.modelling.albedo.atlas import build_atlas
from wholeface.morphable import AlbedoModel, MorphableModel, linear_to_srgb
from wholeface.morphable.loaders import load_model


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    found = load_model("wholeface")
    if found.albedo is None:
        pytest.skip("the shipped model has no albedo yet")
    return found


@pytest.fixture(scope="module")
def albedo(model: MorphableModel) -> AlbedoModel:
    assert model.albedo is not None
    return model.albedo


def _one(k: int, value: float) -> torch.Tensor:
    c = torch.zeros(80)
    c[k] = value
    return c


def test_shapes(model: MorphableModel, albedo: AlbedoModel) -> None:
    assert albedo.space == "log"
    assert albedo.size == 80
    assert albedo.mean_texture is not None
    assert albedo.basis_texture is not None
    assert tuple(albedo.mean_texture.shape) == (3, 512, 512)
    assert tuple(albedo.basis_texture.shape) == (80, 3, 256, 256)
    assert albedo.basis.shape[1] == model.vertex_count


def test_mean_and_modes_are_mirror_symmetric(albedo: AlbedoModel) -> None:
    assert albedo.mean_texture is not None
    assert albedo.basis_texture is not None
    assert torch.allclose(albedo.mean_texture, albedo.mean_texture.flip(-1), atol=2e-3)
    for mode in albedo.basis_texture:
        limit = 0.02 * float(mode.abs().max())
        even = float((mode - mode.flip(-1)).abs().max()) <= limit
        odd = float((mode + mode.flip(-1)).abs().max()) <= limit
        assert even or odd


def test_modes_are_sorted_by_area_weighted_variance(model: MorphableModel, albedo: AlbedoModel) -> None:
    atlas = build_atlas(model, 256)
    area = torch.from_numpy(atlas.area * atlas.regions["face"])
    assert albedo.basis_texture is not None
    variance = ((albedo.basis_texture**2).sum(1) * area).sum((1, 2)) / area.sum()
    assert (variance[:78].diff() < 0.15 * variance[:77]).all()
    assert variance[0] > 5 * variance[1]


def test_eyes_and_teeth_do_not_follow_the_skin(model: MorphableModel, albedo: AlbedoModel) -> None:
    atlas = build_atlas(model, 256)
    assert albedo.basis_texture is not None
    inner = torch.from_numpy(atlas.regions["eyeballs"] | atlas.regions["teeth"])
    assert float(albedo.basis_texture[:78][:, :, inner].abs().max()) == 0
    other = torch.from_numpy(~atlas.regions["eyeballs"])
    assert float(albedo.basis_texture[78:][:, :, other].abs().max()) == 0
    assert float(albedo.basis_texture[78].abs().max()) > 0.3


def test_the_whole_head_follows_the_face(model: MorphableModel, albedo: AlbedoModel) -> None:
    face = model.regions["face"]
    for name in ("scalp", "neck", "ears"):
        for value in (-2.0, 2.0):
            offset = _one(0, value) @ albedo.basis.flatten(1)
            shift = offset.view(-1, 3)
            assert torch.allclose(shift[model.regions[name]].mean(0), shift[face].mean(0), rtol=0.3)


def test_two_sigma_of_the_first_mode_spans_dark_to_light_skin(
    model: MorphableModel, albedo: AlbedoModel
) -> None:
    nose = model.regions["nose"]
    levels = [
        255 * linear_to_srgb(albedo.vertices(_one(0, value))[nose].median(0).values.clamp(max=1))
        for value in (-2.0, 0.0, 2.0)
    ]
    greys = sorted(float(v.mean()) for v in levels)
    assert greys[0] < 95
    assert greys[2] > 170
    for level in levels:
        assert level[0] > level[1] > level[2]  # skin is redder than green, greener than blue


def test_random_subjects_are_skin_coloured(albedo: AlbedoModel) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        texture = albedo.texture(torch.randn(80, generator=generator), 128)
        assert bool(torch.isfinite(texture).all())
        assert float(texture.min()) >= 0
        middle = texture[:, 20:90, 20:108].flatten(1).median(1).values
        assert middle[0] > middle[2]
        assert 0.02 < float(middle.mean()) < 0.9


def test_nothing_blue_or_green_on_the_skin(model: MorphableModel, albedo: AlbedoModel) -> None:
    skin = model.regions["skin"].numpy()
    mean = albedo.vertices(torch.zeros(1))[skin].numpy()
    assert np.percentile(mean[:, 0] / mean[:, 2], 1) > 1.0
    assert np.percentile(mean[:, 0] / mean[:, 1], 1) > 1.0
