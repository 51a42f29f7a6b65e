"""Made-up skin is as rough as seen skin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from wholeface.morphable import MorphableModel
from wholeface.morphable.loaders import load_model
from wholeface.render import Camera
from wholeface.stages.texture.uv.atlas import FACE, atlas_of, surface_of
from wholeface.stages.texture.uv.noise import matched_noise, skin_noise
from wholeface.stages.texture.uv.view import View

SIZE, SCALE, PIXELS = 1024, (0.7, 1.4), 10.0


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    found = load_model("wholeface")
    level = torch.full((2, found.vertex_count), 0.03)
    level[:, found.regions["nose"]] *= 2
    grain = {"grain": level, "grain_mm": torch.tensor(SCALE), "grain_skew": torch.tensor([-0.6, 0.0])}
    return replace(found, extras={**found.extras, **grain})


def _view(model: MorphableModel, log: np.ndarray) -> View:
    """A photo of skin at ten pixels per mm, all of it taken for one triangle of the cheek."""
    surface = surface_of(model)
    cheek = np.flatnonzero((surface.kind == FACE) & ~model.regions["nose"].numpy()[surface.triangles].any(1))[
        0
    ]
    one = np.ones(log.shape, np.float32)
    linear = np.repeat(np.exp(log)[..., None], 3, axis=2).astype(np.float32)
    return View(
        0, 0, 1, Camera(1000.0, 0.0, 0.0, *log.shape), linear,
        np.full(log.shape, cheek, np.int32), np.repeat(one[..., None] / 3, 3, axis=2), one, one, one, one, PIXELS,
    )  # fmt: skip


def _band(rng: np.random.Generator, scale: float, strength: float) -> np.ndarray:
    white = rng.standard_normal((400, 400))
    scale *= PIXELS
    band = gaussian_filter(white, 0.5 * scale) - gaussian_filter(white, scale)
    return strength * band / band.std()


@pytest.mark.parametrize("strength", [0.0, 0.01, 0.05])
def test_noise_is_as_strong_as_the_photo_shows_it(model: MorphableModel, strength: float) -> None:
    surface, atlas = surface_of(model), atlas_of(model, SIZE)
    noise = skin_noise(model, surface, atlas, 0)
    view = _view(model, _band(np.random.default_rng(0), SCALE[0], strength) - 1.0)
    values = matched_noise(noise, view, view.weight, surface, 9.0)
    on_nose = model.regions["nose"].numpy()[surface.triangles]
    nose = np.asarray(on_nose.all(axis=1))[atlas.triangle]
    plain = (surface.kind[atlas.triangle] == FACE) & ~np.asarray(on_nose.any(axis=1))[atlas.triangle]
    assert values[plain].std() == pytest.approx(strength, rel=0.3, abs=1e-4)
    if strength:
        assert values[nose].std() / values[plain].std() == pytest.approx(1.4, rel=0.25)


def test_a_coarse_photo_gives_only_coarse_grain(model: MorphableModel) -> None:
    surface, atlas = surface_of(model), atlas_of(model, SIZE)
    noise = skin_noise(model, surface, atlas, 0)
    fine = _view(model, _band(np.random.default_rng(1), SCALE[0], 0.05) - 1.0)
    far = replace(fine, pixels_per_mm=0.6)
    assert matched_noise(noise, fine, fine.weight, surface, 0.0).std() > 0.01
    far_values = matched_noise(noise, far, far.weight, surface, 0.0)
    assert np.corrcoef(far_values, noise.values[0])[0, 1] < 0.2


def test_without_reliable_skin_there_is_no_grain(model: MorphableModel) -> None:
    surface, atlas = surface_of(model), atlas_of(model, SIZE)
    noise = skin_noise(model, surface, atlas, 0)
    view = _view(model, np.zeros((60, 60)))
    assert not matched_noise(noise, view, 0 * view.weight, surface, 1.0).any()


def test_pores_are_dark_and_the_seed_decides(model: MorphableModel) -> None:
    surface, atlas = surface_of(model), atlas_of(model, SIZE)
    first = skin_noise(model, surface, atlas, 0).values[0]
    face = surface.kind[atlas.triangle] == FACE
    centred = first[face] - first[face].mean()
    assert (centred**3).mean() / centred.std() ** 3 < -0.2
    assert np.array_equal(first, skin_noise(replace(model), surface, atlas, 0).values[0])
    assert not np.array_equal(first, skin_noise(model, surface, atlas, 1).values[0])
