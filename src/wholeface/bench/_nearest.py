"""Nearest points on a triangle mesh, compiled: the scan metric asks for them thirty times a face."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["NearestOnMesh"]

Array = NDArray[np.float64]


class NearestOnMesh:
    """A mesh that answers nearest-point queries among the triangles that touch the nearest vertices.

    The readable twin is :class:`wholeface.morphable.learn.landmarks478_surface.Surface`.

    Args:
        vertices: (V, 3).
        triangles: (F, 3) int64.
        neighbours: vertices considered per query.
    """

    def __init__(self, vertices: Array, triangles: NDArray[np.int64], neighbours: int = 4) -> None:
        self._vertices = np.ascontiguousarray(vertices, dtype=np.float64)
        self._triangles = np.ascontiguousarray(triangles, dtype=np.int64)
        self._used = np.unique(triangles)
        self._tree = cKDTree(self._vertices[self._used])
        self._neighbours = min(neighbours, len(self._used))
        self._owners = np.argsort(self._triangles, axis=None, kind="stable") // 3
        counts = np.bincount(self._triangles.ravel(), minlength=len(vertices))
        self._start = np.concatenate([[0], np.cumsum(counts)])

    def closest(self, points: Array) -> Array:
        """(P, 3) the surface points nearest to ``points`` (P, 3)."""
        _, near = self._tree.query(points, k=self._neighbours)
        near = self._used[near.reshape(len(points), -1)]
        out = np.empty((len(points), 3))
        queries = np.ascontiguousarray(points, dtype=np.float64)
        _closest(queries, near, self._vertices, self._triangles, self._owners, self._start, out)
        return out


@njit(cache=True, nogil=True, inline="always")
def _in_triangle(px, py, pz, ab, ac):  # type: ignore[no-untyped-def] # noqa: PLR0911
    """Weights of b and c of the point of a triangle nearest to p; all as seen from its corner a.

    Source: Ericson, "Real-Time Collision Detection", 2005, §5.1.5.
    """
    bx, by, bz = ab
    cx, cy, cz = ac
    d1 = bx * px + by * py + bz * pz
    d2 = cx * px + cy * py + cz * pz
    if d1 <= 0 and d2 <= 0:
        return 0.0, 0.0
    across = bx * cx + by * cy + bz * cz
    d3 = d1 - (bx * bx + by * by + bz * bz)
    d4 = d2 - across
    if d3 >= 0 and d4 <= d3:
        return 1.0, 0.0
    vc = d1 * d4 - d3 * d2
    if vc <= 0 and d1 >= 0 and d3 <= 0:
        return d1 / (d1 - d3), 0.0
    d5 = d1 - across
    d6 = d2 - (cx * cx + cy * cy + cz * cz)
    if d6 >= 0 and d5 <= d6:
        return 0.0, 1.0
    vb = d5 * d2 - d1 * d6
    if vb <= 0 and d2 >= 0 and d6 <= 0:
        return 0.0, d2 / (d2 - d6)
    va = d3 * d6 - d5 * d4
    if va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        return 1.0 - w, w
    total = va + vb + vc
    return vb / total, vc / total


@njit(cache=True, nogil=True)
def _closest(points, near, vertices, triangles, owners, start, out):  # type: ignore[no-untyped-def]
    for i in range(points.shape[0]):
        best = np.inf
        for k in range(near.shape[1]):
            vertex = near[i, k]
            for slot in range(start[vertex], start[vertex + 1]):
                t = owners[slot]
                a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
                px, py, pz = points[i, 0] - ax, points[i, 1] - ay, points[i, 2] - az
                bx, by, bz = vertices[b, 0] - ax, vertices[b, 1] - ay, vertices[b, 2] - az
                cx, cy, cz = vertices[c, 0] - ax, vertices[c, 1] - ay, vertices[c, 2] - az
                v, w = _in_triangle(px, py, pz, (bx, by, bz), (cx, cy, cz))
                x, y, z = v * bx + w * cx, v * by + w * cy, v * bz + w * cz
                away = (x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2
                if away < best:
                    best = away
                    out[i, 0], out[i, 1], out[i, 2] = ax + x, ay + y, az + z
