"""How far two answers to the same face lie apart: coefficients, vertices, and a bootstrap over subjects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError

__all__ = ["coefficient_mse", "half_width", "mean_over", "vertex_distances"]

Array = NDArray[np.float64]


def coefficient_mse(one: NDArray[Any], other: NDArray[Any], name: str = "coefficients") -> float:
    r"""Mean squared difference of two coefficient vectors.

    .. math:: L = \frac1M \sum_{m=1}^{M} (u_m - v_m)^2

    Args:
        one: (M,) of the clean photo.
        other: (M,) of the occluded photo, in the same order and units.
        name: of the block, for errors.

    Raises:
        UsageError: different lengths, none, or values that are not finite.

    Source: Rana, "3D Face Reconstruction from Occluded Images", section 3.3; Tiwari et al. 2022.
    """
    u, v = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if u.shape != v.shape or u.ndim != 1 or len(u) == 0:
        raise UsageError(f"{name}: expected two vectors of one length, got {u.shape} and {v.shape}")
    if not (np.isfinite(u).all() and np.isfinite(v).all()):
        raise UsageError(f"{name}: a value is not finite")
    return float(((u - v) ** 2).mean())


def vertex_distances(one: NDArray[Any], other: NDArray[Any], name: str = "heads") -> Array:
    """(V,) distance between corresponding vertices (V, 3), mm, without any alignment.

    Both heads must be in model space of one topology: their pose is removed by not applying it. Aligning them would
    hide that a face grew or moved against its head.

    Raises:
        UsageError: different shapes or values that are not finite.
    """
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 3:
        raise UsageError(f"{name}: expected vertices (V, 3) of one topology, got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UsageError(f"{name}: a vertex is not finite")
    return np.asarray(np.linalg.norm(a - b, axis=1))


def mean_over(values: NDArray[Any], part: NDArray[np.bool_], least: int = 1) -> float:
    """Mean of values (V,) over a part (V,) bool; NaN where the part has fewer than ``least`` members.

    Raises:
        UsageError: different lengths.
    """
    if values.shape != part.shape or part.dtype != np.bool_:
        raise UsageError(f"expected a bool part of {values.shape}, got {part.dtype} {part.shape}")
    return float(values[part].mean()) if int(part.sum()) >= max(least, 1) else float("nan")


def half_width(
    values: Sequence[float], groups: Sequence[object] | None = None, *, seed: int = 0, draws: int = 1000
) -> float:
    """Half the width of the 95 % bootstrap interval of a mean, drawn over groups (subjects) with replacement.

    Args:
        values: one a measurement; its mean is what the interval is about.
        groups: to whom each belongs; whole groups are drawn, because measurements of one person hang together.
            None = each on its own.
        seed: of the draws.
        draws: how many.

    Returns:
        Half of (97.5 % − 2.5 % quantile) of the drawn means, in the unit of the values; NaN with fewer than two
        groups.

    Raises:
        UsageError: as many groups as values are expected; values must be finite.
    """
    x = np.asarray(values, np.float64)
    names = list(range(len(x))) if groups is None else list(groups)
    if len(names) != len(x):
        raise UsageError(f"{len(x)} values, but groups for {len(names)}")
    if not np.isfinite(x).all():
        raise UsageError("a value is not finite; leave the item out and say so")
    known = {name: i for i, name in enumerate(dict.fromkeys(names))}
    if len(known) < 2:
        return float("nan")
    owner = np.array([known[name] for name in names])
    sums, counts = np.bincount(owner, weights=x), np.bincount(owner)
    chosen = np.random.default_rng(seed).integers(len(known), size=(draws, len(known)))
    means = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float((high - low) / 2)
