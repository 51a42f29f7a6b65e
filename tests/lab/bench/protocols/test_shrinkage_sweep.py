"""The sweep of a perfect, a halved and an opposite fit."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.lab.bench.protocols.shrinkage import sweep
from wholeface.morphable import MorphableModel, load_model


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_model()


def test_the_sweep_knows_a_perfect_fit_and_the_mean_face(model: MorphableModel) -> None:
    truth = np.random.default_rng(5).normal(size=(3, model.identity_size))
    rows = {row.factor: row for row in sweep(model, truth, truth, "perfect", (0.0, 0.5, 1.0))}
    assert rows[1.0].median_mm < 0.01
    assert (rows[1.0].better, rows[0.0].better) == (1.0, 0.0)
    assert 0.4 < rows[0.0].median_mm < 3.0
    # Half of the way to the truth leaves about half of the error.
    assert 0.3 * rows[0.0].median_mm < rows[0.5].median_mm < 0.7 * rows[0.0].median_mm


def test_an_opposite_fit_is_worse_than_the_mean_face(model: MorphableModel) -> None:
    truth = np.random.default_rng(6).normal(size=(2, model.identity_size))
    rows = {row.factor: row for row in sweep(model, -truth, truth, "opposite", (0.0, 1.0))}
    assert rows[1.0].median_mm > 1.3 * rows[0.0].median_mm
    assert rows[1.0].better == 0.0
