"""How well statistics explain skin."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.spherical_harmonics import sh_basis_array
from wholeface.lab.modelling.albedo.explained import by_tone, explain
from wholeface.lab.modelling.albedo.skins.portraits import Unwrapped
from wholeface.render import ambient_light, directional_light

T = 600
LIGHT = (ambient_light(0.6) + directional_light((-0.4, 0.3, 0.8), (0.4, 0.38, 0.34))).numpy()


def _photos(rng: np.random.Generator, mean: np.ndarray, basis: np.ndarray) -> Unwrapped:
    z = rng.normal(size=(3, len(basis)))
    normals = rng.normal(size=(3, T, 3)) + np.array([0, 0, 2])
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    colour = np.exp(mean + np.einsum("nk,ktc->ntc", z, basis)) * (sh_basis_array(normals) @ LIGHT)
    ones = np.ones((3, T))
    return Unwrapped(("a", "b", "c"), colour.astype(np.float32), normals, ones, np.zeros(3))


def test_people_of_the_statistics_are_explained_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    mean = np.log([0.5, 0.3, 0.22]) + np.zeros((T, 3))
    basis = 0.12 * rng.normal(size=(6, T, 3))
    photos = _photos(rng, mean, basis)
    skin = np.ones((3, T), dtype=bool)
    full = explain(mean, basis, photos, skin).delta_e
    none = explain(mean, basis[:1] * 0, photos, skin).delta_e
    assert full.max() < 0.5
    assert none.min() > 4
    # Only what is named skin counts.
    spoilt = Unwrapped(photos.names, photos.colour.copy(), photos.normals, photos.weight, photos.error_px)
    spoilt.colour[:, ::2] = 0.9
    half = skin.copy()
    half[:, ::2] = False
    assert explain(mean, basis, spoilt, half).delta_e.max() < 0.7


def test_by_tone() -> None:
    report = by_tone(np.array([2.0, 4.0, 6.0, 3.0]), [1, 2, 6, 3])
    assert report["delta_e"] == {"2": 3.0, "3": 3.0, "6": 6.0}
    assert report["photos"] == {"2": 2, "3": 1, "6": 1}
    assert report["worst_to_best"] == pytest.approx(2.0)
