"""Landmark errors, failures and areas in closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.landmark_nme import (
    area_under_curve,
    cumulative_error,
    failure_rate,
    inter_ocular,
    inter_pupil,
    normalised_mean_error,
    point_errors,
)

Points = NDArray[np.float64]


def face() -> Points:
    """Eyes from x = 10 to 30 and from 70 to 90 at y = 50: 80 apart at the outer corners, 60 at the centres."""
    points = np.zeros((68, 2))
    points[:, 0] = np.linspace(0, 100, 68)
    points[:, 1] = np.linspace(0, 120, 68)
    for first, left in ((36, 10.0), (42, 70.0)):
        points[first : first + 6] = [
            (left, 50), (left + 7, 45), (left + 13, 45), (left + 20, 50), (left + 13, 55), (left + 7, 55)
        ]  # fmt: skip
    return points


Measure = Callable[[Points, Points], tuple[float, float]]


def ours(found: Points, truth: Points) -> tuple[float, float]:
    return (
        normalised_mean_error(found, truth, inter_ocular(truth)),
        normalised_mean_error(found, truth, inter_pupil(truth)),
    )


def check(measure: Measure) -> None:
    truth = face()
    moved = truth + np.array([3.0, 4.0])  # all by 5 pixels
    assert measure(moved, truth) == (pytest.approx(100 * 5 / 80), pytest.approx(100 * 5 / 60))
    one = truth.copy()
    one[0] += [0, 68.0]  # one of 68 by 68 pixels: 1 pixel in the mean
    assert measure(one, truth) == (pytest.approx(100 / 80), pytest.approx(100 / 60))
    # The normaliser is the truth's, and the error does not depend on the image's scale
    far = 100 * np.linalg.norm(truth, axis=1).mean()
    assert measure(2 * truth, truth) == (pytest.approx(far / 80), pytest.approx(far / 60))
    assert measure(3 * one, 3 * truth) == (pytest.approx(100 / 80), pytest.approx(100 / 60))


def test_by_hand() -> None:
    assert inter_ocular(face()) == pytest.approx(80)
    assert inter_pupil(face()) == pytest.approx(60)
    check(ours)


def _box(points: Points) -> float:
    return float(np.sqrt(np.prod(np.ptp(points, axis=0))))


def _off_by_one(points: Points) -> float:
    return float(np.linalg.norm(points[37] - points[46]))


@pytest.mark.parametrize(
    "broken",
    [
        lambda f, t: (
            normalised_mean_error(f, t, inter_pupil(t)),
            normalised_mean_error(f, t, inter_ocular(t)),
        ),
        lambda f, t: (normalised_mean_error(f, t, _box(t)),) * 2,
        lambda f, t: (normalised_mean_error(f, t, _off_by_one(t)), ours(f, t)[1]),
        lambda f, t: (
            normalised_mean_error(f, t, inter_ocular(f)),
            normalised_mean_error(f, t, inter_pupil(f)),
        ),
        lambda f, t: (
            float(100 * np.sqrt(((f - t) ** 2).sum(1).mean()) / inter_ocular(t)),
            ours(f, t)[1],
        ),
        lambda f, t: tuple(0.01 * value for value in ours(f, t)),
    ],
    ids=["exchanged", "box", "counted from 1", "normaliser of the finding", "root mean square", "share"],
)
def test_broken_normalisers_are_caught(broken: Measure) -> None:
    with pytest.raises(AssertionError):
        check(broken)


def check_area(area: Callable[[Points], float]) -> None:
    assert area(np.zeros(3)) == pytest.approx(1.0)
    assert area(np.full(3, 8.1)) == 0
    assert area(np.array([4.0])) == pytest.approx(0.5, abs=1e-3)
    assert area(np.array([2.0, 6.0, np.inf, np.inf])) == pytest.approx((0.75 + 0.25) / 4, abs=1e-3)


def test_area_in_closed_form() -> None:
    check_area(area_under_curve)


@pytest.mark.parametrize(
    "broken",
    [
        lambda e: area_under_curve(e[np.isfinite(e)]),  # those not found left out
        lambda e: 8 * area_under_curve(e),  # not normalised
        lambda e: area_under_curve(e, 10.0),
        lambda e: 1 - failure_rate(e),
    ],
)
def test_broken_areas_are_caught(broken: Callable[[Points], float]) -> None:
    with pytest.raises(AssertionError):
        check_area(broken)


@given(st.lists(st.floats(0, 30), min_size=1, max_size=40))
def test_the_trapezoid_rule_is_close_to_the_exact_area(errors: list[float]) -> None:
    e = np.array(errors)
    exact = np.maximum(0, 1 - e / 8).mean()
    assert area_under_curve(e) == pytest.approx(exact, abs=0.5 / 1000 + 1e-9)


def test_failures() -> None:
    assert failure_rate(np.array([1.0, 8.0, 8.001, np.inf])) == 0.5
    assert failure_rate(np.array([9.0, 11.0]), 10.0) == 0.5
    assert cumulative_error(np.array([1.0, 2.0, np.inf]), np.array([0.5, 1.0, 3.0])).tolist() == [
        0,
        1 / 3,
        2 / 3,
    ]


def test_wrong_input_is_refused_by_name() -> None:
    truth = face()
    with pytest.raises(UsageError, match=r"a\.jpg: expected as many found as true points"):
        point_errors(truth[:51], truth, 1.0, "a.jpg")
    with pytest.raises(UsageError, match="not finite"):
        normalised_mean_error(truth * np.nan, truth, 1.0)
    with pytest.raises(UsageError, match=r"a\.jpg: the normaliser must be a positive"):
        normalised_mean_error(truth, truth, 0.0, "a.jpg")
    with pytest.raises(UsageError, match=r"a\.jpg: expected 68 points"):
        inter_ocular(truth[:51], "a.jpg")
    with pytest.raises(UsageError, match="NaN"):
        failure_rate(np.array([1.0, np.nan]))
    with pytest.raises(UsageError, match="one error a face"):
        area_under_curve(np.zeros(0))
