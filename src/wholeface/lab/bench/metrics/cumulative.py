r"""Errors of all scan points together: cumulative curve, median, mean, standard deviation, and how certain they are.

As in the published evaluation of NoW, the distances of all images are put into one list: an image with a denser scan
weighs more. The share of points with at most the error e is :math:`F(e) = |\{d_i \le e\}| / N`.

Which subjects happened to be scanned decides more than which points: the spread is a bootstrap over subjects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ....core.errors import UsageError

__all__ = ["PooledErrors", "area_under_curve", "bootstrap_half_width", "cumulative", "pooled", "quantiles"]

Array = NDArray[np.float64]

_BIN, _TOP = 0.01, 40.0  # of the histograms that are drawn from, mm


@dataclass(frozen=True)
class PooledErrors:
    """Statistics of one list of errors, in its unit.

    Args:
        median: of all points.
        mean: of all points.
        std: standard deviation, divided by N.
        points: N.
    """

    median: float
    mean: float
    std: float
    points: int


def pooled(errors: Sequence[NDArray[Any]]) -> PooledErrors:
    """Statistics of the errors of several images put into one list.

    Args:
        errors: one (P,) array per image.

    Raises:
        UsageError: nothing, or values that are negative or not finite.
    """
    values = _together(errors)
    return PooledErrors(float(np.median(values)), float(values.mean()), float(values.std()), len(values))


def cumulative(errors: ArrayLike, thresholds: ArrayLike) -> Array:
    """(T,) share in [0, 1] of the errors that are at most each threshold.

    Raises:
        UsageError: no errors, or values that are negative or not finite.
    """
    values = np.sort(_together([np.asarray(errors, dtype=np.float64)]))
    return np.searchsorted(values, np.asarray(thresholds, dtype=np.float64), side="right") / len(values)


def area_under_curve(errors: ArrayLike, top: float) -> float:
    r"""Area under the cumulative curve up to ``top``, divided by it: 1 when all errors are 0.

    .. math:: \frac{1}{T} \int_0^T F(e)\, de = 1 - \frac{1}{N} \sum_i \min(d_i, T) / T

    Raises:
        UsageError: no errors, negative or infinite ones, or ``top`` ≤ 0.
    """
    if not top > 0:
        raise UsageError(f"the curve's end must be positive, got {top}")
    values = _together([np.asarray(errors, dtype=np.float64)])
    return float(1 - np.minimum(values, top).mean() / top)


def quantiles(errors: Sequence[NDArray[Any]], count: int = 1000) -> Array:
    """(count,) values with the same cumulative curve, for drawing: the quantiles (k + ½)/count."""
    return np.quantile(_together(errors), (np.arange(count) + 0.5) / count)


def bootstrap_half_width(
    errors: Mapping[str, Sequence[NDArray[Any]]],
    *,
    seed: int = 0,
    draws: int = 500,
) -> tuple[float, float]:
    """Half of the 95 % interval of median and mean when subjects are drawn anew, with replacement.

    Medians of the draws come from histograms with bins of 0.01, so that a draw costs no sorting.

    Args:
        errors: person -> one (P,) array per image.
        seed: of the draws.
        draws: how many.

    Returns:
        Half-widths of median and mean in the errors' unit; NaN for fewer than two subjects.
    """
    subjects = [
        np.concatenate([np.asarray(e, dtype=np.float64) for e in errors[name]]) for name in sorted(errors)
    ]
    if len(subjects) < 2:
        return float("nan"), float("nan")
    bins = round(_TOP / _BIN)
    counts = np.stack(
        [np.bincount(np.minimum((p / _BIN).astype(np.int64), bins - 1), minlength=bins) for p in subjects]
    ).astype(np.float64)
    sums = np.array([p.sum() for p in subjects])
    sizes = np.array([float(len(p)) for p in subjects])
    rng = np.random.default_rng(seed)
    medians, means = np.empty(draws), np.empty(draws)
    for k in range(draws):
        weight = np.bincount(rng.integers(len(subjects), size=len(subjects)), minlength=len(subjects)).astype(
            np.float64
        )
        total = weight @ sizes
        running = np.cumsum(weight @ counts)
        slot = int(np.searchsorted(running, total / 2))
        before = running[slot - 1] if slot else 0.0
        medians[k] = _BIN * (slot + (total / 2 - before) / max(running[slot] - before, 1e-12))
        means[k] = (weight @ sums) / total
    half = [float(np.diff(np.quantile(drawn, (0.025, 0.975)))[0]) / 2 for drawn in (medians, means)]
    return half[0], half[1]


def _together(errors: Sequence[NDArray[Any]]) -> Array:
    values = (
        np.concatenate([np.asarray(e, dtype=np.float64).ravel() for e in errors])
        if len(errors)
        else np.empty(0)
    )
    if len(values) == 0:
        raise UsageError("there are no errors to summarise")
    if not (np.isfinite(values) & (values >= 0)).all():
        raise UsageError("errors must be finite and not negative")
    return values
