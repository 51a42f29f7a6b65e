"""Nearest points on a triangle mesh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["Surface", "closest_in_triangles"]

Array = NDArray[np.float64]


class Surface:
    """A triangle mesh that answers nearest-point queries.

    The nearest point is sought among the triangles that touch the ``neighbours`` vertices nearest to the query,
    which is exact for meshes of evenly sized triangles.

    Args:
        vertices: (V, 3).
        triangles: (F, 3) int64.
        neighbours: vertices considered per query.
    """

    def __init__(self, vertices: Array, triangles: NDArray[np.int64], neighbours: int = 6) -> None:
        self.vertices = vertices
        self.triangles = triangles
        used = np.unique(triangles)
        self._used = used
        self._neighbours = min(neighbours, len(used))
        self._tree = cKDTree(vertices[used])
        order = np.argsort(triangles, axis=None, kind="stable")
        owners, counts = order // 3, np.bincount(triangles.ravel(), minlength=len(vertices))
        width = int(counts.max())
        start = np.concatenate([[0], np.cumsum(counts)[:-1]])
        slots = start[:, None] + np.minimum(np.arange(width)[None], np.maximum(counts - 1, 0)[:, None])
        self._incident = owners[np.minimum(slots, len(owners) - 1)]  # (V, width), last one repeated

    def closest(self, points: Array) -> tuple[Array, NDArray[np.int64], Array]:
        """Nearest surface points.

        Args:
            points: (P, 3).

        Returns:
            (P, 3) positions, (P,) triangles, (P, 3) barycentric weights.
        """
        _, near = self._tree.query(points, k=self._neighbours)
        near = near.reshape(len(points), -1)
        candidates = self._incident[self._used[near]].reshape(len(points), -1)  # (P, C)
        corners = self.vertices[self.triangles[candidates]]  # (P, C, 3, 3)
        weights = closest_in_triangles(points[:, None], corners)
        positions = (weights[..., None] * corners).sum(axis=2)
        best = ((positions - points[:, None]) ** 2).sum(axis=2).argmin(axis=1)
        rows = np.arange(len(points))
        return positions[rows, best], candidates[rows, best], weights[rows, best]


def closest_in_triangles(points: Array, corners: Array) -> Array:
    """(..., 3) barycentric weights of the points of triangles (..., 3, 3) nearest to points (..., 3).

    Source: Ericson, "Real-Time Collision Detection", 2005, §5.1.5, without branches.
    """
    a, b, c = (
        np.broadcast_to(corners[..., i, :], np.broadcast_shapes(points.shape, corners[..., i, :].shape))
        for i in range(3)
    )
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    area = np.maximum(d00 * d11 - d01 * d01, 1e-30)
    v, w = (d11 * d20 - d01 * d21) / area, (d00 * d21 - d01 * d20) / area
    inside = np.stack([1 - v - w, v, w], axis=-1)

    def on_edge(p: Array, q: Array, i: int, j: int) -> tuple[Array, Array]:
        along = q - p
        t = np.clip(((points - p) * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-30), 0, 1)
        weights = np.zeros(inside.shape)
        weights[..., i], weights[..., j] = 1 - t, t
        return weights, ((p + t[..., None] * along - points) ** 2).sum(-1)

    edges = [on_edge(a, b, 0, 1), on_edge(b, c, 1, 2), on_edge(c, a, 2, 0)]
    distances = np.stack([d for _, d in edges], axis=-1)
    choice = distances.argmin(axis=-1)
    clamped = np.take_along_axis(np.stack([w for w, _ in edges], axis=-2), choice[..., None, None], axis=-2)[
        ..., 0, :
    ]
    return np.where((inside >= 0).all(axis=-1, keepdims=True), inside, clamped)
