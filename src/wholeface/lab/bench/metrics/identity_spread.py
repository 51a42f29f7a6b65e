r"""How far subjects' shapes lie apart, against how far the shapes of one person's photos do.

One-way random effects: the shape of photo j of person i is :math:`x_{ij} = \mu + b_i + w_{ij}`, where
:math:`b_i` has the variance :math:`\sigma_b^2` (between subjects) and :math:`w_{ij}` has :math:`\sigma_w^2` (within).
Variances are mean squares over the points of a shape, so their roots are root mean square distances in mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.umeyama import rotations_onto

__all__ = ["Spread", "align_shapes", "spread", "spread_half_width"]

Array = NDArray[np.float64]
_LEAST = 1e-3  # mm; smaller differences are rounding errors


@dataclass(frozen=True)
class Spread:
    r"""Variance components.

    Args:
        subjects: how many; ``photos``: of all of them.
        between_mm: :math:`\sigma_b`; 0 where subjects differ no more than photos of one person make them differ.
        within_mm: :math:`\sigma_w`.
        ratio: :math:`\sigma_b / \sigma_w`; 0 where nothing differs at all (by a micrometre or more), infinite where
            only subjects do.
        same_share: :math:`\sigma_b^2 / (\sigma_b^2 + \sigma_w^2)`, the intraclass correlation, in [0, 1].
        f_ratio: mean square between over mean square within; about 1 for a system that cannot tell subjects apart.
    """

    subjects: int
    photos: int
    between_mm: float
    within_mm: float
    ratio: float
    same_share: float
    f_ratio: float


@dataclass(frozen=True)
class _Sums:
    """All that the analysis needs: photos of each person (A,), inner products of the subjects' means (A, A) and sums
    of squares within subjects (A,), both per point."""

    counts: Array
    gram: Array
    within: Array


def spread(shapes: Sequence[NDArray[np.floating[Any]]]) -> Spread:
    r"""One-way random-effects analysis of variance with unequal group sizes.

    .. math:: MS_b = \frac{1}{A-1} \sum_i n_i \|\bar x_i - \bar x\|^2, \quad
        MS_w = \frac{1}{N-A} \sum_{ij} \|x_{ij} - \bar x_i\|^2, \quad
        n_0 = \frac{1}{A-1} \Big(N - \frac{\sum_i n_i^2}{N}\Big)

    .. math:: \sigma_w^2 = MS_w, \quad \sigma_b^2 = \max(MS_b - MS_w, 0) / n_0

    with :math:`\bar x` the mean of all N photos of A subjects, and squares divided by the number of points.

    Args:
        shapes: one (n_i, P, 3) array per person, mm, all in one frame; subjects with a single photo help only to say
            how far subjects lie apart.

    Raises:
        UsageError: fewer than two subjects, nobody with two photos, other shapes, NaN.

    Source: Searle, Casella & McCulloch 1992, "Variance components", §3.6 (unbalanced one-way classification).
    """
    sums = _sums(shapes)
    return _analysis(sums, np.ones(len(shapes)))


def spread_half_width(
    shapes: Sequence[NDArray[np.floating[Any]]], *, seed: int = 0, draws: int = 500
) -> dict[str, float]:
    """Half of the width of 95 % bootstrap intervals over subjects, for the fields of :class:`Spread`.

    Args:
        shapes: as for :func:`spread`.
        seed: of the draws.
        draws: how many; each draws as many subjects as there are, with replacement.

    Returns:
        By name; NaN for an infinite ratio.
    """
    sums = _sums(shapes)
    subjects = len(shapes)
    rng = np.random.default_rng(seed)
    names = ("between_mm", "within_mm", "ratio", "same_share")
    found: list[list[float]] = []
    while len(found) < draws:
        weights = np.bincount(rng.integers(subjects, size=subjects), minlength=subjects).astype(np.float64)
        if (weights > 0).sum() < 2 or (weights * (sums.counts - 1)).sum() < 1:
            continue
        result = _analysis(sums, weights)
        found.append([getattr(result, name) for name in names])
    values = np.array(found)
    widths = np.full(len(names), np.nan)
    finite = np.isfinite(values).all(axis=0)
    low, high = np.percentile(values[:, finite], [2.5, 97.5], axis=0)
    widths[finite] = (high - low) / 2
    return dict(zip(names, widths.tolist(), strict=True))


def align_shapes(shapes: NDArray[np.floating[Any]], *, scale: bool = False, rounds: int = 3) -> Array:
    """Shapes moved onto their mean, so that where a system puts its origin does not count as a difference.

    Args:
        shapes: (N, P, 3) mm.
        scale: also bring all to the mean size, for systems without a scale.
        rounds: of generalised Procrustes analysis.

    Returns:
        (N, P, 3), the mean's centroid at the origin.

    Raises:
        UsageError: NaN, or no shapes.

    Source: Gower 1975.
    """
    if shapes.ndim != 3 or shapes.shape[2] != 3 or not len(shapes):
        raise UsageError(f"shapes must be (N, P, 3), got {shapes.shape}")
    if not np.isfinite(shapes).all():
        raise UsageError("a shape has vertices that are no numbers")
    moved = shapes.astype(np.float64)
    moved = moved - moved.mean(axis=1, keepdims=True)
    size = np.sqrt((moved**2).sum(axis=(1, 2)))
    if scale:
        if not (size > 0).all():
            raise UsageError("a shape has all its vertices in one place")
        moved = moved * (size.mean() / size)[:, None, None]
    target = moved[0]
    for _ in range(rounds):
        moved = np.einsum("npj,nij->npi", moved, rotations_onto(moved, target)[0])
        target = moved.mean(axis=0)
    return np.asarray(moved)


def _sums(shapes: Sequence[NDArray[np.floating[Any]]]) -> _Sums:
    if len(shapes) < 2:
        raise UsageError("the spread between subjects needs at least two subjects")
    if max(len(s) for s in shapes) < 2 or min(len(s) for s in shapes) < 1:
        raise UsageError("the spread within subjects needs at least two photos of somebody")
    first = shapes[0].shape[1:]
    if len(first) != 2 or first[1] != 3 or any(s.shape[1:] != first for s in shapes):
        raise UsageError(f"shapes must be (n, P, 3) arrays with equal P, got {[s.shape for s in shapes][:4]}")
    if not all(np.isfinite(s).all() for s in shapes):
        raise UsageError("a shape has vertices that are no numbers")
    points = first[0]
    origin = np.asarray(shapes[0][0], np.float64).ravel()  # differences are small against places
    flat = [s.reshape(len(s), -1).astype(np.float64) - origin for s in shapes]
    means = np.stack([s.mean(axis=0) for s in flat])
    within = np.array([((s - m) ** 2).sum() for s, m in zip(flat, means)]) / points
    return _Sums(np.array([len(s) for s in flat], np.float64), means @ means.T / points, within)


def _not_rounding(variance: float) -> float:
    return variance if variance > _LEAST**2 else 0.0


def _analysis(sums: _Sums, weights: Array) -> Spread:
    """The analysis with person i drawn ``weights[i]`` times."""
    subjects = weights.sum()
    photos = weights * sums.counts
    total = photos.sum()
    # Σ n ‖m_i − m‖² = Σ n ‖m_i‖² − ‖Σ n m_i‖² / N
    square = float(photos @ np.diag(sums.gram) - photos @ sums.gram @ photos / total)
    mean_between = _not_rounding(square / (subjects - 1))
    mean_within = _not_rounding(float(weights @ sums.within) / (total - subjects))
    each = (total - (weights @ sums.counts**2) / total) / (subjects - 1)
    between = max(mean_between - mean_within, 0.0) / each
    if mean_within > 0:
        ratio, f_ratio = float(np.sqrt(between / mean_within)), mean_between / mean_within
    else:
        ratio = f_ratio = float("inf") if between > 0 else 0.0
    return Spread(
        subjects=int(subjects),
        photos=int(total),
        between_mm=float(np.sqrt(between)),
        within_mm=float(np.sqrt(mean_within)),
        ratio=ratio,
        same_share=between / (between + mean_within) if between + mean_within > 0 else 0.0,
        f_ratio=float(f_ratio),
    )
