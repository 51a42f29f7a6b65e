"""Verification metrics against values by hand and in closed form, and against implementations that are wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.verification import (
    accuracy_at,
    area_under_roc,
    best_threshold,
    cosine_similarity,
    equal_error_rate,
    roc_curve,
    verify,
)

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Roc = Callable[[Array, Bools], tuple[Array, Array]]
Chooser = Callable[[Array, Bools, NDArray[np.int64]], Array]
NORMAL = NormalDist()


def _gaussians(distance: float, count: int = 4000) -> tuple[Array, Bools]:
    """Quantiles of N(distance, 1) and N(0, 1)."""
    grid = np.array([NORMAL.inv_cdf((i + 0.5) / count) for i in range(count)])
    return np.concatenate([grid + distance, grid]), np.repeat([True, False], count)


# --- ROC, area, equal error rate ------------------------------------------------------------------------------------


def check_roc(roc: Roc) -> None:
    """What every right ROC curve does."""
    scores, same = np.array([0.9, 0.7, 0.7, 0.4, 0.2]), np.array([True, True, False, True, False])
    false, true = roc(scores, same)
    np.testing.assert_allclose(false, [0, 0, 1 / 2, 1 / 2, 1])
    np.testing.assert_allclose(true, [0, 1 / 3, 2 / 3, 1, 1])
    false, true = roc(np.array([2.0, 3.0, 1.0]), np.array([True, True, False]))
    assert ((false == 0) & (true == 1)).any()  # perfect separation passes through the corner


def test_roc_by_hand() -> None:
    check_roc(roc_curve)


def test_a_reversed_roc_is_caught() -> None:
    with pytest.raises(AssertionError):
        check_roc(lambda scores, same: roc_curve(-scores, same))


def test_a_roc_without_ties_is_caught() -> None:
    def one_by_one(scores: Array, same: Bools) -> tuple[Array, Array]:
        order = np.argsort(-scores, kind="stable")
        true = np.concatenate([[0], np.cumsum(same[order]) / same.sum()])
        return np.concatenate([[0], np.cumsum(~same[order]) / (~same).sum()]), true

    with pytest.raises(AssertionError):
        check_roc(one_by_one)


@pytest.mark.parametrize("distance", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_two_gaussians(distance: float) -> None:
    scores, same = _gaussians(distance)
    assert area_under_roc(scores, same) == pytest.approx(NORMAL.cdf(distance / math.sqrt(2)), abs=5e-4)
    assert equal_error_rate(scores, same) == pytest.approx(NORMAL.cdf(-distance / 2), abs=5e-4)
    threshold = best_threshold(scores, same)
    if distance > 0:
        assert threshold == pytest.approx(distance / 2, abs=0.06)
    assert accuracy_at(threshold, scores, same) == pytest.approx(NORMAL.cdf(distance / 2), abs=2e-3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=12), st.lists(st.integers(0, 5), min_size=1, max_size=12)
)
def test_area_is_the_chance_to_be_in_order(positive: list[int], negative: list[int]) -> None:
    by_pairs = np.mean([(p > n) + 0.5 * (p == n) for p in positive for n in negative])
    scores = np.array(positive + negative, np.float64)
    same = np.array([True] * len(positive) + [False] * len(negative))
    assert area_under_roc(scores, same) == pytest.approx(by_pairs)
    assert area_under_roc(-scores, same) == pytest.approx(1 - by_pairs)
    assert equal_error_rate(scores, same) == pytest.approx(1 - equal_error_rate(-scores, same))
    # Any rising function of the scores leaves the order as it is.
    assert area_under_roc(np.exp(scores), same) == pytest.approx(by_pairs)
    best = max(accuracy_at(t, scores, same) for t in [*np.unique(scores), np.inf])
    assert accuracy_at(best_threshold(scores, same), scores, same) == pytest.approx(best)


def test_equal_error_by_hand() -> None:
    same = np.array([True] * 4 + [False] * 4)
    # One of four on each side is on the wrong side.
    assert equal_error_rate(np.array([4.0, 3, 2, 0, 1, -1, -2, -3]), same) == 0.25
    # All tied: the straight line from (0, 0) to (1, 1).
    assert equal_error_rate(np.zeros(8), same) == 0.5
    # Between the points (0, 1/2) and (1, 1) the line meets 1 − x at x = 1/3.
    tied = np.array([1.0, 1, 0, 0, 0, 0, 0, 0])
    assert equal_error_rate(tied, same) == pytest.approx(1 / 3)


# --- folds ----------------------------------------------------------------------------------------------------------


def _two_scales() -> tuple[Array, Bools, NDArray[np.int64]]:
    """Two folds that need thresholds 0.5 and 10.5: the one of the other fold is right for half of the pairs."""
    scores = np.array([1.0, 1.0, 0.0, 0.0, 11.0, 11.0, 10.0, 10.0])
    same = np.array([True, True, False, False] * 2)
    return scores, same, np.repeat([0, 1], 4)


def check_folds(accuracies: Chooser) -> None:
    """What every right choice of thresholds does."""
    np.testing.assert_allclose(accuracies(*_two_scales()), [0.5, 0.5])
    same = np.tile([True, False], 40)
    folds = np.repeat(np.arange(10), 8)
    perfect = np.where(same, 1.0, 0.0) + 1e-3 * np.arange(80)
    np.testing.assert_allclose(accuracies(perfect, same, folds), np.ones(10))


def test_folds_by_hand() -> None:
    check_folds(lambda scores, same, folds: verify(scores, same, folds).accuracy)


def test_a_threshold_from_the_test_fold_is_caught() -> None:
    def cheating(scores: Array, same: Bools, folds: NDArray[np.int64]) -> Array:
        values = []
        for fold in np.unique(folds):
            mine = folds == fold
            values.append(accuracy_at(best_threshold(scores[mine], same[mine]), scores[mine], same[mine]))
        return np.array(values)

    with pytest.raises(AssertionError):
        check_folds(cheating)


def test_random_scores_give_chance_with_honest_thresholds_only() -> None:
    rng = np.random.default_rng(3)
    same, folds = np.tile([True, False], 300), np.repeat(np.arange(10), 60)
    honest, cheating = [], []
    for _ in range(20):
        scores = rng.normal(size=600)
        honest.append(verify(scores, same, folds).accuracy.mean())
        cheating.append(
            np.mean(
                [
                    accuracy_at(
                        best_threshold(scores[folds == f], same[folds == f]),
                        scores[folds == f],
                        same[folds == f],
                    )
                    for f in range(10)
                ]
            )
        )
    assert abs(np.mean(honest) - 0.5) < 0.01
    assert np.mean(cheating) > 0.56


@pytest.mark.parametrize("left_out", [[], [0, 2, 4, 30], [1, 3, 5, 7, 61]])
def test_a_constant_representation_is_chance_exactly(left_out: list[int]) -> None:
    """Also where pairs are missing and one kind is more frequent."""
    kept = np.setdiff1d(np.arange(100), left_out)
    same, folds = np.tile([True, False], 50)[kept], np.repeat(np.arange(10), 10)[kept]
    constant = np.tile([0.3, -0.2, 0.1], (len(kept), 1))
    noisy = constant * (1 + 1e-15 * np.arange(len(kept)))[:, None]
    for first, second in ((constant, constant), (np.zeros_like(constant),) * 2, (noisy, constant)):
        found = verify(cosine_similarity(first, second), same, folds)
        assert (found.accuracy == 0.5).all()
        assert (found.equal_error == 0.5).all()
        assert (found.area == 0.5).all()
        assert found.summary() == {"accuracy": (50, 0), "100 %−EER": (50, 0), "nAUC": (50, 0)}


def test_failures_are_two_subjects_at_every_threshold() -> None:
    scores = np.array([0.9, -np.inf, 0.1, -np.inf] * 2)
    same, folds = np.array([True, True, False, False] * 2), np.repeat([0, 1], 4)
    found = verify(scores, same, folds)
    assert found.accuracy.tolist() == [0.75, 0.75]  # the failed pair of one person is wrong
    assert accuracy_at(-np.inf, scores, same) == 0.5
    # s+ in {0.9, −∞}, s− in {0.1, −∞}: 1 + 1 + 0 + ½ of four
    assert found.area.tolist() == [0.625, 0.625]
    nothing = np.full(8, -np.inf)
    assert verify(nothing, same, folds).accuracy.tolist() == [0.5, 0.5]


def test_summary_is_mean_and_deviation_over_folds() -> None:
    scores, same, folds = _two_scales()
    scores[4:] -= 10.0
    scores[5] = -1.0  # in the second fold one pair of one person is refused
    found = verify(scores, same, folds)
    assert found.accuracy.tolist() == [1.0, 0.75]
    mean, deviation = found.summary()["accuracy"]
    assert mean == pytest.approx(87.5)
    assert deviation == pytest.approx(100 * 0.25 / math.sqrt(2))
    false, true = found.roc
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)


# --- cosine ---------------------------------------------------------------------------------------------------------


def test_cosine_by_hand() -> None:
    first = np.array([[1.0, 0.0], [3.0, 4.0], [1.0, 2.0], [0.0, 0.0], [np.nan, 1.0]])
    second = np.array([[0.0, 2.0], [6.0, 8.0], [-2.0, -4.0], [1.0, 1.0], [1.0, 1.0]])
    assert cosine_similarity(first, second).tolist() == [0.0, 1.0, -1.0, 0.0, -np.inf]


# --- wrong input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "same", "folds", "message"),
    [
        ([1.0, 2.0], [True], [0, 1], "got"),
        ([1.0, np.nan], [True, False], [0, 1], "numbers"),
        ([1.0, np.inf], [True, False], [0, 1], "numbers"),
        ([1.0, 2.0], [True, True], [0, 1], "pairs of two subjects"),
        ([1.0, 2.0], [True, False], [0, 0], "two folds"),
        ([1.0, 2.0, 3.0], [True, False, True], [0, 0, 1], "fold 1 has no pair of two subjects"),
        ([1.0, 2.0], [True, False], [0], "2 scores"),
    ],
)
def test_wrong_input(scores: list[float], same: list[bool], folds: list[int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        verify(np.array(scores), np.array(same), np.array(folds))
    with pytest.raises(UsageError, match="cosines"):
        cosine_similarity(np.zeros((2, 3)), np.zeros((3, 3)))
