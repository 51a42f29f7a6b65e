"""Tones of labelled photographs."""

from __future__ import annotations

import numpy as np

from wholeface.core.cielab import lab_from_linear
from wholeface.lab.modelling.albedo.skins.tone import (
    ToneAnchors,
    TonePrior,
    anchored_by_label,
    label_of_tone,
)

LIGHT, DARK = np.log([0.5, 0.31, 0.24]), np.log([0.2, 0.12, 0.09])
ANCHORS = ToneAnchors(TonePrior(LIGHT, 0.1 * np.ones((3, 3)) + 0.01 * np.eye(3)), LIGHT)


def _photos(rng: np.random.Generator, count: int, middle: np.ndarray) -> np.ndarray:
    exposure = rng.normal(0, 0.2, (count, 1))
    return middle + exposure + rng.normal(0, 0.03, (count, 3))


def test_labels_fix_the_lightness_that_exposure_hides() -> None:
    rng = np.random.default_rng(0)
    # The photographer exposed dark skin as bright as light skin.
    observed = np.concatenate((_photos(rng, 21, LIGHT), _photos(rng, 21, DARK + 0.9)))
    labels = np.repeat([2, 6], 21)
    tones = anchored_by_label(observed, labels, ANCHORS)
    lightness = lab_from_linear(np.exp(tones))[:, 0]
    np.testing.assert_allclose(np.median(lightness[:21]), 66, atol=0.5)
    np.testing.assert_allclose(np.median(lightness[21:]), 35, atol=0.5)
    # Most of the spread was exposure; its order stays.
    assert tones[:21].mean(1).std() < 0.5 * observed[:21].mean(1).std()
    assert np.corrcoef(tones[:21, 1], observed[:21, 1])[0, 1] > 0.9
    assert (label_of_tone(tones) == labels).mean() > 0.9


def test_a_person_without_label_goes_by_the_prior() -> None:
    observed = np.stack([LIGHT, LIGHT, LIGHT - 0.3])
    tones = anchored_by_label(observed, np.zeros(3, dtype=int), ANCHORS)
    np.testing.assert_allclose(tones[0], LIGHT, atol=1e-9)
    assert (tones[2] < LIGHT).all()
    assert (tones[2] > LIGHT - 0.3).all()
