"""Numba kernel that sums folds at points of the chart."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....core.jit import njit

__all__ = ["add_strokes", "add_tile"]


@njit(cache=True, nogil=True)
def add_strokes(places: Any, points: Any, starts: Any, shape: Any, box: Any, out: Any) -> None:
    """Add the height of strokes, mm, at ``places`` (N, 2); the polyline of stroke k is
    ``points[starts[k] : starts[k + 1]]`` (M, 4): p, q, factor of the depth, factor of the width.

    ``shape`` (K, 6): depth of the groove, its width (deviation), height of the rims over the depth, height of a
    bulge on the line's left (negative width: on its right), the bulge's width, its distance. ``box`` (K, 4):
    least p and q, largest p and q that the stroke reaches.
    """
    for n in range(len(places)):
        p, q = places[n, 0], places[n, 1]
        total = 0.0
        for k in range(len(shape)):
            if p < box[k, 0] or q < box[k, 1] or p > box[k, 2] or q > box[k, 3]:
                continue
            best, side, deep, wide = 1e9, 1.0, 0.0, 1.0
            for i in range(starts[k], starts[k + 1] - 1):
                ax, ay = points[i, 0], points[i, 1]
                dx, dy = points[i + 1, 0] - ax, points[i + 1, 1] - ay
                along = ((p - ax) * dx + (q - ay) * dy) / (dx * dx + dy * dy + 1e-9)
                along = min(max(along, 0.0), 1.0)
                ex, ey = p - ax - along * dx, q - ay - along * dy
                squared = ex * ex + ey * ey
                if squared < best:
                    best = squared
                    side = 1.0 if dx * ey - dy * ex > 0.0 else -1.0
                    deep = points[i, 2] + along * (points[i + 1, 2] - points[i, 2])
                    wide = points[i, 3] + along * (points[i + 1, 3] - points[i, 3])
            distance = np.sqrt(best)
            width = shape[k, 1] * wide
            ratio = distance / width
            height = -np.exp(-0.5 * ratio * ratio)
            rim = (ratio - 2.3) / 1.1
            height += shape[k, 2] * np.exp(-0.5 * rim * rim)
            total += shape[k, 0] * deep * height
            if shape[k, 3] != 0.0:
                signed = distance * side
                if shape[k, 4] < 0.0:
                    signed = -signed
                away = (signed - shape[k, 5]) / abs(shape[k, 4])
                total += shape[k, 3] * deep * np.exp(-0.5 * away * away)
        out[n] += total


@njit(cache=True, nogil=True)
def add_tile(places: Any, weight: Any, tile: Any, transform: Any, amount: Any, out: Any) -> None:
    """Add ``amount`` · ``weight`` · the periodic ``tile`` (T, T), read bilinearly where the affine ``transform``
    (2, 3) takes each place, in texels."""
    size = tile.shape[0]
    for n in range(len(places)):
        if weight[n] <= 0.0:
            continue
        p, q = places[n, 0], places[n, 1]
        x = transform[0, 0] * p + transform[0, 1] * q + transform[0, 2]
        y = transform[1, 0] * p + transform[1, 1] * q + transform[1, 2]
        fx, fy = np.floor(x), np.floor(y)
        a, b = x - fx, y - fy
        c0, r0 = int(fx) % size, int(fy) % size
        c1, r1 = (c0 + 1) % size, (r0 + 1) % size
        upper = tile[r0, c0] + a * (tile[r0, c1] - tile[r0, c0])
        lower = tile[r1, c0] + a * (tile[r1, c1] - tile[r1, c0])
        out[n] += amount * weight[n] * (upper + b * (lower - upper))
