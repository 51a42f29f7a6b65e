"""Gloss and cast shadow are told from pigment."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.lab.modelling.albedo.skins.gloss import gloss_of, shadow_weight

S = 64
ROW, COLUMN = np.mgrid[0:S, 0:S]
ZONE = np.ones((S, S), dtype=bool)
EVERYWHERE = np.ones(S * S, dtype=bool)
SPOT = ((ROW - 20) ** 2 + (COLUMN - 32) ** 2 < 36).ravel()
WEIGHT = np.ones(S * S)


@pytest.mark.parametrize("skin", [[0.55, 0.33, 0.24], [0.12, 0.06, 0.04]])
def test_a_white_highlight_is_found_on_light_and_on_dark_skin(skin: list[float]) -> None:
    rng = np.random.default_rng(0)
    diffuse = np.broadcast_to(np.array(skin), (S * S, 3))
    colour = diffuse * np.exp(0.03 * rng.normal(size=(S * S, 1)) + 0.01 * rng.normal(size=(S * S, 3)))
    shine = 0.3 * diffuse.mean(1) * SPOT
    found = gloss_of(colour + shine[:, None], diffuse, WEIGHT, EVERYWHERE, ZONE)
    inner = ((ROW - 20) ** 2 + (COLUMN - 32) ** 2 < 9).ravel()
    np.testing.assert_allclose(found[inner].mean(), shine[inner].mean(), rtol=0.25)
    far = ((ROW - 20) ** 2 + (COLUMN - 32) ** 2 > 144).ravel()
    assert found[far].max() < 0.25 * shine[inner].mean()


def test_pigment_is_no_gloss() -> None:
    diffuse = np.broadcast_to(np.array([0.5, 0.3, 0.22]), (S * S, 3))
    darker = diffuse * np.where(SPOT, 0.6, 1.0)[:, None]
    redder = diffuse * np.where(SPOT[:, None], [1.0, 0.8, 0.8], 1.0)
    for colour in (darker, redder):
        assert gloss_of(colour, diffuse, WEIGHT, EVERYWHERE, ZONE)[SPOT].max() < 0.01


def test_where_nothing_may_shine_nothing_does() -> None:
    diffuse = np.broadcast_to(np.array([0.5, 0.3, 0.22]), (S * S, 3))
    shining = diffuse + 0.2 * SPOT[:, None]
    assert gloss_of(shining, diffuse, WEIGHT, ~SPOT, ZONE)[SPOT].max() == 0


def test_shadow_loses_its_weight_and_beards_keep_it() -> None:
    ratio = np.where(SPOT, -0.7, 0.0)
    inner = ((ROW - 20) ** 2 + (COLUMN - 32) ** 2 < 4).ravel()
    assert shadow_weight(ratio, WEIGHT, EVERYWHERE, ZONE)[inner].max() < 0.2
    assert shadow_weight(ratio, WEIGHT, ~SPOT, ZONE)[SPOT].min() == 1
    assert shadow_weight(0.1 * ratio, WEIGHT, EVERYWHERE, ZONE).min() == 1
