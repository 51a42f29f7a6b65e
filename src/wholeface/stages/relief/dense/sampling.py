"""Maps of which some texels are known, read between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["sample_known", "sample_map"]

Array = NDArray[Any]


def sample_known(
    values: Array, known: NDArray[np.bool_], column: Array, row: Array
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bilinear interpolation between texels that are known; others weigh nothing.

    Args:
        values: (H, W), finite.
        known: (H, W).
        column, row: (P,) pixels; clamped to the map.

    Returns:
        (P,) values, 0 where no texel around is known, and (P,) the weight in [0, 1] of those that are.
    """
    height, width = values.shape
    x, y = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
    left = np.minimum(x.astype(np.int64), max(width - 2, 0))
    top = np.minimum(y.astype(np.int64), max(height - 2, 0))
    right, down = x - left, y - top
    total, weight = np.zeros(len(x)), np.zeros(len(x))
    for i, share_y in ((0, 1 - down), (1, down)):
        for j, share_x in ((0, 1 - right), (1, right)):
            share = share_y * share_x * known[top + i, left + j]
            total += share * values[top + i, left + j]
            weight += share
    return total / np.where(weight < 1e-9, 1.0, weight), weight


def sample_map(values: Array, known: NDArray[np.bool_], uv: Array) -> NDArray[np.float64]:
    """A map of the atlas at points of it; nothing bleeds in from outside the charts.

    Convention: row 0 lies at v = 1, texel centres at (i + ½)/S.

    Args:
        values: (S, S).
        known: (S, S).
        uv: (P, 2).

    Returns:
        (P,) float64; the nearest known texel's where none around the point is known, 0 where none is known at all.
    """
    size = values.shape[0]
    column, row = uv[:, 0] * size - 0.5, (1 - uv[:, 1]) * size - 0.5
    found, weight = sample_known(values, known, column, row)
    alone = weight < 1e-9
    if alone.any() and known.any():
        from scipy.ndimage import distance_transform_edt

        near_y, near_x = distance_transform_edt(~known, return_distances=False, return_indices=True)
        at_y, at_x = (np.clip(np.rint(v[alone]), 0, size - 1).astype(np.int64) for v in (row, column))
        found[alone] = values[near_y[at_y, at_x], near_x[at_y, at_x]]
    return found
