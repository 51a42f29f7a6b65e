"""CPU rasteriser: scan conversion of triangles in bands of rows, one thread per band.

Threads run nogil kernels instead of ``parallel=True``: the parallel backend of numba takes about a second to
load from its cache, and it fights with torch over threads.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from ._raster_common import COORDINATE_LIMIT, SUBPIXEL

__all__ = ["rasterize_numba"]

_LIMIT = float(COORDINATE_LIMIT)
_GRID = float(SUBPIXEL)
_STEP = SUBPIXEL


@njit(cache=True, nogil=True)
def _snap(points, focal, cx, cy, near, xy, inverse):  # type: ignore[no-untyped-def]
    for v in range(points.shape[0]):
        x = float(points[v, 0])
        y = float(points[v, 1])
        depth = -float(points[v, 2])
        inverse[v] = 0.0  # marks a vertex that no triangle may use
        if depth >= near and depth < np.inf:
            u = np.floor((cx + focal * x / depth) * _GRID + 0.5)
            w = np.floor((cy - focal * y / depth) * _GRID + 0.5)
            if abs(u) <= _LIMIT and abs(w) <= _LIMIT:
                xy[v, 0] = int(u)
                xy[v, 1] = int(w)
                inverse[v] = 1.0 / depth


@njit(cache=True, nogil=True)
def _band(xy, inverse, triangles, row0, row1, width, cull, best, winner, bary, depth):  # type: ignore[no-untyped-def]
    best[row0:row1] = 0.0
    winner[row0:row1] = -1
    top_limit = row0 * _STEP
    bottom_limit = (row1 - 1) * _STEP
    right_limit = (width - 1) * _STEP
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        yi, yj, yk = np.int64(xy[i, 1]), np.int64(xy[j, 1]), np.int64(xy[k, 1])
        y_min = min(yi, yj, yk)
        y_max = max(yi, yj, yk)
        if y_max < top_limit or y_min > bottom_limit:
            continue
        xi, xj, xk = np.int64(xy[i, 0]), np.int64(xy[j, 0]), np.int64(xy[k, 0])
        x_min = min(xi, xj, xk)
        x_max = max(xi, xj, xk)
        if x_max < 0 or x_min > right_limit:
            continue
        first = max(0, (x_min + _STEP - 1) // _STEP)
        last = min(width - 1, x_max // _STEP)
        top = max(row0, (y_min + _STEP - 1) // _STEP)
        bottom = min(row1 - 1, y_max // _STEP)
        if first > last or top > bottom:
            continue
        if inverse[i] == 0.0 or inverse[j] == 0.0 or inverse[k] == 0.0:
            continue
        area = (xj - xi) * (yk - yi) - (yj - yi) * (xk - xi)
        if area == 0 or (cull and area > 0):
            continue
        if area < 0:
            area = -area
            j, k = k, j
            xj, xk = xk, xj
            yj, yk = yk, yj
        p0 = inverse[i] / area
        p1 = inverse[j] / area
        p2 = inverse[k] / area
        dx0, dy0 = xk - xj, yk - yj
        dx1, dy1 = xi - xk, yi - yk
        dx2, dy2 = xj - xi, yj - yi
        bias0 = 0 if dy0 < 0 or (dy0 == 0 and dx0 > 0) else 1
        bias1 = 0 if dy1 < 0 or (dy1 == 0 and dx1 > 0) else 1
        bias2 = 0 if dy2 < 0 or (dy2 == 0 and dx2 > 0) else 1
        px = first * _STEP
        py = top * _STEP
        row_e0 = dx0 * (py - yj) - dy0 * (px - xj) - bias0
        row_e1 = dx1 * (py - yk) - dy1 * (px - xk) - bias1
        row_e2 = dx2 * (py - yi) - dy2 * (px - xi) - bias2
        for row in range(top, bottom + 1):
            e0, e1, e2 = row_e0, row_e1, row_e2
            inside = False
            for column in range(first, last + 1):
                if (e0 | e1 | e2) >= 0:
                    inside = True
                    s = np.float32(((e0 + bias0) * p0 + (e1 + bias1) * p1) + (e2 + bias2) * p2)
                    if s > best[row, column]:
                        best[row, column] = s
                        winner[row, column] = t
                elif inside:
                    break
                e0 -= dy0 * _STEP
                e1 -= dy1 * _STEP
                e2 -= dy2 * _STEP
            row_e0 += dx0 * _STEP
            row_e1 += dx1 * _STEP
            row_e2 += dx2 * _STEP
    for row in range(row0, row1):
        py = row * _STEP
        for column in range(width):
            t = winner[row, column]
            if t < 0:
                bary[row, column, 0] = 0.0
                bary[row, column, 1] = 0.0
                bary[row, column, 2] = 0.0
                depth[row, column] = np.inf
                continue
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            xi, xj, xk = np.int64(xy[i, 0]), np.int64(xy[j, 0]), np.int64(xy[k, 0])
            yi, yj, yk = np.int64(xy[i, 1]), np.int64(xy[j, 1]), np.int64(xy[k, 1])
            area = (xj - xi) * (yk - yi) - (yj - yi) * (xk - xi)
            swapped = area < 0
            if swapped:
                area = -area
                j, k = k, j
                xj, xk = xk, xj
                yj, yk = yk, yj
            px = column * _STEP
            w0 = ((xk - xj) * (py - yj) - (yk - yj) * (px - xj)) * (inverse[i] / area)
            w1 = ((xi - xk) * (py - yk) - (yi - yk) * (px - xk)) * (inverse[j] / area)
            w2 = ((xj - xi) * (py - yi) - (yj - yi) * (px - xi)) * (inverse[k] / area)
            reciprocal = 1.0 / ((w0 + w1) + w2)
            bary[row, column, 0] = w0 * reciprocal
            bary[row, column, 1] = (w2 if swapped else w1) * reciprocal
            bary[row, column, 2] = (w1 if swapped else w2) * reciprocal
            depth[row, column] = reciprocal


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, (os.cpu_count() or 1)), thread_name_prefix="rasterize")


def rasterize_numba(
    points: np.ndarray[Any, Any],
    triangles: np.ndarray[Any, Any],
    intrinsics: tuple[float, float, float],
    size: tuple[int, int],
    near: float,
    cull: bool,
    threads: int,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Rasterise one mesh; see ``_raster_common`` for what is computed.

    Args:
        points: (V, 3) float32 or float64, camera space, mm.
        triangles: (F, 3) int32 or int64.
        intrinsics: focal, cx, cy in pixels.
        size: width, height.
        near: nearest depth, mm.
        cull: skip triangles that show their back.
        threads: bands rendered at the same time.

    Returns:
        winner (H, W) int32, barycentric (H, W, 3) and depth (H, W) in the dtype of ``points``.
    """
    width, height = size
    xy = np.zeros((points.shape[0], 2), np.int32)
    inverse = np.empty(points.shape[0], np.float64)
    _snap(points, *intrinsics, near, xy, inverse)
    best = np.empty((height, width), np.float32)
    winner = np.empty((height, width), np.int32)
    bary = np.empty((height, width, 3), points.dtype)
    depth = np.empty((height, width), points.dtype)

    def band(rows: tuple[int, int]) -> None:
        _band(xy, inverse, triangles, rows[0], rows[1], width, cull, best, winner, bary, depth)

    bands = 1 if threads == 1 or height < 64 else 2 * threads
    edges = [height * b // bands for b in range(bands + 1)]
    spans = list(zip(edges[:-1], edges[1:]))
    if bands == 1:
        band(spans[0])
    else:
        list(_pool().map(band, spans))
    return winner, bary, depth
