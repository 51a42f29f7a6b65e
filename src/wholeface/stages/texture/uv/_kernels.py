"""Loops over pixels and texels. Kernels release the GIL; :func:`split` runs them in bands on threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....core.jit import njit
from ....core.kernels import shading_at
from ....core.threads import run_ranges

__all__ = ["add_resized", "chamfer", "sample_texels", "smooth_max", "splat", "split"]


def split(count: int, work: Callable[[int, int], object]) -> None:
    """Call ``work(first, last)`` over [0, count) in as many bands as torch has threads."""
    run_ranges(work, count, 2048)


@njit(cache=True, nogil=True, inline="always")
def smooth_max(value, floor):  # type: ignore[no-untyped-def]
    """max(value, floor) with a continuous slope: exact from 2 · floor on, never below the floor."""
    if value >= 2.0 * floor:
        return value
    if value <= 0.0:
        return floor
    return floor + value * value / (4.0 * floor)


@njit(cache=True, nogil=True)
def add_resized(first, last, texel, size, planes, out):  # type: ignore[no-untyped-def]
    """Add planes (C, h, w), enlarged to size × size as by ``resize_bilinear``, to out (T, C) at some texels."""
    channels, h, w = planes.shape
    fy, fx = h / size, w / size
    for n in range(first, last):
        y = min(max((texel[n] // size + 0.5) * fy - 0.5, 0.0), h - 1.0)
        x = min(max((texel[n] % size + 0.5) * fx - 0.5, 0.0), w - 1.0)
        y0, x0 = int(y), int(x)
        y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
        ty, tx = np.float32(y - y0), np.float32(x - x0)
        for c in range(channels):
            left = planes[c, y0, x0] + (planes[c, y1, x0] - planes[c, y0, x0]) * ty
            right = planes[c, y0, x1] + (planes[c, y1, x1] - planes[c, y0, x1]) * ty
            out[n, c] += left + (right - left) * tx


@njit(cache=True, nogil=True)
def chamfer(seed, distance):  # type: ignore[no-untyped-def]
    """Distance in pixels to the nearest seed by two passes of the 3-4 chamfer (error below 6 %)."""
    h, w = seed.shape
    far = np.float32(1e6)
    a, b = np.float32(1.0), np.float32(1.4142135)
    for i in range(h):
        for j in range(w):
            d = np.float32(0.0) if seed[i, j] else far
            if i > 0:
                d = min(d, distance[i - 1, j] + a)
                if j > 0:
                    d = min(d, distance[i - 1, j - 1] + b)
                if j < w - 1:
                    d = min(d, distance[i - 1, j + 1] + b)
            if j > 0:
                d = min(d, distance[i, j - 1] + a)
            distance[i, j] = d
    for i in range(h - 1, -1, -1):
        for j in range(w - 1, -1, -1):
            d = distance[i, j]
            if i < h - 1:
                d = min(d, distance[i + 1, j] + a)
                if j > 0:
                    d = min(d, distance[i + 1, j - 1] + b)
                if j < w - 1:
                    d = min(d, distance[i + 1, j + 1] + b)
            if j < w - 1:
                d = min(d, distance[i, j + 1] + a)
            distance[i, j] = d


@njit(cache=True, nogil=True)
def splat(triangle, barycentric, triangles, weight, values, total, sums):  # type: ignore[no-untyped-def]
    """Weighted sums of pixel values at the corners of the triangles that the pixels see."""
    for p in range(triangle.shape[0]):
        t = triangle[p]
        w = weight[p]
        if t < 0 or w <= 0.0:
            continue
        for k in range(3):
            v = triangles[t, k]
            share = w * barycentric[p, k]
            total[v] += share
            for c in range(values.shape[1]):
                sums[v, c] += share * values[p, c]


@njit(cache=True, nogil=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})
def sample_texels(  # type: ignore[no-untyped-def]
    first, last, triangle, barycentric, triangles, kind, uv_area, points, normals, intrinsics,
    photo, weight, depth, light, log_shade, floor, colour, quality, resolution,
):  # fmt: skip
    """Photo colour over shading at surface points, weight × visibility × angle, and pixels per texel."""
    focal, cx, cy = intrinsics[0], intrinsics[1], intrinsics[2]
    h, w = depth.shape
    for n in range(first, last):
        quality[n] = 0.0
        resolution[n] = 0.0
        colour[n, 0] = colour[n, 1] = colour[n, 2] = 0.0
        t = triangle[n]
        if t < 0 or kind[t] == 0 or kind[t] > 2:
            continue
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        a, b, c = barycentric[n, 0], barycentric[n, 1], barycentric[n, 2]
        px = a * points[i, 0] + b * points[j, 0] + c * points[k, 0]
        py = a * points[i, 1] + b * points[j, 1] + c * points[k, 1]
        pz = a * points[i, 2] + b * points[j, 2] + c * points[k, 2]
        if pz > -1.0:
            continue
        u = cx - focal * px / pz
        v = cy + focal * py / pz
        if not (u >= 0.0 and v >= 0.0 and u <= w - 1.0 and v <= h - 1.0):
            continue
        x = a * normals[i, 0] + b * normals[j, 0] + c * normals[k, 0]
        y = a * normals[i, 1] + b * normals[j, 1] + c * normals[k, 1]
        z = a * normals[i, 2] + b * normals[j, 2] + c * normals[k, 2]
        inverse = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-20)
        x, y, z = x * inverse, y * inverse, z * inverse
        cosine = -(x * px + y * py + z * pz) / np.sqrt(px * px + py * py + pz * pz)
        if cosine <= 0.1:
            continue
        u0, v0 = min(int(u), w - 2), min(int(v), h - 2)
        fu, fv = u - u0, v - v0
        tolerance = 1.0 + 1.5 * (-pz / focal) / cosine
        closest = np.inf
        for dv in range(2):
            for du in range(2):
                closest = min(closest, abs(depth[v0 + dv, u0 + du] + pz))
        if closest > tolerance:
            continue
        s00, s01 = (1 - fu) * (1 - fv), fu * (1 - fv)
        s10, s11 = (1 - fu) * fv, fu * fv
        # A pixel counts by its weight, so one of weight 0 cannot bleed into its neighbours.
        s00 *= weight[v0, u0]
        s01 *= weight[v0, u0 + 1]
        s10 *= weight[v0 + 1, u0]
        s11 *= weight[v0 + 1, u0 + 1]
        q = s00 + s01 + s10 + s11
        if q <= 1e-4:
            continue
        quality[n] = q * min(1.0, (cosine - 0.1) / 0.6)
        ux, uy = -focal / pz, focal / pz
        e1x = ux * (points[j, 0] - points[i, 0]) + (points[j, 2] - points[i, 2]) * ux * px / -pz
        e1y = uy * (points[j, 1] - points[i, 1]) + (points[j, 2] - points[i, 2]) * uy * py / -pz
        e2x = ux * (points[k, 0] - points[i, 0]) + (points[k, 2] - points[i, 2]) * ux * px / -pz
        e2y = uy * (points[k, 1] - points[i, 1]) + (points[k, 2] - points[i, 2]) * uy * py / -pz
        resolution[n] = np.sqrt(0.5 * abs(e1x * e2y - e1y * e2x) / max(uv_area[t], 1e-6))
        for ch in range(3):
            value = (
                s00 * photo[v0, u0, ch]
                + s01 * photo[v0, u0 + 1, ch]
                + s10 * photo[v0 + 1, u0, ch]
                + s11 * photo[v0 + 1, u0 + 1, ch]
            )
            shade = smooth_max(shading_at(x, y, z, light, ch), floor[ch])
            shade *= np.exp(a * log_shade[i, ch] + b * log_shade[j, ch] + c * log_shade[k, ch])
            colour[n, ch] = value / (q * shade)
