"""Turned objects: cups, bottles, handles, sticks, cigarettes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....core.jit import njit

__all__ = ["paint_lathe"]


def paint_lathe(
    rgba: NDArray[np.uint8],
    start: NDArray[np.floating[Any]],
    end: NDArray[np.floating[Any]],
    radii: NDArray[np.floating[Any]],
    colours: NDArray[np.floating[Any]],
    light: NDArray[np.float32],
    *,
    gloss: float = 0.1,
    tilt: float = 0.25,
    tile: NDArray[np.uint8] | None = None,
    tile_range: tuple[float, float] = (0.0, 1.0),
    opacity: float = 1.0,
    roughness: NDArray[np.float32] | None = None,
) -> None:
    """Paint a surface of revolution over a straight RGBA image.

    Args:
        rgba: (S, S, 4) uint8, changed in place.
        start: (2,) middle of one end, pixels.
        end: (2,) middle of the other end.
        radii: (N,) pixels at even steps from start to end.
        colours: (M, 3) codes 0 to 255 in bands from start to end.
        light: (3,) unit vector towards the light.
        gloss: highlight in [0, 1].
        tilt: how far the round ends bulge, relative to their radius; shows the end face at the start.
        tile: (T, T, 3) uint8 print that multiplies the colour within ``tile_range``, or None.
        tile_range: part of the length with the print.
        opacity: of the whole, e.g. for glass.
        roughness: (S, S) float32 multiplied into the brightness, about 0 ± 0.05, or None.
    """
    empty = np.zeros((0, 0, 3), np.uint8)
    rough = roughness if roughness is not None else np.zeros((0, 0), np.float32)
    _lathe(
        rgba,
        np.asarray(start, np.float64),
        np.asarray(end, np.float64),
        np.asarray(radii, np.float64),
        np.asarray(colours, np.float64).reshape(-1, 3),
        np.asarray(light, np.float64),
        float(gloss),
        float(tilt),
        tile if tile is not None else empty,
        float(tile_range[0]),
        float(tile_range[1]),
        float(opacity),
        rough,
    )


@njit(cache=True, nogil=True)
def _lathe(rgba, start, end, radii, colours, light, gloss, tilt, tile, low, high, opacity, rough):  # type: ignore[no-untyped-def]
    size = rgba.shape[0]
    dx = end[0] - start[0]
    dy = end[1] - start[1]
    length = np.sqrt(dx * dx + dy * dy) + 1e-6
    ux = dx / length
    uy = dy / length
    vx = -uy
    vy = ux
    reach = radii.max() * 1.1 + 2.0
    left = max(0, int(min(start[0], end[0]) - reach))
    right = min(size, int(max(start[0], end[0]) + reach) + 2)
    top = max(0, int(min(start[1], end[1]) - reach))
    bottom = min(size, int(max(start[1], end[1]) + reach) + 2)
    n = radii.shape[0]
    bands = colours.shape[0]
    lv = light[0] * vx + light[1] * vy
    for y in range(top, bottom):
        for x in range(left, right):
            px = x - start[0]
            py = y - start[1]
            across = px * vx + py * vy
            along = px * ux + py * uy
            # Ends are ellipses: the side surface is pushed forward at its middle.
            ends = radii[0] if along < 0.5 * length else radii[n - 1]
            s0 = min(max(across / max(ends, 0.5), -1.0), 1.0)
            lift = tilt * ends * np.sqrt(1.0 - s0 * s0)
            t_side = (along - lift) / length
            if t_side > 1.0:
                cover = min(max(0.5 - (t_side - 1.0) * length, 0.0), 1.0)
                t_side = 1.0
            elif along < -lift:
                cover = min(max(0.5 - (-lift - along), 0.0), 1.0)
            else:
                cover = 1.0
            if cover <= 0.0:
                continue
            face = t_side < 0.0  # the end face at the start
            t = min(max(t_side, 0.0), 1.0)
            at = t * (n - 1)
            i = min(int(at), n - 2)
            r = radii[i] + (at - i) * (radii[i + 1] - radii[i])
            cover *= min(max(r - abs(across) + 0.5, 0.0), 1.0)
            if cover <= 0.0:
                continue
            s = min(max(across / max(r, 0.5), -1.0), 1.0)
            nz = np.sqrt(1.0 - s * s)
            facing = max(s * lv + nz * light[2], 0.0)
            tone = 0.4 + 0.6 * facing
            shine = gloss * max(facing, 0.0) ** 20 * 255.0
            # a narrow window reflection
            glint = abs(s + 0.55)
            if glint < 0.09:
                shine += gloss * 60.0 * (1.0 - glint / 0.09)
            band = min(int(t * bands), bands - 1)
            if face:
                tone = 0.55 + 0.25 * (along + lift) / max(2.0 * lift, 1.0)
                shine = 0.0
                band = 0
            if rough.shape[0] > 0:
                tone *= 1.0 + rough[y, x]
            cover *= opacity
            old = rgba[y, x, 3] / 255.0
            total = cover + old * (1.0 - cover)
            printed = tile.shape[0] > 0 and low <= t <= high and not face
            if printed:
                edge = tile.shape[0]
                tu = int((np.arcsin(s) / np.pi + 0.5) * edge * 0.999)
                tv = int((t - low) / max(high - low, 1e-3) * edge * 0.999)
            for c in range(3):
                value = colours[band, c]
                if printed:
                    value = float(tile[tv, tu, c])
                value = min(255.0, value * tone + shine)
                rgba[y, x, c] = np.uint8((value * cover + rgba[y, x, c] * old * (1.0 - cover)) / total + 0.49)
            rgba[y, x, 3] = np.uint8(255.0 * total + 0.49)
