"""Cloth inside an outline: a pattern that follows folds, lit from the side, thick at its edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .....core.jit import njit
from ...compositing.compose import box_blur
from ..drawing.noise import field

__all__ = ["drape"]


def drape(
    alpha: NDArray[np.uint8],
    tile: NDArray[np.uint8],
    rng: np.random.Generator,
    centre: NDArray[np.float32],
    unit: float,
    angle: float,
    light: NDArray[np.float32],
    *,
    bow: float = 0.0,
    around: bool = False,
) -> NDArray[np.uint8]:
    """Fill an outline with cloth.

    Args:
        alpha: (S, S) uint8 coverage.
        tile: (T, T, 3) uint8 pattern, repeated.
        rng: randomness of folds and scale.
        centre: (2,) pixels; folds bow or turn around it.
        unit: length of the face in pixels (bridge to chin).
        angle: direction of the folds, radians, clockwise as seen, 0 = along x.
        light: (3,) unit vector towards the light.
        bow: how much folds hang through: depth per half unit of breadth.
        around: folds run in circles around the centre (a hood).

    Returns:
        (S, S, 4) uint8 straight RGBA.
    """
    size = len(alpha)
    cells = size / (unit * float(rng.uniform(0.12, 0.3)))
    folds = field(rng, size, cells, 3, 0.55, stretch=float(rng.uniform(2.0, 6.0)))
    soft = np.empty((size, size), np.float32)
    box_blur(alpha.astype(np.float32) / np.float32(255.0), soft, max(1, int(0.035 * unit)))
    return _drape(
        alpha,
        tile,
        folds,
        soft,
        float(centre[0]),
        float(centre[1]),
        float(np.cos(angle)),
        float(np.sin(angle)),
        bow / max(unit, 1.0),
        around,
        float(96.0 / (unit * rng.uniform(0.25, 0.9))),
        np.asarray(light, np.float32),
        float(rng.uniform(0.5, 1.6)) * 0.12 * unit / 4.0,
        float(rng.uniform(0.35, 0.6)),
    )


@njit(cache=True, nogil=True)
def _drape(alpha, tile, folds, soft, cx, cy, cos, sin, bow, around, zoom, light, depth, ambient):  # type: ignore[no-untyped-def]
    size = alpha.shape[0]
    edge = tile.shape[0]
    out = np.zeros((size, size, 4), np.uint8)
    for y in range(size):
        for x in range(size):
            a = alpha[y, x]
            if a == 0:
                continue
            dx = x - cx
            dy = y - cy
            if around:
                radius = np.sqrt(dx * dx + dy * dy) + 1e-3
                side = 1.0 if dx >= 0.0 else -1.0  # the same on both sides of the head
                u = np.arctan2(side * dx, -dy) * (0.3 * size) - 0.4 * size
                v = radius
                ux = -dy / radius * side  # directions of u and v in the image
                uy = dx / radius * side
                vx = dx / radius
                vy = dy / radius
            else:
                u = dx * cos + dy * sin
                v = dy * cos - dx * sin + bow * u * u
                ux = cos
                uy = sin
                vx = -sin
                vy = cos
            iu = int(u + 4.5 * size) % size  # the field's seam lies half a frame away
            iv = int(v + 4.5 * size) % size
            ju = (iu + 1) % size
            jv = (iv + 1) % size
            h = folds[iv, iu]
            gu = (folds[iv, ju] - h) * depth if ju > iu else 0.0
            gv = (folds[jv, iu] - h) * depth if jv > iv else 0.0
            gx = gu * ux + gv * vx
            gy = gu * uy + gv * vy
            # thick edges
            x1 = min(x + 1, size - 1)
            x0 = max(x - 1, 0)
            y1 = min(y + 1, size - 1)
            y0 = max(y - 1, 0)
            gx += 6.0 * (soft[y, x1] - soft[y, x0])
            gy += 6.0 * (soft[y1, x] - soft[y0, x])
            norm = 1.0 / np.sqrt(gx * gx + gy * gy + 1.0)
            facing = max((-gx * light[0] - gy * light[1] + light[2]) * norm, 0.0)
            tone = ambient + (1.0 - ambient) * facing / max(light[2], 0.4)
            tone *= 0.93 + 0.06 * h
            tone *= 0.72 + 0.28 * min(1.0, soft[y, x] * 1.25)
            if around:
                u = dx * cos + dy * sin
                v = dy * cos - dx * sin
            tu = int((u + 0.8 * h * depth) * zoom + 64 * edge) % edge
            tv = int((v + 0.8 * h * depth) * zoom + 64 * edge) % edge
            for c in range(3):
                out[y, x, c] = np.uint8(min(255.0, max(0.0, tile[tv, tu, c] * tone)))
            out[y, x, 3] = a
    return out
