"""Maps of the atlas at points of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["sample_map"]


def sample_map(
    values: NDArray[np.floating[Any]], known: NDArray[np.bool_], uv: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Bilinear interpolation between texels that are known; nothing bleeds in from outside the charts.

    Convention: row 0 lies at v = 1, texel centres at (i + ½)/S.

    Args:
        values: (S, S).
        known: (S, S).
        uv: (P, 2).

    Returns:
        (P,) float64; the nearest known texel's where none around the point is known, 0 where none is known at all.
    """
    size = values.shape[0]
    x = np.clip(uv[:, 0] * size - 0.5, 0, size - 1)
    y = np.clip((1 - uv[:, 1]) * size - 0.5, 0, size - 1)
    left, top = np.minimum(x.astype(np.int64), size - 2), np.minimum(y.astype(np.int64), size - 2)
    right, down = x - left, y - top
    total, weight = np.zeros(len(uv)), np.zeros(len(uv))
    for i, share_y in ((0, 1 - down), (1, down)):
        for j, share_x in ((0, 1 - right), (1, right)):
            share = share_y * share_x * known[top + i, left + j]
            total += share * values[top + i, left + j]
            weight += share
    alone = weight < 1e-9
    found = total / np.where(alone, 1.0, weight)
    if alone.any() and known.any():
        from scipy.ndimage import distance_transform_edt

        near_y, near_x = distance_transform_edt(~known, return_distances=False, return_indices=True)
        row, column = np.rint(y[alone]).astype(np.int64), np.rint(x[alone]).astype(np.int64)
        found[alone] = values[near_y[row, column], near_x[row, column]]
    return np.asarray(found)
