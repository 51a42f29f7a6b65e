"""Identification against values by hand, a slow twin of the bootstrap, and a variant that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.identification import (
    area_half_width,
    cosines,
    identified,
    nearest_other,
    nearness,
    verification_area,
)

Array = NDArray[np.float64]
NOTHING = -np.inf
SCORES = np.array(
    [
        [0.9, 0.1, 0.2],  # first of three
        [0.8, 0.5, 0.1],  # second
        [0.4, 0.4, 0.4],  # all alike
        [NOTHING, NOTHING, NOTHING],  # nothing to compare
    ]
)
OWN = np.array([0, 1, 2, 0])


def check_ranks(measure: Callable[[Array, NDArray[np.integer[Any]], int], Array]) -> None:
    """What every right measure of ranks does."""
    np.testing.assert_allclose(measure(SCORES, OWN, 1), [1, 0, 1 / 3, 0])
    np.testing.assert_allclose(measure(SCORES, OWN, 2), [1, 1, 2 / 3, 0])
    np.testing.assert_allclose(measure(SCORES, OWN, 5), [1, 1, 1, 0])


def test_ranks_by_hand() -> None:
    check_ranks(identified)


def test_a_measure_that_is_kind_to_ties_is_caught() -> None:
    def kind(scores: Array, own: NDArray[np.integer[Any]], within: int) -> Array:
        right = scores[np.arange(len(own)), own]
        return ((scores > right[:, None]).sum(axis=1) < within).astype(np.float64)

    with pytest.raises(AssertionError):
        check_ranks(kind)


def test_one_constant_for_all_is_at_chance() -> None:
    same = np.zeros((20, 20))
    own = np.arange(20)
    assert identified(same, own, 1).mean() == pytest.approx(1 / 20)
    assert identified(same, own, 5).mean() == pytest.approx(5 / 20)
    assert verification_area(same, own) == 0.5


def test_nearest_other() -> None:
    assert nearest_other(SCORES, OWN).tolist()[:2] == [2, 0]
    assert nearest_other(SCORES, OWN)[3] == -1
    assert nearest_other(np.ones((1, 1)), np.zeros(1, int)).tolist() == [-1]


def test_area_is_the_share_of_right_comparisons() -> None:
    scores = np.array([[2.0, 1.0], [3.0, 1.0]])  # right: 2, 1; wrong: 1, 3
    assert verification_area(scores, np.arange(2)) == pytest.approx((1 + 0 + 0.5 + 0) / 4)
    assert np.isnan(verification_area(np.ones((1, 1)), np.zeros(1, int)))


def test_the_interval_of_the_area_agrees_with_a_slow_twin() -> None:
    random = np.random.default_rng(4)
    scores = random.normal(size=(9, 9)) + 1.2 * np.eye(9)
    draws, seed = 250, 7
    areas = []
    picked = np.random.default_rng(seed)
    for size in (100, 100, 50):
        for picks in picked.integers(9, size=(size, 9)):
            right = [scores[i, i] for i in picks]
            wrong = [scores[j, k] for j in picks for k in picks if j != k]
            if wrong:
                wins = [float(r > w) + 0.5 * float(r == w) for r in right for w in wrong]
                areas.append(np.mean(wins))
    low, high = np.quantile(areas, (0.025, 0.975))
    assert area_half_width(scores, np.arange(9), seed=seed, draws=draws) == pytest.approx(
        (high - low) / 2, abs=1e-5
    )
    assert area_half_width(np.eye(9), np.arange(9)) == 0
    assert np.isnan(area_half_width(np.ones((1, 3)), np.zeros(1, int)))


def test_distances_and_cosines_of_all_pairs() -> None:
    probes = np.array([[1.0, 0.0], [np.nan, 0.0]])
    gallery = np.array([[1.0, 0.0], [0.0, 2.0], [4.0, 4.0]])
    np.testing.assert_allclose(nearness(probes, gallery)[0], [0, -np.sqrt(5), -5])
    np.testing.assert_allclose(cosines(probes, gallery)[0], [1, 0, np.sqrt(0.5)], atol=1e-8)
    assert (nearness(probes, gallery)[1] == NOTHING).all()
    assert (cosines(probes, gallery)[1] == NOTHING).all()


@pytest.mark.parametrize(
    ("scores", "own"),
    [
        (np.zeros((2, 2)), np.zeros(3, int)),
        (np.zeros((2, 2)), np.array([0, 2])),
        (np.array([[np.nan, 0.0]]), np.zeros(1, int)),
        (np.zeros((0, 2)), np.zeros(0, int)),
    ],
)
def test_refusals(scores: Array, own: NDArray[np.int64]) -> None:
    for measure in (verification_area, nearest_other, lambda s, o: identified(s, o, 1)):
        with pytest.raises(UsageError):
            measure(scores, own)


def test_ranks_begin_at_one() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        identified(SCORES, OWN, 0)
