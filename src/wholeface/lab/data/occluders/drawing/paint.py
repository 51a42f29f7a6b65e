"""Painting on an image with coverage: polygons, strokes and smooth outlines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....core.jit import njit

__all__ = ["polygon_alpha", "smooth_closed", "smooth_open", "stroke"]


def smooth_open(points: NDArray[np.floating[Any]], steps: int = 8) -> NDArray[np.float32]:
    """Catmull-Rom curve through (P, 2) points, ``steps`` pieces per gap, both ends included."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    curve = _spline(padded, len(points) - 1, steps)
    return np.concatenate([curve, points[-1:]]).astype(np.float32)


def smooth_closed(points: NDArray[np.floating[Any]], steps: int = 8) -> NDArray[np.float32]:
    """Closed Catmull-Rom curve through (P, 2) points."""
    padded = np.concatenate([points[-1:], points, points[:2]])
    return _spline(padded, len(points), steps).astype(np.float32)


def _spline(padded: NDArray[np.floating[Any]], pieces: int, steps: int) -> NDArray[np.float64]:
    t = (np.arange(steps) / steps)[:, None]
    basis = (
        np.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3]) / 2
    )
    nodes = np.stack([padded[k : k + pieces] for k in range(4)])  # (4, P, 2)
    return np.einsum("ksi,kpc->psc", basis, nodes).reshape(-1, 2)


@njit(cache=True, nogil=True)
def polygon_alpha(height, width, corners):  # type: ignore[no-untyped-def]
    """(H, W) uint8 coverage of a closed polygon, even-odd, antialiased.

    Args:
        height: of the frame.
        width: of the frame.
        corners: (P, 2) float32 pixels.
    """
    out = np.zeros((height, width), np.uint8)
    count = len(corners)
    left = max(0, int(np.floor(corners[:, 0].min())) - 1)
    right = min(width, int(np.ceil(corners[:, 0].max())) + 2)
    top = max(0, int(np.floor(corners[:, 1].min())) - 1)
    bottom = min(height, int(np.ceil(corners[:, 1].max())) + 2)
    subs = 4
    wide = max(0, right - left)
    line = np.zeros(wide + 1, np.float32)
    hits = np.empty(count, np.float32)
    for y in range(top, bottom):
        line[:] = 0.0
        some = False
        for s in range(subs):
            at = y - 0.5 + (s + 0.5) / subs
            n = 0
            for i in range(count):
                j = (i + 1) % count
                y0 = corners[i, 1]
                y1 = corners[j, 1]
                if (y0 <= at) != (y1 <= at):
                    hits[n] = corners[i, 0] + (at - y0) / (y1 - y0) * (corners[j, 0] - corners[i, 0])
                    n += 1
            if n == 0:
                continue
            some = True
            hits[:n].sort()
            for k in range(0, n - 1, 2):
                a = min(max(hits[k] + 0.5 - left, 0.0), float(wide))
                b = min(max(hits[k + 1] + 0.5 - left, 0.0), float(wide))
                first = int(a)
                last = int(b)
                if first == last:
                    line[first] += b - a
                else:
                    line[first] += first + 1 - a
                    for x in range(first + 1, last):
                        line[x] += 1.0
                    if last < wide:
                        line[last] += b - last
        if some:
            for x in range(wide):
                out[y, x + left] = np.uint8(min(255.0, line[x] * (255.0 / subs) + 0.5))
    return out


@njit(cache=True, nogil=True)
def stroke(rgba, points, radii, colour, light, shine):  # type: ignore[no-untyped-def]
    """Paint a round rod along a polyline over a straight RGBA image.

    Args:
        rgba: (H, W, 4) uint8, changed in place.
        points: (P, 2) float32 pixels.
        radii: (P,) float32 pixels at the points.
        colour: (3,) float32, 0 to 255.
        light: (3,) float32 unit vector towards the light: right, down, out.
        shine: strength of the highlight in [0, 1].
    """
    height, width = rgba.shape[0], rgba.shape[1]
    reach = radii.max() + 1.0
    left = max(0, int(np.floor(points[:, 0].min() - reach)))
    right = min(width, int(np.ceil(points[:, 0].max() + reach)) + 1)
    top = max(0, int(np.floor(points[:, 1].min() - reach)))
    bottom = min(height, int(np.ceil(points[:, 1].max() + reach)) + 1)
    for y in range(top, bottom):
        for x in range(left, right):
            best = 1e9
            nx = 0.0
            ny = 0.0
            radius = 1.0
            for k in range(len(points) - 1):
                ax = points[k, 0]
                ay = points[k, 1]
                dx = points[k + 1, 0] - ax
                dy = points[k + 1, 1] - ay
                length = dx * dx + dy * dy + 1e-9
                t = min(max(((x - ax) * dx + (y - ay) * dy) / length, 0.0), 1.0)
                ox = x - ax - t * dx
                oy = y - ay - t * dy
                r = radii[k] + t * (radii[k + 1] - radii[k])
                far = np.sqrt(ox * ox + oy * oy) - r
                if far < best:
                    best = far
                    nx = ox / max(r, 0.5)
                    ny = oy / max(r, 0.5)
                    radius = r
            cover = min(max(0.5 - best, 0.0), 1.0) * min(1.0, 2.0 * radius)
            if cover <= 0.0:
                continue
            flat = min(nx * nx + ny * ny, 1.0)
            nz = np.sqrt(1.0 - flat)
            facing = nx * light[0] + ny * light[1] + nz * light[2]
            tone = 0.45 + 0.55 * max(facing, 0.0)
            gloss = 255.0 * shine * max(facing, 0.0) ** 24
            old = rgba[y, x, 3] / 255.0
            total = cover + old * (1.0 - cover)
            for c in range(3):
                value = min(255.0, colour[c] * tone + gloss)
                mixed = (value * cover + rgba[y, x, c] * old * (1.0 - cover)) / total
                rgba[y, x, c] = np.uint8(min(255.0, mixed + 0.5))
            rgba[y, x, 3] = np.uint8(min(255.0, total * 255.0 + 0.5))
