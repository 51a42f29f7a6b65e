"""Exact nearest points on any triangle mesh: a tree of boxes, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .jit import njit

__all__ = ["Surface"]

Array = NDArray[np.float64]
_LEAF = 4


class Surface:
    """A mesh that answers nearest-point queries exactly, whatever its tessellation.

    Triangles are sorted along a space-filling curve and put into a complete binary tree of bounding boxes.

    Args:
        vertices: (V, 3), finite.
        triangles: (F, 3) indices; triangles without area are left out.

    Source: Ericson, "Real-Time Collision Detection", 2005, §5.1.5 (point and triangle) and ch. 6 (trees of boxes).
    """

    def __init__(self, vertices: Array, triangles: NDArray[np.int64]) -> None:
        vertices = np.ascontiguousarray(vertices, dtype=np.float64)
        corners = vertices[triangles]  # (F, 3, 3)
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        size = np.linalg.norm(cross, axis=1)
        extent = np.linalg.norm(np.ptp(corners, axis=1), axis=1)
        sound = np.flatnonzero(size > 1e-12 * np.maximum(extent, 1e-30) ** 2)
        if len(sound) == 0:
            sound = np.arange(len(corners))
        order = sound[np.argsort(_curve(corners[sound].mean(axis=1)), kind="stable")]
        self._order = order
        self._corners = np.ascontiguousarray(corners[order])
        self._normals = cross[order] / np.maximum(size[order], 1e-300)[:, None]
        leaves = 1 << max(0, int(np.ceil(np.log2(max(1, -(-len(order) // _LEAF))))))
        low = np.full((2 * leaves, 3), np.inf)
        high = np.full((2 * leaves, 3), -np.inf)
        starts = np.arange(0, len(order), _LEAF)
        low[leaves : leaves + len(starts)] = np.minimum.reduceat(self._corners.min(axis=1), starts)
        high[leaves : leaves + len(starts)] = np.maximum.reduceat(self._corners.max(axis=1), starts)
        first = leaves
        while first > 1:
            half = first // 2
            low[half:first] = np.minimum(low[first : 2 * first : 2], low[first + 1 : 2 * first : 2])
            high[half:first] = np.maximum(high[first : 2 * first : 2], high[first + 1 : 2 * first : 2])
            first = half
        self._low, self._high = low, high

    def nearest(
        self, points: Array, guess: NDArray[np.int64] | None = None
    ) -> tuple[Array, Array, NDArray[np.int64]]:
        """The surface points nearest to ``points``.

        Args:
            points: (P, 3).
            guess: (P,) the third result of an earlier call for points near these, which saves time and changes
                nothing else.

        Returns:
            (P, 3) nearest points, (P, 3) unit normals of their triangles, (P,) what ``guess`` takes.
        """
        queries = np.ascontiguousarray(points, dtype=np.float64)
        place = np.empty((len(queries), 3))
        slot = np.full(len(queries), -1, dtype=np.int64) if guess is None else guess.copy()
        _search(queries, self._corners, self._low, self._high, slot, place)
        return place, self._normals[slot], slot

    def barycentric(self, points: Array) -> tuple[NDArray[np.int64], Array]:
        """Where the nearest points lie: (P,) numbers of triangles as given, (P, 3) weights of their corners."""
        place, normals, slot = self.nearest(points)
        a, b, c = (self._corners[slot, k] for k in range(3))
        area = ((np.cross(b - a, c - a)) * normals).sum(axis=1)
        v = (np.cross(place - a, c - a) * normals).sum(axis=1) / area
        w = (np.cross(b - a, place - a) * normals).sum(axis=1) / area
        return self._order[slot], np.stack([1 - v - w, v, w], axis=1)


def _curve(points: Array) -> NDArray[np.uint64]:
    """(P,) position along a Z-order curve, 20 bits per axis."""
    low, span = points.min(axis=0), max(float(np.ptp(points, axis=0).max()), 1e-30)
    cell = np.clip((points - low) / span * (2**20 - 1), 0, 2**20 - 1).astype(np.uint64)
    code = np.zeros(len(points), dtype=np.uint64)
    for bit in range(20):
        for axis in range(3):
            shifted = (cell[:, axis] >> np.uint64(bit)) & np.uint64(1)
            code |= shifted << np.uint64(3 * bit + axis)
    return code


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
def _closest_in(corners, t, px, py, pz):  # type: ignore[no-untyped-def]
    """Squared distance and nearest point of triangle ``t``."""
    ax, ay, az = corners[t, 0, 0], corners[t, 0, 1], corners[t, 0, 2]
    bx, by, bz = corners[t, 1, 0] - ax, corners[t, 1, 1] - ay, corners[t, 1, 2] - az
    cx, cy, cz = corners[t, 2, 0] - ax, corners[t, 2, 1] - ay, corners[t, 2, 2] - az
    v, w = _in_triangle(px - ax, py - ay, pz - az, (bx, by, bz), (cx, cy, cz))
    x, y, z = ax + v * bx + w * cx, ay + v * by + w * cy, az + v * bz + w * cz
    return (x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2, x, y, z


@njit(cache=True, nogil=True)
def _box_distance(low, high, node, px, py, pz):  # type: ignore[no-untyped-def]
    dx = max(low[node, 0] - px, 0.0, px - high[node, 0])
    dy = max(low[node, 1] - py, 0.0, py - high[node, 1])
    dz = max(low[node, 2] - pz, 0.0, pz - high[node, 2])
    return dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True)
def _search(points, corners, low, high, slot, place):  # type: ignore[no-untyped-def]
    count = corners.shape[0]
    leaves = low.shape[0] // 2
    stack = np.empty(64, np.int64)
    bound = np.empty(64, np.float64)
    for i in range(points.shape[0]):
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        best, bx, by, bz, which = np.inf, 0.0, 0.0, 0.0, -1
        if slot[i] >= 0:
            which = slot[i]
            best, bx, by, bz = _closest_in(corners, which, px, py, pz)
        stack[0], bound[0], top = 1, 0.0, 1
        while top > 0:
            top -= 1
            node = stack[top]
            if bound[top] >= best:
                continue
            if node >= leaves:
                start = (node - leaves) * _LEAF
                for t in range(start, min(start + _LEAF, count)):
                    away, x, y, z = _closest_in(corners, t, px, py, pz)
                    if away < best:
                        best, bx, by, bz, which = away, x, y, z, t
                continue
            near, far = 2 * node, 2 * node + 1
            near_away = _box_distance(low, high, near, px, py, pz)
            far_away = _box_distance(low, high, far, px, py, pz)
            if far_away < near_away:
                near, far = far, near
                near_away, far_away = far_away, near_away
            if far_away < best:
                stack[top], bound[top] = far, far_away
                top += 1
            if near_away < best:
                stack[top], bound[top] = near, near_away
                top += 1
        place[i, 0], place[i, 1], place[i, 2] = bx, by, bz
        slot[i] = which
