"""Nothing that is not face gets into the statistics."""

from __future__ import annotations

import numpy as np

from wholeface.lab.modelling.albedo.skins.masks import FaceMap, inside_polygon, skin_weight
from wholeface.lab.modelling.albedo.skins.tone import (
    TonePrior,
    anchored_tones,
    remove_low_asymmetry,
    tone_prior,
)

S = 96
ROW, COLUMN = np.mgrid[0:S, 0:S]
ZONE = (ROW - 48) ** 2 + (COLUMN - 48) ** 2 < 44**2
CORE = (ROW - 48) ** 2 + (COLUMN - 48) ** 2 < 20**2
FREE = (ROW - 50) ** 2 + (COLUMN - 48) ** 2 < 30**2
FACE = FaceMap(ZONE, CORE, FREE, ZONE, ZONE & False, CORE, ZONE & False)
SKIN = np.log([0.45, 0.28, 0.2])


def _skin(rng: np.random.Generator) -> np.ndarray:
    return SKIN + 0.05 * rng.normal(size=(S, S, 3))


def test_magenta_collar_and_dark_hair_are_masked_with_a_margin() -> None:
    texture = _skin(np.random.default_rng(0))
    collar = ROW > 82
    hair = (ROW < 16) | ((ROW < 30) & (COLUMN < 20))
    texture[collar] = np.log([0.9, 0.02, 0.9])
    texture[hair] = np.log([0.02, 0.015, 0.012])
    weight = skin_weight(texture, np.zeros((S, S, 3)), ZONE.astype(float), FACE)
    assert weight[collar | hair].max() == 0
    assert weight[FREE].min() == 1
    clean = ZONE & (ROW > 24) & (ROW < 76) & (COLUMN > 26)
    assert weight[clean].mean() > 0.95
    # The weighted mean colour holds no trace of either.
    mean = (texture * weight[..., None]).sum((0, 1)) / weight.sum()
    np.testing.assert_allclose(mean, SKIN, atol=0.02)


def test_skin_coloured_background_beyond_hair_is_not_reached() -> None:
    texture = _skin(np.random.default_rng(1))
    band = (ROW >= 20) & (ROW < 26)
    texture[band] = np.log([0.02, 0.02, 0.02])
    face = FaceMap(ZONE, CORE, CORE, ZONE, ZONE & False, CORE, ZONE & False)
    weight = skin_weight(texture, np.zeros((S, S, 3)), ZONE.astype(float), face)
    assert weight[ROW < 26].max() == 0
    assert weight[ZONE & (ROW > 34)].mean() > 0.9


def test_beard_inside_the_free_part_is_kept() -> None:
    texture = _skin(np.random.default_rng(2))
    beard = FREE & (ROW > 64)
    texture[beard] -= 1.2
    weight = skin_weight(texture, np.zeros((S, S, 3)), ZONE.astype(float), FACE)
    assert weight[beard].min() == 1


def test_nothing_known_means_nothing_trusted() -> None:
    assert (
        skin_weight(_skin(np.random.default_rng(3)), np.zeros((S, S, 3)), np.zeros((S, S)), FACE).max() == 0
    )


def test_polygon() -> None:
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2.0]])
    points = np.array([[1, 1], [3, 1], [-1, 1], [1, 3.0], [1.9, 0.1]])
    np.testing.assert_array_equal(inside_polygon(square, points), [True, False, False, False, True])


def test_tone_anchor_shrinks_white_balance_more_than_pigment() -> None:
    melanin = np.array([0.6, 0.9, 1.1])
    prior = TonePrior(SKIN, np.outer(melanin, melanin) * 0.16 + 0.02**2 * np.eye(3))
    darker, tinted = -0.5 * melanin, np.array([0.2, 0.0, -0.2])
    observed = np.stack([np.zeros(3)] * 3 + [darker, tinted]) - 1.0
    estimate = anchored_tones(observed, prior) - SKIN
    np.testing.assert_allclose(estimate[:3], 0, atol=1e-12)
    assert 0.6 < np.linalg.norm(estimate[3]) / np.linalg.norm(darker) < 1
    # A red cast is partly read as pigment, never in full.
    assert np.linalg.norm(estimate[4] - 0) < np.linalg.norm(tinted) * 1.2
    off = estimate[4] - melanin * (estimate[4] @ melanin) / (melanin @ melanin)
    assert np.linalg.norm(off) < 0.1 * np.linalg.norm(tinted)


def test_tone_prior_counts_groups_equally() -> None:
    tones = np.array([[0.0] * 3] * 9 + [[-2.0] * 3])
    np.testing.assert_allclose(tone_prior(tones, ["a"] * 9 + ["b"]).mean, -1.0)


def test_low_asymmetry_goes_and_moles_stay() -> None:
    slope = 0.3 * (COLUMN - (S - 1) / 2) / S
    texture = np.zeros((S, S, 3)) + slope[..., None]
    texture[40:43, 20:23] -= 1.0
    even = remove_low_asymmetry(texture, ZONE.astype(float), 5.0)
    inner = (ROW - 48) ** 2 + (COLUMN - 48) ** 2 < 30**2
    mole = np.zeros((S, S), dtype=bool)
    mole[28:55, 8:36] = True
    rest = inner & ~mole & ~mole[:, ::-1]
    assert np.abs(even[rest]).max() < 0.35 * np.abs(slope[rest]).max()
    assert even[41, 21].max() < -0.7
