"""Light out of faces."""

from __future__ import annotations

import numpy as np

from wholeface.core.spherical_harmonics import sh_basis_array
from wholeface.lab.modelling.albedo.skins.light import fit_light
from wholeface.render import ambient_light, directional_light


def _head(rng: np.random.Generator, count: int = 4000) -> np.ndarray:
    """Normals of the front of a head."""
    normals = rng.normal(size=(count * 3, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return normals[normals[:, 2] > 0.2][:count]


LIGHT = (ambient_light(0.5) + directional_light((-0.6, 0.4, 0.7), (0.7, 0.62, 0.5))).numpy()


def test_known_light_is_removed_to_three_percent_despite_beard_and_highlights() -> None:
    rng = np.random.default_rng(1)
    normals = _head(rng)
    skin = np.array([0.5, 0.3, 0.22])
    albedo = skin * np.exp(0.05 * rng.normal(size=(len(normals), 1)))
    beard = (normals[:, 1] < -0.35) & (rng.random(len(normals)) < 0.8)
    albedo[beard] *= 0.25
    colour = albedo * (sh_basis_array(normals) @ LIGHT)
    shine = rng.random(len(normals)) < 0.05
    colour[shine] += 0.4
    fit = fit_light(colour, normals, np.broadcast_to(skin, albedo.shape), np.ones(len(normals)))
    recovered = colour / fit.relative(normals)
    clean = ~shine
    ratio = np.log(recovered / albedo)[clean]
    # Up to one factor per channel, which a photograph cannot tell.
    assert np.std(ratio - np.median(ratio, axis=0)) < 0.03
    assert fit.inlier[beard].mean() < 0.1
    assert fit.inlier[~beard & clean].mean() > 0.6


def test_relative_light_has_mean_one_and_never_vanishes() -> None:
    rng = np.random.default_rng(2)
    normals = _head(rng)
    colour = 0.4 * (sh_basis_array(normals) @ LIGHT)
    fit = fit_light(colour, normals, np.ones((len(normals), 3)), np.ones(len(normals)))
    assert np.allclose(fit.relative(normals).mean(0), 1, atol=0.03)
    assert fit.relative(-normals).min() >= 0.3


def test_unseen_points_do_not_matter() -> None:
    rng = np.random.default_rng(3)
    normals = _head(rng)
    colour = 0.4 * (sh_basis_array(normals) @ LIGHT)
    weight = (rng.random(len(normals)) < 0.7).astype(float)
    spoiled = np.where(weight[:, None] > 0, colour, 50.0)
    one = fit_light(colour, normals, np.ones_like(colour), weight)
    two = fit_light(spoiled, normals, np.ones_like(colour), weight)
    np.testing.assert_array_equal(one.light, two.light)
