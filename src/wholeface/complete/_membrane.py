r"""Membranes: the smooth fields that carry a mismatch from where it is known to where it is not.

Both solvers minimise

.. math:: \sum_i w_i (x_i - d_i)^2 + \lambda \sum_{(i, j)} (x_i - x_j)^2 + \mu \sum_i x_i^2,

whose normal equations are the screened Poisson equation :math:`(W + \lambda L + \mu) x = W d`. With large
weights on a rim and none inside, it is the seamless clone of Pérez et al. in the membrane form of Farbman et al.
Solved on a mesh, the field crosses the borders of UV charts as if they were not there.

Source: Pérez, Gangnet, Blake, "Poisson Image Editing", 2003; Farbman et al., "Coordinates for Instant Image
Cloning", 2009.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._atlas import Array

__all__ = ["grid_membrane", "mesh_membrane"]


@njit(cache=True, nogil=True)
def _mesh_cg(rows, columns, weight, data, stiffness, screen, x, tolerance, limit):  # type: ignore[no-untyped-def]
    """Conjugate gradients, preconditioned by the diagonal, one right-hand side; returns the iterations."""
    n = weight.shape[0]
    diagonal = np.empty(n)
    r = np.empty(n)
    p = np.empty(n)
    q = np.empty(n)
    target = 0.0
    for i in range(n):
        diagonal[i] = weight[i] + screen + stiffness * (rows[i + 1] - rows[i])
        if diagonal[i] <= 0.0:
            diagonal[i] = 1.0
        value = weight[i] * data[i]
        target += value * value / diagonal[i]
        s = diagonal[i] * x[i]
        for k in range(rows[i], rows[i + 1]):
            s -= stiffness * x[columns[k]]
        r[i] = value - s
    target *= tolerance * tolerance
    rho = 0.0
    for i in range(n):
        p[i] = r[i] / diagonal[i]
        rho += r[i] * p[i]
    for iteration in range(limit):
        if rho <= target:
            return iteration
        pq = 0.0
        for i in range(n):
            s = diagonal[i] * p[i]
            for k in range(rows[i], rows[i + 1]):
                s -= stiffness * p[columns[k]]
            q[i] = s
            pq += p[i] * s
        if pq <= 0.0:
            return iteration
        alpha = rho / pq
        fresh = 0.0
        for i in range(n):
            x[i] += alpha * p[i]
            r[i] -= alpha * q[i]
            fresh += r[i] * r[i] / diagonal[i]
        beta = fresh / rho
        rho = fresh
        for i in range(n):
            p[i] = r[i] / diagonal[i] + beta * p[i]
    return limit


def mesh_membrane(
    rows: Array,
    columns: Array,
    weight: Array,
    data: Array,
    *,
    stiffness: float,
    screen: float = 0.0,
    tolerance: float = 1e-3,
    limit: int = 2000,
) -> Array:
    """Membrane over a graph, by conjugate gradients.

    Args:
        rows: (V + 1,) int32, compressed sparse rows of the symmetric adjacency.
        columns: (E,) int32.
        weight: (V,) ≥ 0, trust in the data.
        data: (V, C), ignored where the weight is 0.
        stiffness: λ; the square of the smoothing length in edges.
        screen: μ, pull towards 0 where nothing is known.
        tolerance: relative residual in the norm of the preconditioner.
        limit: largest number of iterations.

    Returns:
        (V, C) float64. Vertices without neighbours and weight stay 0; without any data all is 0.
    """
    weight = np.ascontiguousarray(weight, np.float64)
    result = np.zeros((len(weight), data.shape[1]))
    for c in range(data.shape[1]):
        column = np.where(weight > 0, data[:, c], 0.0).astype(np.float64)
        x = np.zeros(len(weight))
        _mesh_cg(rows, columns, weight, column, stiffness, screen, x, tolerance, limit)
        result[:, c] = x
    return result


@njit(cache=True, nogil=True)
def _relax(x, weight, data, stiffness, sweeps):  # type: ignore[no-untyped-def]
    """Red-black Gauss–Seidel on a grid whose border has no neighbours outside (natural boundary)."""
    h, w, channels = x.shape
    for sweep in range(2 * sweeps):
        for i in range(h):
            for j in range((i + sweep) % 2, w, 2):
                count = 0
                if i > 0:
                    count += 1
                if i < h - 1:
                    count += 1
                if j > 0:
                    count += 1
                if j < w - 1:
                    count += 1
                scale = weight[i, j] + stiffness * count
                if scale <= 0.0:
                    continue
                for c in range(channels):
                    s = 0.0
                    if i > 0:
                        s += x[i - 1, j, c]
                    if i < h - 1:
                        s += x[i + 1, j, c]
                    if j > 0:
                        s += x[i, j - 1, c]
                    if j < w - 1:
                        s += x[i, j + 1, c]
                    x[i, j, c] = (data[i, j, c] + stiffness * s) / scale


@njit(cache=True, nogil=True)
def _residual(x, weight, data, stiffness, out):  # type: ignore[no-untyped-def]
    h, w, channels = x.shape
    worst = 0.0
    for i in range(h):
        for j in range(w):
            for c in range(channels):
                s = data[i, j, c] - weight[i, j] * x[i, j, c]
                if i > 0:
                    s += stiffness * (x[i - 1, j, c] - x[i, j, c])
                if i < h - 1:
                    s += stiffness * (x[i + 1, j, c] - x[i, j, c])
                if j > 0:
                    s += stiffness * (x[i, j - 1, c] - x[i, j, c])
                if j < w - 1:
                    s += stiffness * (x[i, j + 1, c] - x[i, j, c])
                out[i, j, c] = s
                worst = max(worst, abs(s))
    return worst


@njit(cache=True, nogil=True)
def _gather(fine, coarse):  # type: ignore[no-untyped-def]
    """Sum of each 2 × 2 block (the transpose of piecewise-constant prolongation)."""
    coarse[:] = 0.0
    for i in range(fine.shape[0]):
        for j in range(fine.shape[1]):
            for c in range(fine.shape[2]):
                coarse[i // 2, j // 2, c] += fine[i, j, c]


@njit(cache=True, nogil=True)
def _scatter(coarse, fine):  # type: ignore[no-untyped-def]
    for i in range(fine.shape[0]):
        for j in range(fine.shape[1]):
            for c in range(fine.shape[2]):
                fine[i, j, c] += coarse[i // 2, j // 2, c]


def _cycle(x: Array, weights: list[Array], level: int, data: Array, stiffness: float) -> None:
    """One W-cycle with aggregation of 2 × 2 blocks; the coarse stiffness is halved against over-stiffening."""
    weight = weights[level]
    if min(x.shape[:2]) <= 2 or level + 1 >= len(weights):
        _relax(x, weight, data, stiffness, 60)
        return
    _relax(x, weight, data, stiffness, 2)
    for _ in range(2):
        residual = np.empty_like(x)
        _residual(x, weight, data, stiffness, residual)
        coarse = np.zeros((*weights[level + 1].shape, x.shape[2]))
        _gather(residual, coarse)
        step = np.zeros_like(coarse)
        # Two fine edges join neighbouring blocks, each over twice the distance: 2 · 1/2 = 1 times the stiffness.
        _cycle(step, weights, level + 1, coarse, stiffness)
        _scatter(step, x)
        _relax(x, weight, data, stiffness, 2)


def grid_membrane(
    weight: Array, data: Array, *, stiffness: float, tolerance: float = 1e-3, limit: int = 30
) -> Array:
    """Membrane over the pixels of an image, by multigrid; natural boundary (no pull at the image border).

    Args:
        weight: (H, W) ≥ 0, trust in the data.
        data: (H, W, C), ignored where the weight is 0.
        stiffness: λ > 0.
        tolerance: largest residual relative to the largest entry of the right-hand side.
        limit: largest number of cycles.

    Returns:
        (H, W, C) float64; 0 if there is no data at all.
    """
    weight = np.ascontiguousarray(weight, np.float64)
    right = np.where(weight[..., None] > 0, data, 0.0) * weight[..., None]
    x = np.zeros_like(right)
    if not weight.any():
        return x
    x += right.sum(axis=(0, 1)) / weight.sum()
    weights = [weight]
    while min(weights[-1].shape) > 2:
        fine = weights[-1][..., None]
        coarse = np.zeros(((fine.shape[0] + 1) // 2, (fine.shape[1] + 1) // 2, 1))
        _gather(fine, coarse)
        weights.append(coarse[..., 0])
    scale = float(np.abs(right).max()) or 1.0
    residual = np.empty_like(x)
    for _ in range(limit):
        if _residual(x, weight, right, stiffness, residual) <= tolerance * scale:
            break
        _cycle(x, weights, 0, right, stiffness)
    return x
