"""Nearest points on a triangle mesh."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["nearest_on_mesh"]

Array = NDArray[Any]


def nearest_on_mesh(
    points: Array,
    vertices: Array,
    triangles: Array,
    *,
    normals: Array | None = None,
    candidates: int = 16,
    reluctance: float = 0.0,
) -> tuple[Array, Array, Array]:
    """Nearest surface point among the triangles with the nearest centroids.

    Args:
        points: (P, 3).
        vertices: (V, 3).
        triangles: (F, 3).
        normals: (P, 3) unit normals of the points, or None.
        candidates: triangles tried per point; exact when triangles are of similar size.
        reluctance: added to a candidate's distance per unit of (1 − cosine of the normals' angle), same
            unit as the points, to keep lids from sticking to brows and lips to each other.

    Returns:
        Triangle index (P,), barycentric weights (P, 3), distance (P,).
    """
    corners = vertices[triangles]
    edge = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    face_normal = edge / np.maximum(np.linalg.norm(edge, axis=1, keepdims=True), 1e-12)
    tried = (
        cKDTree(corners.mean(1)).query(points, k=min(candidates, len(triangles)))[1].reshape(len(points), -1)
    )
    best = np.full(len(points), np.inf)
    index = np.zeros(len(points), dtype=np.int64)
    weights = np.zeros((len(points), 3))
    for column in tried.T:
        barycentric = _project(points, corners[column])
        distance = np.linalg.norm(np.einsum("pk,pkc->pc", barycentric, corners[column]) - points, axis=1)
        if normals is not None and reluctance > 0:
            distance = distance + reluctance * (1 - (face_normal[column] * normals).sum(1))
        better = distance < best
        best[better], index[better], weights[better] = distance[better], column[better], barycentric[better]
    return index, weights, best


def _project(points: Array, corners: Array) -> Array:
    """Barycentric weights (P, 3) of the point of each triangle (P, 3, 3) nearest to each point.

    Source: Ericson, "Real-Time Collision Detection", 2005, section 5.1.5, without branches.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(1), (ab * ac).sum(1), (ac * ac).sum(1)
    d20, d21 = (ap * ab).sum(1), (ap * ac).sum(1)
    denominator = np.maximum(d00 * d11 - d01 * d01, 1e-18)
    v = (d11 * d20 - d01 * d21) / denominator
    w = (d00 * d21 - d01 * d20) / denominator
    inside = np.stack((1 - v - w, v, w), axis=1)
    best = inside.copy()
    outside = (inside < 0).any(axis=1)
    if outside.any():
        p, tri = points[outside], corners[outside]
        distance = np.full(len(p), np.inf)
        chosen = np.zeros((len(p), 3))
        for i, j in ((0, 1), (1, 2), (2, 0)):
            direction = tri[:, j] - tri[:, i]
            t = ((p - tri[:, i]) * direction).sum(1) / np.maximum((direction**2).sum(1), 1e-18)
            t = np.clip(t, 0, 1)
            d = np.linalg.norm(tri[:, i] + t[:, None] * direction - p, axis=1)
            better = d < distance
            distance[better] = d[better]
            chosen[better] = 0
            chosen[better, i] = 1 - t[better]
            chosen[better, j] = t[better]
        best[outside] = chosen
    return best
