"""Numba kernels of the synthetic faces: sums of modes, shading of vertices, landmarks.

All run in one thread and add in a fixed order, so that a sample is the same to the last bit in every process.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....core.jit import njit
from ....core.spherical_harmonics import C0, C1, C2, C20, C22

__all__ = [
    "add_modes",
    "albedo_tiles",
    "ambient_occlusion",
    "box_middle",
    "expose",
    "mark_seen",
    "mark_tiles",
    "place_landmarks",
    "shade_vertices",
    "upright_box",
    "vertex_normals_into",
]

_BLOCK = 2048
_F = np.float32


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
def mark_seen(winner: Any, triangles: Any, seen: Any, drawn: Any) -> None:
    """Set ``drawn`` of each triangle that won a sample, and ``seen`` of its vertices."""
    previous = -1
    for row in range(winner.shape[0]):
        for column in range(winner.shape[1]):
            t = winner[row, column]
            if t != previous and t >= 0:
                drawn[t] = True
            previous = t
    for t in range(drawn.shape[0]):
        if drawn[t]:
            for corner in range(3):
                seen[triangles[t, corner]] = True


@njit(cache=True, nogil=True, fastmath={"contract"})
def shade_vertices(
    used: Any,
    points: Any,
    normals: Any,
    lights: Any,
    factors: Any,
    lamps: Any,
    lamp_colours: Any,
    regions: Any,
    mixture: Any,
    kind: Any,
    exponents: Any,
    counted: Any,
    attributes: Any,
) -> Any:
    """Light and skin of some vertices.

    With E = Σ_l factors[l, v] · Φ(n_v) · lights[l] and (tint (3), skin noise, hair noise, gloss) = regions[v] ·
    mixture, ``attributes[v]`` becomes E · exp(tint) (3), highlights (3), skin noise, hair noise. Highlights are
    Blinn-Phong, Σ_l gloss · factors[l + 1, v] · lamp_colours[l] · (n · h)^exponents[kind[v]], with a Fresnel-like
    gain at grazing view.

    Returns:
        Mean of max(E, 0) over the channels and the ``counted`` vertices that face the camera; 0 where none does.
    """
    zero, one = _F(0.0), _F(1.0)
    sources = lights.shape[0]
    total, many = 0.0, 0
    for at in range(used.shape[0]):
        v = used[at]
        x, y, z = normals[v, 0], normals[v, 1], normals[v, 2]
        p1, p2, p3 = _F(C1) * y, _F(C1) * z, _F(C1) * x
        p4, p5, p7 = _F(C2) * x * y, _F(C2) * y * z, _F(C2) * x * z
        p6, p8 = _F(C20) * (_F(3.0) * z * z - one), _F(C22) * (x * x - y * y)
        skin, hair, gloss = zero, zero, zero
        for f in range(regions.shape[1]):
            share = regions[v, f]
            if share != zero:
                skin += share * mixture[f, 3]
                hair += share * mixture[f, 4]
                gloss += share * mixture[f, 5]
        for c in range(3):
            tint = zero
            for f in range(regions.shape[1]):
                tint += regions[v, f] * mixture[f, c]
            light = zero
            for s in range(sources):
                light += factors[s, v] * (
                    (_F(C0) * lights[s, 0, c] + p1 * lights[s, 1, c] + p2 * lights[s, 2, c])
                    + (p3 * lights[s, 3, c] + p4 * lights[s, 4, c] + p5 * lights[s, 5, c])
                    + (p6 * lights[s, 6, c] + p7 * lights[s, 7, c] + p8 * lights[s, 8, c])
                )
            if counted[v] and z > _F(0.2):
                total += float(max(light, zero))
                many += 1
            attributes[v, c] = light * math.exp(tint)
            attributes[v, 3 + c] = zero
        attributes[v, 6] = skin
        attributes[v, 7] = hair
        if gloss <= zero or sources < 2:
            continue
        ex, ey, ez = -points[v, 0], -points[v, 1], -points[v, 2]
        scale = one / _F(math.sqrt(ex * ex + ey * ey + ez * ez))
        ex, ey, ez = ex * scale, ey * scale, ez * scale
        cosine = ex * x + ey * y + ez * z
        if cosine <= zero:
            continue
        aside = one - cosine
        gain = gloss * (one + _F(3.0) * aside * aside * aside)
        for s in range(sources - 1):
            hx, hy, hz = ex + lamps[s, 0], ey + lamps[s, 1], ez + lamps[s, 2]
            length = _F(math.sqrt(hx * hx + hy * hy + hz * hz)) + _F(1e-9)
            dot = (hx * x + hy * y + hz * z) / length
            if dot > zero:
                lobe = gain * factors[s + 1, v] * _F(math.exp(exponents[kind[v]] * _F(math.log(dot))))
                for c in range(3):
                    attributes[v, 3 + c] += lobe * lamp_colours[s, c]
    return total / max(many, 1)


@njit(cache=True, nogil=True)
def expose(used: Any, attributes: Any, exposure: Any) -> None:
    """Scale the light of some vertices."""
    for at in range(used.shape[0]):
        for c in range(6):
            attributes[used[at], c] *= exposure


@njit(cache=True, nogil=True)
def mark_tiles(drawn: Any, tiles_of: Any, first: Any, wanted: Any) -> None:
    """Set ``wanted`` of each tile of texels that a drawn triangle t touches: tiles_of[first[t]:first[t + 1]]."""
    for t in range(drawn.shape[0]):
        if drawn[t]:
            for at in range(first[t], first[t + 1]):
                wanted[tiles_of[at]] = True


@njit(cache=True, nogil=True, fastmath={"contract"})
def albedo_tiles(basis: Any, weights: Any, wanted: Any, edge: Any, out: Any) -> None:
    """out (s, s, 3) = Σ_k weights[c, k] · basis[·, c, k] in the wanted tiles of edge × edge texels, elsewhere 0.

    basis: (tiles, 3, A, edge²) int8, tiles and texels by rows.
    """
    across = out.shape[1] // edge
    line = np.empty(edge * edge, np.float32)
    modes = basis.shape[2]
    for tile in range(basis.shape[0]):
        row, column = tile // across * edge, tile % across * edge
        if not wanted[tile]:
            out[row : row + edge, column : column + edge] = _F(0.0)
            continue
        for c in range(3):
            line[:] = _F(0.0)
            for k in range(0, modes - 3, 4):
                w0, w1, w2, w3 = weights[c, k], weights[c, k + 1], weights[c, k + 2], weights[c, k + 3]
                row0, row1, row2, row3 = (
                    basis[tile, c, k],
                    basis[tile, c, k + 1],
                    basis[tile, c, k + 2],
                    basis[tile, c, k + 3],
                )
                for i in range(edge * edge):
                    line[i] += (w0 * _F(row0[i]) + w1 * _F(row1[i])) + (w2 * _F(row2[i]) + w3 * _F(row3[i]))
            for k in range(modes // 4 * 4, modes):
                w0, row0 = weights[c, k], basis[tile, c, k]
                for i in range(edge * edge):
                    line[i] += w0 * _F(row0[i])
            for i in range(edge):
                for j in range(edge):
                    out[row + i, column + j, c] = line[i * edge + j]


@njit(cache=True, nogil=True)
def ambient_occlusion(openness: Any, jaw: Any, power: Any, used: Any, out: Any) -> None:
    """out[v] = (openness with the mouth open by ``jaw``)^power for the used vertices."""
    for at in range(used.shape[0]):
        v = used[at]
        share = openness[0, v] + jaw * (openness[1, v] - openness[0, v])
        out[v] = max(share, 0.0) ** power


@njit(cache=True, nogil=True)
def box_middle(points: Any, index: Any) -> Any:
    """(3,) middle of the box around points[index]."""
    low, high = points[index[0]].copy(), points[index[0]].copy()
    for at in range(index.shape[0]):
        for c in range(3):
            value = points[index[at], c]
            low[c] = min(low[c], value)
            high[c] = max(high[c], value)
    return (low + high) / np.float32(2.0)


@njit(cache=True, nogil=True)
def upright_box(points: Any, index: Any, translation: Any, cosine: Any, sine: Any) -> Any:
    """Left, low, right, high of (x, y)/depth of points[index] + translation, turned back in the plane."""
    left, low, right, high = np.inf, np.inf, -np.inf, -np.inf
    for at in range(index.shape[0]):
        v = index[at]
        depth = -float(points[v, 2] + translation[2])
        x, y = float(points[v, 0] + translation[0]) / depth, float(points[v, 1] + translation[1]) / depth
        u, w = cosine * x + sine * y, cosine * y - sine * x
        left, low, right, high = min(left, u), min(low, w), max(right, u), max(high, w)
    return left, low, right, high


@njit(cache=True, nogil=True)
def place_landmarks(
    points: Any,
    normals: Any,
    corners: Any,
    weights: Any,
    focal: Any,
    cx: Any,
    cy: Any,
    best: Any,
    tolerance: Any,
    pixels: Any,
    self_visible: Any,
) -> None:
    """Pixels of points on triangles, and whether they face the camera and nothing lies before them.

    ``best`` are inverse depths at twice the resolution. A point is hidden where all four samples around it are
    nearer by more than ``tolerance``; outside the image only the direction counts, and background hides nothing.
    """
    height, width = best.shape
    for p in range(corners.shape[0]):
        towards = 0.0
        i, j, k = corners[p, 0], corners[p, 1], corners[p, 2]
        a, b, c = weights[p, 0], weights[p, 1], weights[p, 2]
        x = float(a * points[i, 0] + b * points[j, 0] + c * points[k, 0])
        y = float(a * points[i, 1] + b * points[j, 1] + c * points[k, 1])
        z = float(a * points[i, 2] + b * points[j, 2] + c * points[k, 2])
        towards -= x * (a * normals[i, 0] + b * normals[j, 0] + c * normals[k, 0])
        towards -= y * (a * normals[i, 1] + b * normals[j, 1] + c * normals[k, 1])
        towards -= z * (a * normals[i, 2] + b * normals[j, 2] + c * normals[k, 2])
        u, v = cx - focal * x / z, cy + focal * y / z
        pixels[p, 0], pixels[p, 1] = u, v
        self_visible[p] = towards > 0
        u, v = 2 * u + 0.5, 2 * v + 0.5
        if not (-0.5 <= u <= width - 0.5 and -0.5 <= v <= height - 0.5):
            continue
        column, row = math.floor(u), math.floor(v)
        least = np.inf
        for down in range(2):
            for right in range(2):
                r = min(max(row + down, 0), height - 1)
                c_ = min(max(column + right, 0), width - 1)
                least = min(least, best[r, c_])
        if least > 0 and 1.0 / max(least, 1e-9) + tolerance < -z:
            self_visible[p] = False
