"""CPU rasteriser: scan conversion of triangles in bands of rows, several bands at a time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...core.jit import njit
from ...core.threads import run_ranges
from ._common import COORDINATE_LIMIT, SUBPIXEL

__all__ = ["rasterize_numba"]

_LIMIT = float(COORDINATE_LIMIT)
_GRID = float(SUBPIXEL)
_STEP = SUBPIXEL
_TILE = 8
_ROUNDING = 1.0 + 1e-6  # more than what the float32 depth test can round upwards


@njit(cache=True, nogil=True)
def _snap(points: Any, focal: Any, cx: Any, cy: Any, near: Any, xy: Any, inverse: Any) -> None:
    """Grid positions and inverse depths; an inverse depth of 0 marks a vertex that no triangle may use."""
    for v in range(points.shape[0]):
        x = float(points[v, 0])
        y = float(points[v, 1])
        depth = -float(points[v, 2])
        inverse[v] = 0.0
        if depth >= near and depth < np.inf:
            u = np.floor((cx + focal * x / depth) * _GRID + 0.5)
            w = np.floor((cy - focal * y / depth) * _GRID + 0.5)
            if abs(u) <= _LIMIT and abs(w) <= _LIMIT:
                xy[v, 0] = int(u)
                xy[v, 1] = int(w)
                inverse[v] = 1.0 / depth


@njit(cache=True, nogil=True)
def _resolve(
    xy: Any, inverse: Any, triangles: Any, row0: Any, row1: Any, winner: Any, bary: Any, depth: Any
) -> None:
    """Barycentrics and depth of the winners. Neighbours mostly share theirs, so its setup is kept."""
    previous = -1
    swapped = False
    xi, xj, xk, yi, yj, yk = 0, 0, 0, 0, 0, 0
    p0, p1, p2 = 0.0, 0.0, 0.0
    for row in range(row0, row1):
        py = row * _STEP
        for column in range(winner.shape[1]):
            t = winner[row, column]
            if t < 0:
                bary[row, column, 0] = 0.0
                bary[row, column, 1] = 0.0
                bary[row, column, 2] = 0.0
                depth[row, column] = np.inf
                continue
            if t != previous:
                previous = t
                i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                xi, xj, xk = int(xy[i, 0]), int(xy[j, 0]), int(xy[k, 0])
                yi, yj, yk = int(xy[i, 1]), int(xy[j, 1]), int(xy[k, 1])
                area = (xj - xi) * (yk - yi) - (yj - yi) * (xk - xi)
                swapped = area < 0
                if swapped:
                    area = -area
                    j, k = k, j
                    xj, xk = xk, xj
                    yj, yk = yk, yj
                per_area = 1.0 / area
                p0 = inverse[i] * per_area
                p1 = inverse[j] * per_area
                p2 = inverse[k] * per_area
            px = column * _STEP
            w0 = ((xk - xj) * (py - yj) - (yk - yj) * (px - xj)) * p0
            w1 = ((xi - xk) * (py - yk) - (yi - yk) * (px - xk)) * p1
            w2 = ((xj - xi) * (py - yi) - (yj - yi) * (px - xi)) * p2
            reciprocal = 1.0 / ((w0 + w1) + w2)
            bary[row, column, 0] = w0 * reciprocal
            bary[row, column, 1] = (w2 if swapped else w1) * reciprocal
            bary[row, column, 2] = (w1 if swapped else w2) * reciprocal
            depth[row, column] = reciprocal


@njit(cache=True, nogil=True)
def _farthest(best: Any, row0: Any, row1: Any) -> Any:
    """Smallest inverse depth in each tile of the rows row0 ≤ row < row1; 0 where a pixel is still free."""
    width = best.shape[1]
    shape = ((row1 - row0 + _TILE - 1) // _TILE, (width + _TILE - 1) // _TILE)
    tiles = np.empty(shape, np.float32)
    for a in range(tiles.shape[0]):
        for b in range(tiles.shape[1]):
            least = np.float32(np.inf)
            for row in range(row0 + a * _TILE, min(row1, row0 + (a + 1) * _TILE)):
                for column in range(b * _TILE, min(width, (b + 1) * _TILE)):
                    least = min(least, best[row, column])
            tiles[a, b] = least
    return tiles


@njit(cache=True, nogil=True)
def _hidden(tiles: Any, nearest: Any, top: Any, bottom: Any, first: Any, last: Any) -> bool:
    """Is everything in these tiles nearer than the inverse depth ``nearest``?"""
    for a in range(top, bottom + 1):
        for b in range(first, last + 1):
            if tiles[a, b] <= nearest:
                return False
    return True


@njit(cache=True, nogil=True)
def _scan(
    row0: Any,
    row1: Any,
    xy: Any,
    inverse: Any,
    triangles: Any,
    cull: Any,
    best: Any,
    winner: Any,
) -> None:
    """Scan-convert all triangles into the rows row0 ≤ row < row1.

    Triangles that show their front come first. Those that show their back are mostly hidden by then, and
    are left out when all tiles that they touch are covered by something nearer. Ties still go to the lowest
    index.
    """
    width = best.shape[1]
    best[row0:row1] = 0.0
    winner[row0:row1] = -1
    top_limit = row0 * _STEP
    bottom_limit = (row1 - 1) * _STEP
    right_limit = (width - 1) * _STEP
    count = triangles.shape[0]
    total = count
    backs = np.empty(count, np.int32)
    tiles = best[:0]
    n = -1
    while n + 1 < total:
        n += 1
        t = n
        if n >= count:
            t = backs[n - count]
            if n == count:
                tiles = _farthest(best, row0, row1)
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        yi, yj, yk = int(xy[i, 1]), int(xy[j, 1]), int(xy[k, 1])
        y_min: int = min(yi, yj, yk)
        y_max: int = max(yi, yj, yk)
        if y_max < top_limit or y_min > bottom_limit:
            continue
        xi, xj, xk = int(xy[i, 0]), int(xy[j, 0]), int(xy[k, 0])
        x_min: int = min(xi, xj, xk)
        x_max: int = max(xi, xj, xk)
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
        if area > 0 and n < count:
            backs[total - count] = t
            total += 1
            continue
        if n >= count:
            nearest = max(inverse[i], inverse[j], inverse[k]) * _ROUNDING
            rows = (top - row0) // _TILE, (bottom - row0) // _TILE
            if _hidden(tiles, nearest, rows[0], rows[1], first // _TILE, last // _TILE):
                continue
        if area < 0:
            area = -area
            j, k = k, j
            xj, xk = xk, xj
            yj, yk = yk, yj
        per_area = 1.0 / area
        p0 = inverse[i] * per_area
        p1 = inverse[j] * per_area
        p2 = inverse[k] * per_area
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
                    if s > best[row, column] or (s == best[row, column] and t < winner[row, column]):
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


@lru_cache(maxsize=1)
def _keep_freed_pages() -> None:
    """Freeing one large block tells glibc's allocator to keep freed memory for the next image.

    Otherwise every image of a megabyte is handed back to the system when it dies, and touching a new one
    costs as much as rasterising into it. Does nothing under other allocators.
    """
    np.empty(31 << 20, np.uint8)


def rasterize_numba(
    points: np.ndarray[Any, Any],
    triangles: np.ndarray[Any, Any],
    intrinsics: tuple[float, float, float],
    size: tuple[int, int],
    near: float,
    cull: bool,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Rasterise one mesh; see ``_common`` for what is computed.

    Args:
        points: (V, 3) float32 or float64, camera space, mm.
        triangles: (F, 3) int32 or int64.
        intrinsics: focal, cx, cy in pixels.
        size: width, height.
        near: nearest depth, mm.
        cull: skip triangles that show their back.

    Returns:
        winner (H, W) int32, barycentric (H, W, 3) and depth (H, W) in the dtype of ``points``.
    """
    _keep_freed_pages()
    width, height = size
    xy = np.zeros((points.shape[0], 2), np.int32)
    inverse = np.empty(points.shape[0], np.float64)
    _snap(points, *intrinsics, near, xy, inverse)
    best = np.empty((height, width), np.float32)
    winner = np.empty((height, width), np.int32)
    bary = np.empty((height, width, 3), points.dtype)
    depth = np.empty((height, width), points.dtype)

    def band(row0: int, row1: int) -> None:
        _scan(row0, row1, xy, inverse, triangles, cull, best, winner)
        _resolve(xy, inverse, triangles, row0, row1, winner, bary, depth)

    run_ranges(band, height, 16)
    return winner, bary, depth
