"""Differences of coefficients and heads in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.discrepancy import coefficient_mse, half_width, mean_over, vertex_distances


def check_mse(mse: Callable[[NDArray[Any], NDArray[Any]], float]) -> None:
    u, v = np.zeros(257), np.zeros(257)
    v[3], v[10] = 2.0, -1.0
    assert mse(u, v) == pytest.approx(5 / 257)
    assert mse(v, v) == 0
    assert mse(u, v) == mse(v, u)


def test_coefficients_by_hand() -> None:
    check_mse(coefficient_mse)


@pytest.mark.parametrize(
    "broken",
    [
        lambda u, v: float(((u - v) ** 2).sum()),
        lambda u, v: float(np.sqrt(coefficient_mse(u, v))),
        lambda u, v: float((u - v).mean() ** 2),
        lambda u, v: float(np.abs(u - v).mean()),
    ],
)
def test_broken_discrepancies_are_caught(broken: Callable[[NDArray[Any], NDArray[Any]], float]) -> None:
    with pytest.raises(AssertionError):
        check_mse(broken)


def check_distances(distances: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]) -> None:
    one = np.random.default_rng(0).normal(0, 50, (40, 3))
    assert distances(one, one + np.array([2.0, 3.0, 6.0])) == pytest.approx(
        np.full(40, 7.0)
    )  # a shift is not removed
    grown = distances(one, 1.1 * one)  # nor is scale
    assert grown == pytest.approx(0.1 * np.linalg.norm(one, axis=1))
    assert distances(one, one).max() == 0


def _aligned(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    return vertex_distances(one - one.mean(0), other - other.mean(0))


def _scaled(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    return vertex_distances(one, other * np.linalg.norm(one) / np.linalg.norm(other))


def test_distances_keep_shift_and_scale() -> None:
    check_distances(vertex_distances)


@pytest.mark.parametrize("broken", [_aligned, _scaled])
def test_alignment_is_caught(broken: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]) -> None:
    with pytest.raises(AssertionError):
        check_distances(broken)


def test_means_over_parts() -> None:
    values = np.array([1.0, 2.0, 10.0])
    part = np.array([True, True, False])
    assert mean_over(values, part) == 1.5
    assert mean_over(values, ~part) == 10
    assert np.isnan(mean_over(values, part & ~part))
    assert np.isnan(mean_over(values, ~part, least=2))
    with pytest.raises(UsageError, match="bool part"):
        mean_over(values, part[:2])


def test_bootstrap() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, 400)
    assert half_width(values) == pytest.approx(1.96 / np.sqrt(400), rel=0.15)
    assert half_width(values, seed=4) == half_width(values, seed=4)
    # Ten copies of each person's number say nothing new about subjects
    subjects = np.repeat(np.arange(400), 10)
    assert half_width(np.repeat(values, 10), subjects) == pytest.approx(half_width(values), rel=0.1)
    assert half_width(np.repeat(values, 10)) < 0.5 * half_width(values)
    assert half_width([2.0, 2.0, 2.0]) == 0
    assert np.isnan(half_width([1.0, 2.0], ["a", "a"]))
    with pytest.raises(UsageError, match="groups for 1"):
        half_width([1.0, 2.0], [1])
    with pytest.raises(UsageError, match="not finite"):
        half_width([1.0, np.nan])


def test_wrong_input_is_refused() -> None:
    with pytest.raises(UsageError, match="identity: expected two vectors"):
        coefficient_mse(np.zeros(3), np.zeros(4), "identity")
    with pytest.raises(UsageError, match="not finite"):
        coefficient_mse(np.zeros(3), np.full(3, np.nan))
    with pytest.raises(UsageError, match="one topology"):
        vertex_distances(np.zeros((4, 3)), np.zeros((5, 3)))
    with pytest.raises(UsageError, match="not finite"):
        vertex_distances(np.zeros((4, 3)), np.full((4, 3), np.inf))
