"""Round shapes from heights: capsules, ellipsoids and slabs raised over the image plane, then lit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .....core.jit import njit
from .....core.srgb import encode_srgb

__all__ = ["EMPTY", "mixed_albedo", "new_relief", "raise_capsule", "raise_ellipsoid", "shade_relief"]

EMPTY = np.float32(-1e6)
_ENCODE = encode_srgb((np.arange(4096) / 4095.0) ** 2) * 255.0  # even steps of the root of linear light


def new_relief(size: int) -> NDArray[np.float32]:
    """(S, S) heights in pixels towards the viewer; nothing there yet."""
    return np.full((size, size), EMPTY, np.float32)


@njit(cache=True, nogil=True)
def mixed_albedo(noise, first, second, blotch):  # type: ignore[no-untyped-def]
    """(S, S, 3) float32: two linear colours mixed by a noise field of deviation 1, with blotches."""
    size = noise.shape[0]
    out = np.empty((size, size, 3), np.float32)
    for y in range(size):
        for x in range(size):
            t = min(max(0.5 + 0.45 * noise[y, x], 0.0), 1.0)
            k = 1.0 + blotch * noise[y, x]
            for c in range(3):
                out[y, x, c] = (first[c] + t * (second[c] - first[c])) * k
    return out


@njit(cache=True, nogil=True)
def raise_capsule(relief, start, end, blend):  # type: ignore[no-untyped-def]
    """Union with a cone-capsule.

    Args:
        relief: (S, S) float32, changed in place. Outside every shape it falls off quickly below the rim, so that
            coverage can be antialiased.
        start: x, y, z, radius in pixels.
        end: x, y, z, radius in pixels.
        blend: width in pixels over which it melts into what is there; 0 = a sharp crease.
    """
    size = relief.shape[0]
    ax, ay, az, ar = start
    bx, by, bz, br = end
    reach = max(ar, br) + 2.0
    left = max(0, int(np.floor(min(ax, bx) - reach)))
    right = min(size, int(np.ceil(max(ax, bx) + reach)) + 1)
    top = max(0, int(np.floor(min(ay, by) - reach)))
    bottom = min(size, int(np.ceil(max(ay, by) + reach)) + 1)
    dx = bx - ax
    dy = by - ay
    length = dx * dx + dy * dy + 1e-9
    for y in range(top, bottom):
        for x in range(left, right):
            t = min(max(((x - ax) * dx + (y - ay) * dy) / length, 0.0), 1.0)
            ox = x - ax - t * dx
            oy = y - ay - t * dy
            r = ar + t * (br - ar)
            _melt(relief, x, y, az + t * (bz - az), r * r - ox * ox - oy * oy, r, blend)


@njit(cache=True, nogil=True)
def raise_ellipsoid(relief, centre, axis, ratio, depth, blend):  # type: ignore[no-untyped-def]
    """Union with an ellipsoid.

    Args:
        relief: (S, S) float32, changed in place.
        centre: x, y, z in pixels.
        axis: (2,) long half axis in the image, pixels.
        ratio: short half axis over long half axis.
        depth: half axis towards the viewer, pixels.
        blend: as in :func:`raise_capsule`.
    """
    size = relief.shape[0]
    cx, cy, cz = centre
    long = np.sqrt(axis[0] ** 2 + axis[1] ** 2) + 1e-6
    short = long * ratio
    ux = axis[0] / long
    uy = axis[1] / long
    reach = max(long, short) + 2.0
    for y in range(max(0, int(cy - reach)), min(size, int(cy + reach) + 2)):
        for x in range(max(0, int(cx - reach)), min(size, int(cx + reach) + 2)):
            u = ((x - cx) * ux + (y - cy) * uy) / long
            v = ((y - cy) * ux - (x - cx) * uy) / short
            rest = 1.0 - u * u - v * v
            _melt(relief, x, y, cz, rest * depth * depth, min(long, short), blend)


@njit(cache=True, nogil=True, inline="always")
def _melt(relief, x, y, base, square, radius, blend):  # type: ignore[no-untyped-def]
    """Smooth maximum of what is there and a round height; just outside the rim, a negative slope marks coverage."""
    if square >= 0.0:
        value = base + np.sqrt(square)
    else:
        over = np.sqrt(radius * radius - square) - radius  # pixels outside the rim, about
        if over > 1.0:
            return
        value = -1000.0 - 1000.0 * over  # under everything; coverage 1 − over
    old = relief[y, x]
    if value < -900.0:
        relief[y, x] = max(old, np.float32(value))
        return
    gap = blend - abs(value - old)
    if blend > 0.0 and gap > 0.0:
        relief[y, x] = np.float32(max(value, old) + gap * gap / (4.0 * blend))
    else:
        relief[y, x] = max(old, np.float32(value))


def shade_relief(
    relief: NDArray[np.float32],
    albedo: NDArray[np.float32],
    light: NDArray[np.float32],
    ambient: float,
    gloss: float,
    bump: NDArray[np.float32],
    crease: float,
    rgba: NDArray[np.uint8],
) -> None:
    """Light a relief and paint it over a straight RGBA image.

    Args:
        relief: (S, S) float32.
        albedo: (S, S, 3) float32, linear colour under full light.
        light: (3,) float32 unit vector towards the light: right, down, out.
        ambient: light from everywhere in [0, 1]; the lamp gives the rest.
        gloss: strength of the highlight.
        bump: (S, S) float32 pixels, fine relief that shows only in the shading.
        crease: darkness of hollows.
        rgba: (S, S, 4) uint8, changed in place.
    """
    _shade(relief, albedo, light, ambient, gloss, bump, crease, rgba, _ENCODE)


@njit(cache=True, nogil=True)
def _shade(relief, albedo, light, ambient, gloss, bump, crease, rgba, encode):  # type: ignore[no-untyped-def]
    size = relief.shape[0]
    norm_half = np.sqrt(light[0] ** 2 + light[1] ** 2 + (light[2] + 1.0) ** 2)
    half_x = light[0] / norm_half
    half_y = light[1] / norm_half
    half_z = (light[2] + 1.0) / norm_half
    for y in range(size):
        for x in range(size):
            h = relief[y, x]
            if h <= -2000.0:
                continue
            cover = 1.0 if h > -900.0 else min(max(2.0 + h / 1000.0, 0.0), 1.0)
            if cover <= 0.0:
                continue
            east = relief[y, min(x + 1, size - 1)]
            west = relief[y, max(x - 1, 0)]
            south = relief[min(y + 1, size - 1), x]
            north = relief[max(y - 1, 0), x]
            if h <= -900.0:
                h = max(east, west, south, north)
                if h <= -900.0:
                    h = 0.0
            e = east if east > -900.0 else h - 2.0
            w = west if west > -900.0 else h - 2.0
            s = south if south > -900.0 else h - 2.0
            n = north if north > -900.0 else h - 2.0
            gx = 0.5 * (e - w)
            gy = 0.5 * (s - n)
            hollow = min(max((e + w + s + n - 4.0 * h) * 0.25, 0.0), 2.0)
            gx += bump[y, min(x + 1, size - 1)] - bump[y, x]
            gy += bump[min(y + 1, size - 1), x] - bump[y, x]
            gx = min(max(gx, -3.0), 3.0)
            gy = min(max(gy, -3.0), 3.0)
            norm = 1.0 / np.sqrt(gx * gx + gy * gy + 1.0)
            facing = (-gx * light[0] - gy * light[1] + light[2]) * norm
            # light wraps a little around soft matter
            lamp = max((facing + 0.15) / 1.15, 0.0)
            tone = (ambient * (0.6 + 0.4 * norm) + (1.0 - ambient) * lamp) * (1.0 - min(crease * hollow, 0.7))
            shine = max((-gx * half_x - gy * half_y + half_z) * norm, 0.0)
            for _ in range(5):
                shine = shine * shine
            shine = gloss * shine
            old = rgba[y, x, 3] / 255.0
            total = cover + old * (1.0 - cover)
            for c in range(3):
                # red light goes deeper into soft matter: shadows turn warm
                soft = tone if c > 0 else tone * (1.1 - 0.1 * tone)
                linear = min(max(albedo[y, x, c] * soft + shine, 0.0), 1.0)
                mixed = (
                    encode[int(4095.0 * np.sqrt(linear) + 0.5)] * cover + rgba[y, x, c] * old * (1.0 - cover)
                ) / total
                rgba[y, x, c] = np.uint8(mixed + 0.5)
            rgba[y, x, 3] = np.uint8(255.0 * total + 0.5)
