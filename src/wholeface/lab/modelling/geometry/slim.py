"""Flat maps of disc-like meshes: Tutte's embedding and its low-distortion refinement without flips."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from ....core.errors import UsageError

__all__ = ["border_loop", "signed_areas", "slim", "tutte"]

_SETTLED = 5e-5  # relative gain of a step below which the map is done

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def border_loop(triangles: Ints) -> Ints:
    """(b,) points of the one open border, in the direction of the triangles' edges.

    Raises:
        UsageError: the mesh has no border or several.
    """
    edges = {(int(t[i]), int(t[(i + 1) % 3])) for t in triangles for i in range(3)}
    following = {a: b for a, b in edges if (b, a) not in edges}
    if not following:
        raise UsageError("a closed mesh has no flat map: it needs one open border")
    start = min(following)
    loop = [start]
    while following[loop[-1]] != start and len(loop) < len(following):
        loop.append(following[loop[-1]])
    if len(loop) != len(following):
        raise UsageError(
            f"a flat map needs one open border, this mesh has more ({len(loop)} of {len(following)} edges)"
        )
    return np.array(loop, dtype=np.int64)


def signed_areas(uv: Floats, triangles: Ints) -> Floats:
    """(F,) signed areas of flat triangles, positive = counter-clockwise."""
    a, b, c = (uv[triangles[:, j]] for j in range(3))
    return 0.5 * ((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))


def _solve(matrix: sparse.csc_matrix, right: Floats) -> Floats:
    """Solve a sparse symmetric positive definite system (an ordering for symmetric matrices, no pivoting)."""
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return np.asarray(factors.solve(right))


def tutte(count: int, triangles: Ints, border: Ints, places: Floats) -> Floats:
    """(count, 2) every inner point at the mean of its neighbours, the border at ``places`` (convex).

    Source: W. T. Tutte, How to draw a graph, 1963: without flips for a convex border.
    """
    a = np.concatenate([triangles[:, [0, 1, 2]].ravel(), triangles[:, [1, 2, 0]].ravel()])
    b = np.concatenate([triangles[:, [1, 2, 0]].ravel(), triangles[:, [0, 1, 2]].ravel()])
    links = sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count)).tocsr()
    links.data[:] = 1.0
    laplace = (sparse.diags(np.asarray(links.sum(axis=1)).ravel()) - links).tocsr()
    inner = np.setdiff1d(np.arange(count), border)
    uv = np.zeros((count, 2))
    uv[border] = places
    uv[inner] = _solve(laplace[inner][:, inner].tocsc(), -laplace[inner][:, border] @ places)
    return uv


def _frames(points: Floats, triangles: Ints, scale: Floats) -> tuple[Floats, Floats]:
    """Gradient coefficients (F, 3, 2) of flat reference triangles and their areas (F,)."""
    e1 = (points[triangles[:, 1]] - points[triangles[:, 0]]) * scale[:, None]
    e2 = (points[triangles[:, 2]] - points[triangles[:, 0]]) * scale[:, None]
    x1 = np.linalg.norm(e1, axis=1)
    x2 = (e1 * e2).sum(axis=1) / x1
    y2 = np.maximum(np.sqrt(np.maximum((e2 * e2).sum(axis=1) - x2**2, 0.0)), 0.03 * x1)
    # u = u0 + G (p - p0): columns of the inverse edge matrix [[x1, x2], [0, y2]].
    g1 = np.stack([1.0 / x1, -x2 / (x1 * y2)], axis=1)
    g2 = np.stack([np.zeros_like(x1), 1.0 / y2], axis=1)
    return np.stack([-g1 - g2, g1, g2], axis=1), 0.5 * x1 * y2


def _svd2(j: Floats) -> tuple[Floats, Floats, Floats]:
    u, s, vt = np.linalg.svd(j)
    # Rotations instead of reflections: all triangles have a positive determinant here.
    sign = np.sign(np.linalg.det(u))
    u[:, :, 1] *= sign[:, None]
    vt[:, 1] *= sign[:, None]
    return u, s, vt


def _largest_step(uv: Floats, step: Floats, triangles: Ints) -> float:
    """Largest t ≤ 1 for which no triangle of uv + t·step loses its area (roots of quadratics)."""
    a = signed_areas(step, triangles)
    c = signed_areas(uv, triangles)
    b = signed_areas(uv + step, triangles) - a - c
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.maximum(b * b - 4 * a * c, 0.0))
        q = -0.5 * (b + np.where(b >= 0, root, -root))
        candidates = np.concatenate([q / a, c / q])
    real = np.tile(b * b - 4 * a * c >= 0, 2)
    candidates = candidates[real & np.isfinite(candidates) & (candidates > 0)]
    return min(1.0, 0.8 * float(candidates.min())) if len(candidates) else 1.0


def slim(
    points: Floats,
    triangles: Ints,
    scale: Floats,
    weight: Floats,
    start: Floats,
    on_axis: Bools,
    iterations: int = 100,
) -> Floats:
    r"""Minimise the symmetric Dirichlet energy without flips.

    .. math:: \sum_f A_f w_f \sum_i (\sigma_i^2 + \sigma_i^{-2})

    Args:
        points: (n, 3) mm.
        triangles: (F, 3).
        scale: (F,) wanted length in the map per mm.
        weight: (F,) how much a triangle's distortion counts.
        start: (n, 2) a flat map without flips.
        on_axis: (n,) bool, points that stay on u = 0.

    Returns:
        (n, 2) flat map, all triangles positive.

    Source: Rabinovich et al., Scalable Locally Injective Mappings, ACM TOG 2017.
    """
    gradient, area = _frames(points, triangles, scale)
    area = area * weight
    count, faces = len(points), len(triangles)
    uv = start.copy()
    rows = np.repeat(np.arange(faces), 3)

    def jacobian(flat: Floats) -> Floats:
        return np.einsum("fkc,fkd->fcd", flat[triangles], gradient)  # rows u, v; columns x, y

    def energy(flat: Floats) -> float:
        if signed_areas(flat, triangles).min() <= 0:
            return np.inf
        j = jacobian(flat)
        det = np.linalg.det(j)
        size = (j * j).sum(axis=(1, 2))
        return float((area * size * (1.0 + 1.0 / det**2)).sum())

    free_u = np.flatnonzero(~on_axis)
    free = np.concatenate([free_u, count + np.arange(count)])
    dx, dy = (
        sparse.csr_matrix((gradient[:, :, d].ravel(), (rows, triangles.ravel())), shape=(faces, count))
        for d in (0, 1)
    )
    current = energy(uv)
    for _ in range(iterations):
        j = jacobian(uv)
        u, s, vt = _svd2(j)
        nearest = u @ vt
        close = np.abs(s - 1.0) < 1e-6
        ratio = np.where(close, 4.0, (s - s**-3) / np.where(close, 1.0, s - 1.0))
        w = u @ (np.sqrt(ratio)[:, :, None] * u.transpose(0, 2, 1))  # (F, 2, 2)
        blocks: list[list[Any]] = []
        right: list[Floats] = []
        for c in range(2):
            for d, dd in ((0, dx), (1, dy)):
                root = np.sqrt(area)
                blocks.append([sparse.diags(root * w[:, c, 0]) @ dd, sparse.diags(root * w[:, c, 1]) @ dd])
                right.append(root * (w[:, c, 0] * nearest[:, 0, d] + w[:, c, 1] * nearest[:, 1, d]))
        system = sparse.bmat(blocks, format="csr")[:, free]
        normal = (system.T @ system + 1e-8 * sparse.identity(len(free))).tocsc()
        solution = _solve(normal, system.T @ np.concatenate(right))
        target = np.zeros(2 * count)
        target[free] = solution
        step = target.reshape(2, count).T - uv
        step[on_axis, 0] = 0.0
        t = _largest_step(uv, step, triangles)
        trial = energy(uv + t * step)
        while trial > current and t > 1e-8:
            t *= 0.5
            trial = energy(uv + t * step)
        if trial >= current:
            break
        uv = uv + t * step
        settled = trial > current * (1.0 - _SETTLED)
        current = trial
        if settled:
            break
    return uv
