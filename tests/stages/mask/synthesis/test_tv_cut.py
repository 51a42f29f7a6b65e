"""The edge-aware minimum cut against enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from wholeface.stages.mask.synthesis.tv_cut import tv_cut


def energy(u, cost, weight_x, weight_y):
    return (
        (cost * u).sum()
        + (weight_x[:, :-1] * np.abs(np.diff(u, axis=1))).sum()
        + (weight_y[:-1] * np.abs(np.diff(u, axis=0))).sum()
    )


@pytest.mark.parametrize("seed", range(6))
def test_threshold_is_a_minimum_cut(seed):
    """All 2¹² labelings of a 3 × 4 image."""
    g = np.random.default_rng(seed)
    cost = g.normal(size=(3, 4)).astype(np.float32)
    weight_x, weight_y = g.uniform(0, 1, (2, 3, 4)).astype(np.float32)
    best = min(
        energy(np.array(labels).reshape(3, 4), cost, weight_x, weight_y)
        for labels in product((0, 1), repeat=12)
    )
    u = tv_cut(cost, weight_x, weight_y, np.full((3, 4), 0.5, np.float32), 3000)
    assert energy(u, cost, weight_x, weight_y) == pytest.approx(best, abs=2e-3)
    assert energy((u > 0.5).astype(float), cost, weight_x, weight_y) == pytest.approx(best, abs=2e-3)


def test_weights_are_respected():
    """Free boundaries: every pixel decides alone. Dear ones: the majority decides."""
    cost = np.random.default_rng(0).normal(0.2, 1, (20, 20)).astype(np.float32)
    start = np.full(cost.shape, 0.5, np.float32)
    nothing = np.zeros_like(cost)
    np.testing.assert_array_equal(tv_cut(cost, nothing, nothing, start, 200) > 0.5, cost < 0)
    dear = np.full_like(cost, 50.0)
    assert (tv_cut(cost, dear, dear, start, 3000) < 0.5).all()


def test_input_is_left_alone():
    cost = np.ones((4, 5), np.float32)
    start = np.full((4, 5), 0.5, np.float32)
    tv_cut(cost, cost, cost, start, 5)
    assert (start == 0.5).all()
    assert (cost == 1).all()
