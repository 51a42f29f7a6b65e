r"""Membranes: the smooth fields that carry a mismatch from where it is known to where it is not.

Both solvers minimise

.. math:: \sum_i w_i (x_i - d_i)^2 + \lambda \sum_{(i, j)} (x_i - x_j)^2 + \mu \sum_i x_i^2,

whose normal equations are the screened Poisson equation :math:`(W + \lambda L + \mu) x = W d`. With large
weights on a rim and none inside, it is the seamless clone of Pérez et al. in the membrane form of Farbman et
al. Solved on a mesh, the field crosses the borders of UV charts as if they were not there.

Source: Pérez, Gangnet, Blake, "Poisson Image Editing", 2003; Farbman et al., "Coordinates for Instant Image
Cloning", 2009.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._atlas import Array

__all__ = ["grid_membrane", "mesh_membrane"]


@njit(cache=True, nogil=True, fastmath=True)
def _mesh_multiply(rows, columns, diagonal, stiffness, p, q):  # type: ignore[no-untyped-def]
    """q = A p for three columns at once; returns the three p · q."""
    s0 = s1 = s2 = 0.0
    for i in range(diagonal.shape[0]):
        a0 = a1 = a2 = 0.0
        for k in range(rows[i], rows[i + 1]):
            j = columns[k]
            a0 += p[j, 0]
            a1 += p[j, 1]
            a2 += p[j, 2]
        q[i, 0] = diagonal[i] * p[i, 0] - stiffness * a0
        q[i, 1] = diagonal[i] * p[i, 1] - stiffness * a1
        q[i, 2] = diagonal[i] * p[i, 2] - stiffness * a2
        s0 += p[i, 0] * q[i, 0]
        s1 += p[i, 1] * q[i, 1]
        s2 += p[i, 2] * q[i, 2]
    return s0, s1, s2


@njit(cache=True, nogil=True, fastmath=True)
def _mesh_cg(rows, columns, weight, data, stiffness, screen, x, tolerance, limit):  # type: ignore
    """Conjugate gradients, preconditioned by the diagonal, three right-hand sides, from x = 0."""
    n = weight.shape[0]
    diagonal = np.empty(n)
    r = np.empty((n, 3))
    p = np.empty((n, 3))
    q = np.empty((n, 3))
    rho = np.zeros(3)
    for i in range(n):
        diagonal[i] = weight[i] + screen + stiffness * (rows[i + 1] - rows[i])
        if diagonal[i] <= 0.0:
            diagonal[i] = 1.0
        for c in range(3):
            r[i, c] = weight[i] * data[i, c]
            p[i, c] = r[i, c] / diagonal[i]
            rho[c] += r[i, c] * p[i, c]
    target = rho * tolerance * tolerance
    for iteration in range(limit):
        if rho[0] <= target[0] and rho[1] <= target[1] and rho[2] <= target[2]:
            return iteration
        products = _mesh_multiply(rows, columns, diagonal, stiffness, p, q)
        alpha = np.zeros(3)
        for c in range(3):
            if rho[c] > target[c] and products[c] > 0.0:
                alpha[c] = rho[c] / products[c]
        fresh = np.zeros(3)
        for i in range(n):
            inverse = 1.0 / diagonal[i]
            for c in range(3):
                x[i, c] += alpha[c] * p[i, c]
                r[i, c] -= alpha[c] * q[i, c]
                fresh[c] += r[i, c] * r[i, c] * inverse
        for i in range(n):
            inverse = 1.0 / diagonal[i]
            for c in range(3):
                if alpha[c] > 0.0:
                    p[i, c] = r[i, c] * inverse + fresh[c] / rho[c] * p[i, c]
        for c in range(3):
            rho[c] = fresh[c] if alpha[c] > 0.0 else 0.0
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
        data: (V, C) with C ≤ 3, ignored where the weight is 0.
        stiffness: λ; the square of the smoothing length in edges.
        screen: μ, pull towards 0 where nothing is known.
        tolerance: relative residual in the norm of the preconditioner.
        limit: largest number of iterations.

    Returns:
        (V, C) float64. Vertices without neighbours and weight stay 0; without any data all is 0.
    """
    weight = np.ascontiguousarray(weight, np.float64)
    right = np.zeros((len(weight), 3))
    right[:, : data.shape[1]] = np.where(weight[:, None] > 0, data, 0.0)
    x = np.zeros_like(right)
    _mesh_cg(rows, columns, weight, right, stiffness, screen, x, tolerance, limit)
    return x[:, : data.shape[1]].copy()


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
    """One W-cycle with aggregation of 2 × 2 blocks; coarse stiffness is halved against over-stiffening."""
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
        # Two fine edges join neighbouring blocks, each over twice the distance: 2 · ½ = 1 times the stiffness
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
