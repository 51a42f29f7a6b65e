"""Two-label segmentation with an edge-aware length penalty: a convex min-cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....core.jit import njit

__all__ = ["tv_cut"]

_F32 = NDArray[np.float32]
_STEP = 0.35  # τσ‖∇‖² ≤ 1 with ‖∇‖² ≤ 8


def tv_cut(cost: _F32, weight_x: _F32, weight_y: _F32, start: _F32, iterations: int) -> _F32:
    r"""Weighted total-variation segmentation by the primal-dual method.

    .. math:: \min_{0 \le u \le 1} \sum_p c_p u_p + \sum_p w^x_p |u_{p+x} - u_p| + w^y_p |u_{p+y} - u_p|

    Thresholding the minimiser at any level in (0, 1) gives a minimum cut.

    Args:
        cost: (H, W) cost of label 1 over label 0.
        weight_x: (H, W) ≥ 0, price of a label change between a pixel and its right neighbour.
        weight_y: (H, W) ≥ 0, the same for its lower neighbour.
        start: (H, W) initial labels in [0, 1].
        iterations: of the solver.

    Returns:
        (H, W) float32 in [0, 1].

    Source: Chambolle & Pock 2011; Nikolova, Esedoglu & Chan 2006 for the threshold.
    """
    costs, across, down = (np.ascontiguousarray(a, dtype=np.float32) for a in (cost, weight_x, weight_y))
    result: _F32 = _solve(costs, across, down, np.array(start, dtype=np.float32, order="C"), iterations)
    return result


@njit(cache=True, fastmath=True)
def _solve(cost: _F32, weight_x: _F32, weight_y: _F32, u: _F32, iterations: int) -> _F32:
    height, width = cost.shape
    dual_x = np.zeros((height, width), np.float32)
    dual_y = np.zeros((height, width), np.float32)
    ahead = u.copy()
    step = np.float32(_STEP)
    for _ in range(iterations):
        for i in range(height):
            for j in range(width):
                if j < width - 1:
                    bound = weight_x[i, j]
                    dual_x[i, j] = min(
                        bound, max(-bound, dual_x[i, j] + step * (ahead[i, j + 1] - ahead[i, j]))
                    )
                if i < height - 1:
                    bound = weight_y[i, j]
                    dual_y[i, j] = min(
                        bound, max(-bound, dual_y[i, j] + step * (ahead[i + 1, j] - ahead[i, j]))
                    )
        for i in range(height):
            for j in range(width):
                divergence = dual_x[i, j] + dual_y[i, j]
                if j > 0:
                    divergence -= dual_x[i, j - 1]
                if i > 0:
                    divergence -= dual_y[i - 1, j]
                new = min(np.float32(1), max(np.float32(0), u[i, j] + step * (divergence - cost[i, j])))
                ahead[i, j] = 2 * new - u[i, j]
                u[i, j] = new
    return u
