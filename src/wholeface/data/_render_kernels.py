"""Numba kernels of the synthetic faces: sums of modes, shading of vertices, and one fused pass over the pixels.

All run in one thread and add in a fixed order, so that a sample is the same to the last bit in every process.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from ..render.lighting import C0, C1, C2, C20, C22

__all__ = ["add_modes", "paint_pixels", "pick_depths", "shade_vertices", "vertex_normals_into"]

_BLOCK = 2048
_NECK, _CLOTH = 17, 18


@njit(cache=True, nogil=True)
def add_modes(basis: Any, weights: Any, out: Any) -> None:
    """out[i] += Σ_k weights[k] · basis[k, i] in float32, block by block; zero weights cost nothing."""
    count = basis.shape[1]
    zero = np.float32(0.0)
    used = np.flatnonzero(weights)
    padded = np.empty(4, np.float32)
    for start in range(0, count, _BLOCK):
        stop = min(count, start + _BLOCK)
        target = out[start:stop]
        for first in range(0, len(used), 4):
            for k in range(4):
                padded[k] = weights[used[first + k]] if first + k < len(used) else zero
            last = len(used) - 1
            row0 = basis[used[first], start:stop]
            row1 = basis[used[min(first + 1, last)], start:stop]
            row2 = basis[used[min(first + 2, last)], start:stop]
            row3 = basis[used[min(first + 3, last)], start:stop]
            w0, w1, w2, w3 = padded[0], padded[1], padded[2], padded[3]
            for i in range(len(target)):
                target[i] += (w0 * np.float32(row0[i]) + w1 * np.float32(row1[i])) + (
                    w2 * np.float32(row2[i]) + w3 * np.float32(row3[i])
                )


@njit(cache=True, nogil=True)
def vertex_normals_into(points: Any, triangles: Any, out: Any) -> None:
    """out[v] = unit normal (V, 3), area-weighted."""
    out[:] = 0.0
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = points[i, 0], points[i, 1], points[i, 2]
        bx, by, bz = points[j, 0] - ax, points[j, 1] - ay, points[j, 2] - az
        cx, cy, cz = points[k, 0] - ax, points[k, 1] - ay, points[k, 2] - az
        x, y, z = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
        for v in (i, j, k):
            out[v, 0] += x
            out[v, 1] += y
            out[v, 2] += z
    for v in range(out.shape[0]):
        length = math.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2)
        if length > 0.0:
            scale = np.float32(1.0 / length)
            out[v, 0] *= scale
            out[v, 1] *= scale
            out[v, 2] *= scale


@njit(cache=True, nogil=True)
def shade_vertices(
    points: Any,
    normals: Any,
    lights: Any,
    factors: Any,
    lamps: Any,
    lamp_colours: Any,
    exponent: Any,
    gloss: Any,
    irradiance: Any,
    specular: Any,
) -> None:
    """Irradiance and Blinn-Phong highlights at the vertices.

    irradiance[v] = Σ_l factors[l, v] · Φ(n_v) · lights[l]; specular[v] = Σ_l gloss[v] · factors[l + 1, v] ·
    lamp_colours[l] · (n · h)^exponent, with a Fresnel-like gain at grazing view.
    """
    phi = np.empty(9, np.float32)
    for v in range(points.shape[0]):
        x, y, z = normals[v, 0], normals[v, 1], normals[v, 2]
        phi[0] = C0
        phi[1] = C1 * y
        phi[2] = C1 * z
        phi[3] = C1 * x
        phi[4] = C2 * x * y
        phi[5] = C2 * y * z
        phi[6] = C20 * (3 * z * z - 1)
        phi[7] = C2 * x * z
        phi[8] = C22 * (x * x - y * y)
        for c in range(3):
            total = np.float32(0.0)
            for s in range(lights.shape[0]):
                part = np.float32(0.0)
                for b in range(9):
                    part += phi[b] * lights[s, b, c]
                total += factors[s, v] * part
            irradiance[v, c] = total
            specular[v, c] = 0.0
        if gloss[v] <= 0.0:
            continue
        ex, ey, ez = -points[v, 0], -points[v, 1], -points[v, 2]
        scale = 1.0 / math.sqrt(ex * ex + ey * ey + ez * ez)
        ex, ey, ez = ex * scale, ey * scale, ez * scale
        facing = ex * x + ey * y + ez * z
        if facing <= 0.0:
            continue
        gain = gloss[v] * (1.0 + 3.0 * (1.0 - facing) ** 3)
        for s in range(lamps.shape[0]):
            hx, hy, hz = ex + lamps[s, 0], ey + lamps[s, 1], ez + lamps[s, 2]
            length = math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
            dot = (hx * x + hy * y + hz * z) / length
            if dot > 0.0:
                lobe = gain * factors[s + 1, v] * dot ** exponent[v]
                for c in range(3):
                    specular[v, c] += np.float32(lobe * lamp_colours[s, c])


@njit(cache=True, nogil=True)
def pick_depths(best: Any, points: Any, out: Any) -> None:
    """out[p] = smallest inverse depth of the four pixels around points[p] (x, y); −1 outside the picture."""
    height, width = best.shape
    for p in range(points.shape[0]):
        x, y = points[p, 0], points[p, 1]
        out[p] = -1.0
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            continue
        column, row = math.floor(x), math.floor(y)
        least = np.inf
        for down in range(2):
            for right in range(2):
                r = min(max(row + down, 0), height - 1)
                c = min(max(column + right, 0), width - 1)
                least = min(least, best[r, c])
        out[p] = least


@njit(forceinline=True)
def _fetch_into(texture: Any, u: Any, v: Any, rgb: Any) -> None:
    """rgb += bilinear sample of (H, W, 3) at pixel coordinates, clamped to the border."""
    height, width = texture.shape[0], texture.shape[1]
    u = min(max(u, np.float32(0.0)), np.float32(width - 1.001))
    v = min(max(v, np.float32(0.0)), np.float32(height - 1.001))
    column, row = np.uint64(u), np.uint64(v)
    a, b = u - np.float32(column), v - np.float32(row)
    one = np.float32(1.0)
    w00, w01, w10, w11 = (one - b) * (one - a), (one - b) * a, b * (one - a), b * a
    right, below = column + np.uint64(1), row + np.uint64(1)
    for c in range(3):
        rgb[c] += (w00 * texture[row, column, c] + w01 * texture[row, right, c]) + (
            w10 * texture[below, column, c] + w11 * texture[below, right, c]
        )


@njit(forceinline=True)
def _fetch_tile(tile: Any, u: Any, v: Any) -> Any:
    """Bilinear sample of a periodic (T, T) tile with T a power of two."""
    mask = tile.shape[0] - 1
    column, row = math.floor(u), math.floor(v)
    a, b = np.float32(u - column), np.float32(v - row)
    c0, c1, r0, r1 = column & mask, (column + 1) & mask, row & mask, (row + 1) & mask
    one = np.float32(1.0)
    return (one - b) * ((one - a) * tile[r0, c0] + a * tile[r0, c1]) + b * (
        (one - a) * tile[r1, c0] + a * tile[r1, c1]
    )


@njit(forceinline=True)
def _weights(t: Any, px: Any, py: Any, xy: Any, inverse: Any, triangles: Any, w: Any) -> Any:
    """Perspective-correct barycentrics of triangle t at the grid point (px, py), clamped; returns depth."""
    i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    xi, yi = float(xy[i, 0]), float(xy[i, 1])
    xj, yj = float(xy[j, 0]), float(xy[j, 1])
    xk, yk = float(xy[k, 0]), float(xy[k, 1])
    area = (xj - xi) * (yk - yi) - (yj - yi) * (xk - xi)
    w0 = ((xk - xj) * (py - yj) - (yk - yj) * (px - xj)) / area
    w1 = ((xi - xk) * (py - yk) - (yi - yk) * (px - xk)) / area
    w2 = ((xj - xi) * (py - yi) - (yj - yi) * (px - xi)) / area
    w0, w1, w2 = max(w0, 0.0) * inverse[i], max(w1, 0.0) * inverse[j], max(w2, 0.0) * inverse[k]
    total = w0 + w1 + w2
    w[0], w[1], w[2] = np.float32(w0 / total), np.float32(w1 / total), np.float32(w2 / total)
    flat = max((w0 / inverse[i]) + (w1 / inverse[j]) + (w2 / inverse[k]), 1e-12)
    return flat / total


@njit(forceinline=True)
def _label(t: Any, w: Any, triangles: Any, classes: Any) -> Any:
    """The class with the largest share of the barycentric weight."""
    c0, c1, c2 = classes[triangles[t, 0]], classes[triangles[t, 1]], classes[triangles[t, 2]]
    if c0 == c1 and c1 == c2:
        return c0
    s0 = w[0] + (w[1] if c1 == c0 else 0.0) + (w[2] if c2 == c0 else 0.0)
    s1 = w[1] + (w[2] if c2 == c1 else 0.0)
    if s0 >= s1 and s0 >= w[2]:
        return c0
    return c1 if s1 >= w[2] else c2


@njit(forceinline=True)
def _colour(
    t: Any,
    w: Any,
    triangles: Any,
    uv_triangles: Any,
    uv: Any,
    attributes: Any,
    mean: Any,
    offset: Any,
    skin_tile: Any,
    hair_tile: Any,
    tiling: Any,
    exponential: Any,
    density: Any,
    rgb: Any,
) -> None:
    """rgb += linear-light colour of one fragment.

    Attributes per vertex: irradiance (3), specular (3), log tint (3), amplitudes of skin and hair noise (2).
    ``exponential`` tabulates exp over [−8, 2) in 4096 steps.
    """
    i, j, k = np.uint64(triangles[t, 0]), np.uint64(triangles[t, 1]), np.uint64(triangles[t, 2])
    a, b, c = np.uint64(uv_triangles[t, 0]), np.uint64(uv_triangles[t, 1]), np.uint64(uv_triangles[t, 2])
    w0, w1, w2 = w[0], w[1], w[2]
    u = w0 * uv[a, 0] + w1 * uv[b, 0] + w2 * uv[c, 0]
    v = np.float32(1.0) - (w0 * uv[a, 1] + w1 * uv[b, 1] + w2 * uv[c, 1])
    half = np.float32(0.5)
    um, vm = u * np.float32(mean.shape[1]) - half, v * np.float32(mean.shape[0]) - half
    uo, vo = u * np.float32(offset.shape[1]) - half, v * np.float32(offset.shape[0]) - half
    skin = w0 * attributes[i, 9] + w1 * attributes[j, 9] + w2 * attributes[k, 9]
    hair = w0 * attributes[i, 10] + w1 * attributes[j, 10] + w2 * attributes[k, 10]
    noise, shine = np.float32(0.0), np.float32(1.0)
    if skin > 0.0:
        value = _fetch_tile(skin_tile, u * tiling[0] + tiling[1], v * tiling[0] + tiling[2])
        noise += skin * value
        shine += np.float32(4.0) * skin * value
    if hair > 0.0:
        noise += hair * _fetch_tile(hair_tile, u * tiling[3] + tiling[4], v * tiling[3] + tiling[5])
    for channel in range(3):
        density[channel] = (
            w0 * attributes[i, 6 + channel]
            + w1 * attributes[j, 6 + channel]
            + w2 * attributes[k, 6 + channel]
        ) + noise * tiling[6 + channel]
    _fetch_into(mean, um, vm, density)
    _fetch_into(offset, uo, vo, density)
    for channel in range(3):
        place = min(
            max((density[channel] + np.float32(8.0)) * np.float32(409.6), np.float32(0.0)), np.float32(4094.0)
        )
        left = int(place)
        rest = place - np.float32(left)
        albedo = exponential[left] + rest * (exponential[left + 1] - exponential[left])
        light = w0 * attributes[i, channel] + w1 * attributes[j, channel] + w2 * attributes[k, channel]
        gleam = (
            w0 * attributes[i, 3 + channel]
            + w1 * attributes[j, 3 + channel]
            + w2 * attributes[k, 3 + channel]
        )
        rgb[channel] += albedo * max(light, np.float32(0.0)) + gleam * max(shine, np.float32(0.0))


@njit(forceinline=True)
def _middle(pixel: Any) -> Any:
    """Grid coordinate of the middle of the 2×2 samples that start at ``pixel``."""
    return pixel * 256.0 + 128.0


@njit(cache=True, nogil=True)
def paint_pixels(
    winner: Any,
    best: Any,
    xy: Any,
    inverse: Any,
    triangles: Any,
    uv_triangles: Any,
    uv: Any,
    attributes: Any,
    classes: Any,
    parts: Any,
    in_face: Any,
    mean: Any,
    offset: Any,
    skin_tile: Any,
    hair_tile: Any,
    tiling: Any,
    exponential: Any,
    decoding: Any,
    encoding: Any,
    shade: Any,
    background: Any,
    cloth: Any,
    cloth_colour: Any,
    cloth_class: Any,
    normals: Any,
    image: Any,
    parsing: Any,
    face: Any,
    depth_out: Any,
    normals_out: Any,
) -> None:
    """Picture and labels at half the raster's resolution.

    A pixel whose four samples show one continuous surface is shaded once, at its centre; all others are shaded
    four times and averaged in linear light. ``cloth`` (S, S) uint8 coverage lies over the background and the
    neck, never over the face. ``encoding`` tabulates the tone curve over [0, 4) in 16384 steps; ``shade`` (S, S)
    scales the light that falls on the head.
    """
    size = image.shape[0]
    w = np.empty(3, np.float32)
    rgb = np.empty(3, np.float32)
    sample = np.empty(3, np.float32)
    votes = np.empty(4, np.int64)
    density = np.empty(3, np.float32)
    quarter = np.float32(0.25)
    for row in range(size):
        for column in range(size):
            r, c = 2 * row, 2 * column
            t0, t1, t2, t3 = winner[r, c], winner[r, c + 1], winner[r + 1, c], winner[r + 1, c + 1]
            for channel in range(3):
                rgb[channel] = 0.0
            if depth_out.shape[0] > 0:
                depth_out[row, column] = np.inf
            cover = np.float32(cloth[row, column]) * np.float32(1.0 / 255.0)
            label, inside = 0, 0
            if t0 < 0 and t1 < 0 and t2 < 0 and t3 < 0:
                for channel in range(3):
                    under = decoding[background[row, column, channel]]
                    rgb[channel] = under + cover * (decoding[cloth_colour[row, column, channel]] - under)
                label = cloth_class[row, column] if cover > 0.5 else 0
            else:
                whole = t0 >= 0 and t1 >= 0 and t2 >= 0 and t3 >= 0
                if whole:
                    part = parts[t0]
                    near = max(best[r, c], best[r, c + 1], best[r + 1, c], best[r + 1, c + 1])
                    far = min(best[r, c], best[r, c + 1], best[r + 1, c], best[r + 1, c + 1])
                    whole = parts[t1] == part and parts[t2] == part and parts[t3] == part
                    whole = whole and (near - far) < np.float32(3.0) * near * far
                if whole:
                    depth = _weights(t0, _middle(c), _middle(r), xy, inverse, triangles, w)
                    label = int(_label(t0, w, triangles, classes))
                    inside = int(_label(t0, w, triangles, in_face)) * 4
                    if cover < 1.0 or label != _NECK:
                        _colour(
                            t0, w, triangles, uv_triangles, uv, attributes, mean, offset,
                            skin_tile, hair_tile, tiling, exponential, density, rgb,
                        )  # fmt: skip
                        for channel in range(3):
                            rgb[channel] *= shade[row, column]
                    if label == _NECK and cover > 0.0:
                        for channel in range(3):
                            over = decoding[cloth_colour[row, column, channel]]
                            rgb[channel] += cover * (over - rgb[channel])
                        if cover > 0.5:
                            label = cloth_class[row, column]
                    if depth_out.shape[0] > 0:
                        depth_out[row, column] = depth
                        for channel in range(3):
                            normals_out[row, column, channel] = (
                                w[0] * normals[triangles[t0, 0], channel]
                                + w[1] * normals[triangles[t0, 1], channel]
                                + w[2] * normals[triangles[t0, 2], channel]
                            )
                else:
                    for s in range(4):
                        rr, cc = r + s // 2, c + s % 2
                        t = winner[rr, cc]
                        found = 0
                        if t >= 0:
                            depth = _weights(t, float(cc * 256), float(rr * 256), xy, inverse, triangles, w)
                            found = int(_label(t, w, triangles, classes))
                            inside += int(_label(t, w, triangles, in_face))
                            for channel in range(3):
                                sample[channel] = 0.0
                            _colour(
                                t, w, triangles, uv_triangles, uv, attributes, mean, offset,
                                skin_tile, hair_tile, tiling, exponential, density, sample,
                            )  # fmt: skip
                            for channel in range(3):
                                sample[channel] *= shade[row, column]
                            if depth_out.shape[0] > 0 and depth < depth_out[row, column]:
                                depth_out[row, column] = depth
                                for channel in range(3):
                                    normals_out[row, column, channel] = (
                                        w[0] * normals[triangles[t, 0], channel]
                                        + w[1] * normals[triangles[t, 1], channel]
                                        + w[2] * normals[triangles[t, 2], channel]
                                    )
                        else:
                            for channel in range(3):
                                sample[channel] = decoding[background[row, column, channel]]
                        if (t < 0 or found == _NECK) and cover > 0.0:
                            for channel in range(3):
                                over = decoding[cloth_colour[row, column, channel]]
                                sample[channel] += cover * (over - sample[channel])
                            if cover > 0.5:
                                found = int(cloth_class[row, column])
                        votes[s] = found
                        for channel in range(3):
                            rgb[channel] += quarter * min(sample[channel], np.float32(4.0))
                    most = 0
                    for s in range(4):
                        same = 0
                        for o in range(4):
                            if votes[o] == votes[s]:
                                same += 1
                        if same > most:
                            most, label = same, votes[s]
            parsing[row, column] = label
            face[row, column] = inside >= 2
            for channel in range(3):
                place = min(max(rgb[channel] * np.float32(4096.0), np.float32(0.0)), np.float32(16383.0))
                image[row, column, channel] = encoding[int(place)]
