"""Slow, readable twin of the rasterisers: one triangle at a time over the whole image, in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._common import COORDINATE_LIMIT, SUBPIXEL

__all__ = ["rasterize_reference"]

_Array = np.ndarray[Any, Any]


def rasterize_reference(
    points: _Array,
    triangles: _Array,
    intrinsics: tuple[float, float, float],
    size: tuple[int, int],
    near: float,
    cull: bool,
) -> tuple[_Array, _Array, _Array]:
    """Same arguments and results as ``rasterize_numba``."""
    width, height = size
    snapped, inverse, valid = _snap(points.astype(np.float64), intrinsics, near)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.int64) * SUBPIXEL
    best = np.zeros((height, width), np.float32)
    winner = np.full((height, width), -1, np.int32)
    bary = np.zeros((height, width, 3), points.dtype)
    depth = np.full((height, width), np.inf, points.dtype)
    for index, corners in enumerate(triangles):
        if not valid[corners].all():
            continue
        area = _edge(*snapped[corners[:2]], *snapped[corners[2]])
        if area == 0 or (cull and area > 0):
            continue
        order = [0, 1, 2] if area > 0 else [0, 2, 1]
        a, b, c = snapped[corners[order]]
        inside = np.ones((height, width), bool)
        weights = []
        for start, end, opposite in ((b, c, 0), (c, a, 1), (a, b, 2)):
            edge = _edge(start, end, columns, rows)
            dx, dy = end - start
            inside &= edge >= 0 if dy < 0 or (dy == 0 and dx > 0) else edge > 0
            weights.append(edge * (inverse[corners[order[opposite]]] * (1.0 / abs(area))))
        s = (weights[0] + weights[1]) + weights[2]
        closer = inside & (s.astype(np.float32) > best)
        best[closer] = s[closer]
        winner[closer] = index
        reciprocal = 1.0 / s[closer]
        depth[closer] = reciprocal
        for place, weight in zip(order, weights):
            bary[closer, place] = weight[closer] * reciprocal
    return winner, bary, depth


def _snap(
    points: _Array, intrinsics: tuple[float, float, float], near: float
) -> tuple[_Array, _Array, _Array]:
    """Grid positions (V, 2) int64, inverse depths (V,) and which vertices may be used (V,)."""
    focal, cx, cy = intrinsics
    with np.errstate(all="ignore"):
        depth = -points[:, 2]
        u = np.floor((cx + focal * points[:, 0] / depth) * SUBPIXEL + 0.5)
        v = np.floor((cy - focal * points[:, 1] / depth) * SUBPIXEL + 0.5)
        valid = (depth >= near) & (depth < np.inf)
        valid &= (np.abs(u) <= COORDINATE_LIMIT) & (np.abs(v) <= COORDINATE_LIMIT)
        inverse = 1.0 / depth
    return np.where(valid[:, None], np.stack((u, v), 1), 0.0).astype(np.int64), inverse, valid


def _edge(start: _Array, end: _Array, x: Any, y: Any) -> Any:
    """Twice the signed area of (start, end, (x, y)); positive to the right of the edge in the image."""
    return (end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0])
