"""One pass from what the rasteriser found to the pixels of a preview."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.jit import njit
from ..core.spherical_harmonics import C0, C1, C2, C20, C22

__all__ = ["draw_rows"]


@njit(cache=True, nogil=True, inline="always")
def _neighbours(share, edge):  # type: ignore[no-untyped-def]
    """The two texels around a coordinate in [0, 1], and how far it lies from the first towards the second."""
    place = share * edge - np.float32(0.5)
    place = min(max(place, np.float32(0.0)), np.float32(edge - 1))
    first = int(place)
    return first, min(first + 1, edge - 1), place - np.float32(first)


@njit(cache=True, nogil=True)
def draw_rows(
    start: Any,
    stop: Any,
    winner: Any,
    bary: Any,
    triangles: Any,
    normals: Any,
    light: Any,
    colours: Any,
    uv: Any,
    uv_triangles: Any,
    texture: Any,
    normal_map: Any,
    tangents: Any,
    tangent_triangles: Any,
    decoding: Any,
    backdrop: Any,
    encoding: Any,
    image: Any,
) -> None:
    """Rows ``start`` to ``stop`` of an image: shaded samples, averaged in linear light over a backdrop.

    Reads winner (kH, kW), bary (kH, kW, 3), normals (V, 3), light (9, 3), either colours (V, 3) or, where
    ``texture`` (S, S, 3) uint8 is not empty, uv (U, 2) with uv_triangles (F, 3) and decoding (256,); where
    ``normal_map`` (S', S', 3) uint8 is not empty, the same uv, and tangents (N, 4) with tangent_triangles (F, 3);
    backdrop (H, W, 3) linear; encoding (65536,) uint8. Writes image (H, W, 3). k follows from the shapes.
    """
    k = winner.shape[0] // image.shape[0]
    share = np.float32(1.0 / (k * k))
    edge_v, edge_u = texture.shape[0], texture.shape[1]
    bump_v, bump_u = normal_map.shape[0], normal_map.shape[1]
    u = v = np.float32(0.0)
    one, nil = np.float32(1.0), np.float32(0.0)
    scaled = np.empty((9, 3), np.float32)
    for b in range(9):
        factor = C0 if b == 0 else C1 if b < 4 else C20 if b == 6 else C22 if b == 8 else C2
        for c in range(3):
            scaled[b, c] = factor * light[b, c]
    albedo = np.empty(3, np.float32)
    bump = np.empty(3, np.float32)
    total = np.empty(3, np.float32)
    for row in range(start, stop):
        for column in range(image.shape[1]):
            total[:] = nil
            covered = nil
            for dy in range(k):
                for dx in range(k):
                    y0, x0 = row * k + dy, column * k + dx
                    t = winner[y0, x0]
                    if t < 0:
                        continue
                    covered += share
                    b0, b1, b2 = bary[y0, x0, 0], bary[y0, x0, 1], bary[y0, x0, 2]
                    i, j, m = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                    if edge_v > 0 or bump_v > 0:
                        p, q, r = uv_triangles[t, 0], uv_triangles[t, 1], uv_triangles[t, 2]
                        u = b0 * uv[p, 0] + b1 * uv[q, 0] + b2 * uv[r, 0]
                        v = one - (b0 * uv[p, 1] + b1 * uv[q, 1] + b2 * uv[r, 1])
                    if edge_v > 0:
                        left, right, fu = _neighbours(u, edge_u)
                        top, bottom, fv = _neighbours(v, edge_v)
                        for c in range(3):
                            above = (one - fu) * decoding[texture[top, left, c]]
                            above += fu * decoding[texture[top, right, c]]
                            below = (one - fu) * decoding[texture[bottom, left, c]]
                            below += fu * decoding[texture[bottom, right, c]]
                            albedo[c] = (one - fv) * above + fv * below
                    else:
                        for c in range(3):
                            albedo[c] = b0 * colours[i, c] + b1 * colours[j, c] + b2 * colours[m, c]
                    x = b0 * normals[i, 0] + b1 * normals[j, 0] + b2 * normals[m, 0]
                    y = b0 * normals[i, 1] + b1 * normals[j, 1] + b2 * normals[m, 1]
                    z = b0 * normals[i, 2] + b1 * normals[j, 2] + b2 * normals[m, 2]
                    squared = x * x + y * y + z * z
                    if squared > nil:
                        length = one / math.sqrt(squared)
                        x, y, z = x * length, y * length, z * length
                    if bump_v > 0:
                        left, right, fu = _neighbours(u, bump_u)
                        top, bottom, fv = _neighbours(v, bump_v)
                        for c in range(3):
                            above = (one - fu) * normal_map[top, left, c] + fu * normal_map[top, right, c]
                            below = (one - fu) * normal_map[bottom, left, c] + fu * normal_map[
                                bottom, right, c
                            ]
                            bump[c] = (one - fv) * above + fv * below - np.float32(127.5)
                        if (
                            abs(bump[0]) > one or abs(bump[1]) > one
                        ):  # one step: flat, as well as 8 bits can say it
                            p, q, r = (
                                tangent_triangles[t, 0],
                                tangent_triangles[t, 1],
                                tangent_triangles[t, 2],
                            )
                            tx = b0 * tangents[p, 0] + b1 * tangents[q, 0] + b2 * tangents[r, 0]
                            ty = b0 * tangents[p, 1] + b1 * tangents[q, 1] + b2 * tangents[r, 1]
                            tz = b0 * tangents[p, 2] + b1 * tangents[q, 2] + b2 * tangents[r, 2]
                            squared = tx * tx + ty * ty + tz * tz
                            along = bump[0] / math.sqrt(squared) if squared > nil else nil
                            across = bump[1] * tangents[p, 3]
                            if squared > nil:
                                across /= math.sqrt(squared)
                            bx, by, bz = y * tz - z * ty, z * tx - x * tz, x * ty - y * tx
                            x = along * tx + across * bx + bump[2] * x
                            y = along * ty + across * by + bump[2] * y
                            z = along * tz + across * bz + bump[2] * z
                            length = one / math.sqrt(max(x * x + y * y + z * z, np.float32(1e-12)))
                            x, y, z = x * length, y * length, z * length
                    for c in range(3):
                        value = albedo[c] * (
                            scaled[0, c]
                            + (scaled[1, c] * y + scaled[2, c] * z + scaled[3, c] * x)
                            + (scaled[4, c] * x * y + scaled[5, c] * y * z + scaled[7, c] * x * z)
                            + (
                                scaled[6, c] * (np.float32(3.0) * z * z - one)
                                + scaled[8, c] * (x * x - y * y)
                            )
                        )
                        total[c] += share * min(max(value, nil), one)
            for c in range(3):
                value = total[c] + (one - covered) * backdrop[row, column, c]
                index = int(min(max(value, nil), one) * np.float32(65535.0) + np.float32(0.5))
                image[row, column, c] = encoding[index]
