"""Laying small images over a frame: affine, thin-plate and grid warps with premultiplied sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.jit import njit

__all__ = ["Pyramid", "pyramid", "similarity", "thin_plate", "warp_affine", "warp_grid"]


@dataclass(frozen=True)
class Pyramid:
    """A cut-out at several sizes, so that shrinking does not alias.

    Args:
        levels: (h, w, 4) uint8 straight RGBA; each level has half the edge of the one before.
    """

    levels: tuple[NDArray[np.uint8], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the first level."""
        return self.levels[0].shape[0], self.levels[0].shape[1]

    def level(self, shrink: float) -> tuple[NDArray[np.uint8], float]:
        """The level for a warp that shrinks by this factor, and the factor from first-level pixels to its own."""
        index = int(np.clip(np.floor(np.log2(max(shrink, 1.0)) + 0.4), 0, len(self.levels) - 1))
        return self.levels[index], 0.5**index


def pyramid(rgba: NDArray[np.uint8], smallest: int = 24) -> Pyramid:
    """Halve a straight RGBA image until it is about ``smallest`` pixels wide, weighting colours by coverage."""
    levels = [np.ascontiguousarray(rgba)]
    while min(levels[-1].shape[:2]) >= 2 * smallest:
        levels.append(_half(levels[-1]))
    return Pyramid(tuple(levels))


def similarity(
    source: Sequence[float], target: Sequence[float], scale: float, angle: float, mirror: bool = False
) -> NDArray[np.float32]:
    """(2, 3) matrix from cut-out pixels to frame pixels: ``source`` lands on ``target``.

    Args:
        source: x, y in the cut-out.
        target: x, y in the frame.
        scale: frame pixels per cut-out pixel.
        angle: radians, clockwise as seen in the image.
        mirror: flip left and right first.
    """
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    if mirror:
        linear[:, 0] *= -1.0
    return np.column_stack([linear, np.asarray(target) - linear @ np.asarray(source)]).astype(np.float32)


def thin_plate(
    source: NDArray[np.floating[Any]],
    target: NDArray[np.floating[Any]],
    points: NDArray[np.floating[Any]],
    stiffness: float = 0.0,
) -> NDArray[np.float32]:
    """Where a thin-plate spline that carries ``source`` to ``target`` takes ``points``.

    Args:
        source: (P, 2).
        target: (P, 2).
        points: (..., 2) in the frame of ``source``.
        stiffness: 0 = through every target; larger = smoother, in units of the kernel at one source length.

    Source: Bookstein 1989, "Principal warps".
    """
    size = float(np.ptp(source, axis=0).max()) + 1e-9
    origin = source.mean(axis=0)
    nodes = (source - origin) / size
    count = len(nodes)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(nodes, nodes) + stiffness * np.eye(count)
    system[:count, count] = system[count, :count] = 1.0
    system[:count, count + 1 :] = nodes
    system[count + 1 :, :count] = nodes.T
    right = np.zeros((count + 3, 2))
    right[:count] = target
    weights = np.linalg.solve(system, right)
    flat = (points.reshape(-1, 2) - origin) / size
    moved = _kernel(flat, nodes) @ weights[:count] + weights[count] + flat @ weights[count + 1 :]
    return moved.reshape(points.shape).astype(np.float32)


def _kernel(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    square = ((a[:, None].astype(np.float64) - b[None]) ** 2).sum(-1)
    return 0.5 * square * np.log(square + 1e-12)


def warp_affine(cutout: Pyramid, matrix: NDArray[np.floating[Any]], size: int) -> NDArray[np.uint8]:
    """Lay a cut-out over an empty frame by a (2, 3) matrix from its pixels to frame pixels.

    Returns:
        (S, S, 4) uint8 straight RGBA.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    level, factor = cutout.level(1.0 / max(scale, 1e-6))
    inverse = np.linalg.inv(np.vstack([matrix, [0.0, 0.0, 1.0]]))[:2]
    # pixel centres: first-level x maps to (x + ½)·factor − ½
    inverse = inverse * factor
    inverse[:, 2] += 0.5 * factor - 0.5
    out = np.zeros((size, size, 4), np.uint8)
    height, width = cutout.shape
    corners = (
        np.array([[-1, -1], [width, -1], [-1, height], [width, height]]) @ matrix[:, :2].T + matrix[:, 2]
    )
    low = np.clip(np.floor(corners.min(axis=0)), 0, size).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, size).astype(int)
    _affine(level, inverse.astype(np.float32), out, low[0], low[1], high[0], high[1])
    return out


def warp_grid(
    cutout: Pyramid, source: NDArray[np.floating[Any]], target: NDArray[np.floating[Any]], size: int
) -> NDArray[np.uint8]:
    """Lay a cut-out over an empty frame by a grid of points; cells that are turned over are left out.

    Args:
        cutout: the image.
        source: (R, C, 2) its pixels at the nodes of the grid, rows downwards.
        target: (R, C, 2) where they go in the frame.
        size: edge of the frame.

    Returns:
        (S, S, 4) uint8 straight RGBA.
    """
    span_source = np.ptp(source.reshape(-1, 2), axis=0)
    span_target = np.ptp(target.reshape(-1, 2), axis=0)
    shrink = float((span_source / np.maximum(span_target, 1.0)).min())
    level, factor = cutout.level(shrink)
    out = np.zeros((size, size, 4), np.uint8)
    inside = ((source + 0.5) * factor - 0.5).astype(np.float32)
    _grid(level, inside, np.ascontiguousarray(target, dtype=np.float32), out)
    return out


@njit(cache=True, nogil=True)
def _half(rgba):  # type: ignore[no-untyped-def]
    height, width = rgba.shape[0] // 2, rgba.shape[1] // 2
    out = np.zeros((height, width, 4), np.uint8)
    for y in range(height):
        for x in range(width):
            weight = 0.0
            red = 0.0
            green = 0.0
            blue = 0.0
            for j in range(2):
                for i in range(2):
                    a = float(rgba[2 * y + j, 2 * x + i, 3]) + 1e-3
                    weight += a
                    red += a * rgba[2 * y + j, 2 * x + i, 0]
                    green += a * rgba[2 * y + j, 2 * x + i, 1]
                    blue += a * rgba[2 * y + j, 2 * x + i, 2]
            out[y, x, 0] = np.uint8(red / weight + 0.5)
            out[y, x, 1] = np.uint8(green / weight + 0.5)
            out[y, x, 2] = np.uint8(blue / weight + 0.5)
            out[y, x, 3] = np.uint8(weight / 4.0 + 0.5)
    return out


@njit(cache=True, nogil=True, inline="always")
def _sample(texture, x, y, out, row, column):  # type: ignore[no-untyped-def]
    """Bilinear, premultiplied; nothing beyond the border. Keeps what is already there where this is thinner."""
    height, width = texture.shape[0], texture.shape[1]
    x0 = int(np.floor(x))
    y0 = int(np.floor(y))
    if x0 < -1 or y0 < -1 or x0 >= width or y0 >= height:
        return
    fx = x - x0
    fy = y - y0
    alpha = np.float32(0.0)
    red = np.float32(0.0)
    green = np.float32(0.0)
    blue = np.float32(0.0)
    for j in range(2):
        yy = y0 + j
        if yy < 0 or yy >= height:
            continue
        wy = fy if j == 1 else 1.0 - fy
        for i in range(2):
            xx = x0 + i
            if xx < 0 or xx >= width:
                continue
            wx = fx if i == 1 else 1.0 - fx
            w = np.float32(wx * wy) * texture[yy, xx, 3]
            alpha += w
            red += w * texture[yy, xx, 0]
            green += w * texture[yy, xx, 1]
            blue += w * texture[yy, xx, 2]
    if alpha < 0.5 or alpha <= out[row, column, 3]:
        return
    out[row, column, 0] = np.uint8(red / alpha + np.float32(0.5))
    out[row, column, 1] = np.uint8(green / alpha + np.float32(0.5))
    out[row, column, 2] = np.uint8(blue / alpha + np.float32(0.5))
    out[row, column, 3] = np.uint8(alpha + np.float32(0.5))


@njit(cache=True, nogil=True)
def _affine(texture, m, out, left, top, right, bottom):  # type: ignore[no-untyped-def]
    for row in range(top, bottom):
        for column in range(left, right):
            x = m[0, 0] * column + m[0, 1] * row + m[0, 2]
            y = m[1, 0] * column + m[1, 1] * row + m[1, 2]
            _sample(texture, x, y, out, row, column)


@njit(cache=True, nogil=True)
def _grid(texture, source, target, out):  # type: ignore[no-untyped-def]
    size = out.shape[0]
    rows, columns = source.shape[0], source.shape[1]
    for r in range(rows - 1):
        for c in range(columns - 1):
            for half in range(2):
                if half == 0:
                    ar, ac, br, bc, cr, cc = r, c, r, c + 1, r + 1, c
                else:
                    ar, ac, br, bc, cr, cc = r + 1, c + 1, r + 1, c, r, c + 1
                ax, ay = target[ar, ac, 0], target[ar, ac, 1]
                bx, by = target[br, bc, 0], target[br, bc, 1]
                cx, cy = target[cr, cc, 0], target[cr, cc, 1]
                area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
                if area <= 1e-6:  # turned over
                    continue
                x0 = max(0, int(np.ceil(min(ax, bx, cx) - 1e-3)))
                x1 = min(size - 1, int(np.floor(max(ax, bx, cx) + 1e-3)))
                y0 = max(0, int(np.ceil(min(ay, by, cy) - 1e-3)))
                y1 = min(size - 1, int(np.floor(max(ay, by, cy) + 1e-3)))
                for y in range(y0, y1 + 1):
                    for x in range(x0, x1 + 1):
                        wb = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
                        wc = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
                        wa = 1.0 - wb - wc
                        if wa < -1e-4 or wb < -1e-4 or wc < -1e-4:
                            continue
                        sx = wa * source[ar, ac, 0] + wb * source[br, bc, 0] + wc * source[cr, cc, 0]
                        sy = wa * source[ar, ac, 1] + wb * source[br, bc, 1] + wc * source[cr, cc, 1]
                        _sample(texture, sx, sy, out, y, x)
