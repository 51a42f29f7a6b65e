"""One pass from what the rasteriser found to the pixels of a preview."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.jit import njit
from ..core.spherical_harmonics import C0, C1, C2, C20, C22

__all__ = ["draw_rows"]


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
    decoding: Any,
    backdrop: Any,
    encoding: Any,
    image: Any,
) -> None:
    """Rows ``start`` to ``stop`` of an image: shaded samples, averaged in linear light over a backdrop.

    Reads winner (kH, kW), bary (kH, kW, 3), normals (V, 3), light (9, 3), either colours (V, 3) or, where
    ``texture`` (S, S, 3) uint8 is not empty, uv (U, 2) with uv_triangles (F, 3) and decoding (256,); backdrop
    (H, W, 3) linear; encoding (65536,) uint8. Writes image (H, W, 3). k follows from the shapes.
    """
    k = winner.shape[0] // image.shape[0]
    share = np.float32(1.0 / (k * k))
    edge_v, edge_u = texture.shape[0], texture.shape[1]
    one, nil = np.float32(1.0), np.float32(0.0)
    scaled = np.empty((9, 3), np.float32)
    for b in range(9):
        factor = C0 if b == 0 else C1 if b < 4 else C20 if b == 6 else C22 if b == 8 else C2
        for c in range(3):
            scaled[b, c] = factor * light[b, c]
    albedo = np.empty(3, np.float32)
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
                    if edge_v > 0:
                        p, q, r = uv_triangles[t, 0], uv_triangles[t, 1], uv_triangles[t, 2]
                        u = (b0 * uv[p, 0] + b1 * uv[q, 0] + b2 * uv[r, 0]) * edge_u - np.float32(0.5)
                        v = (one - (b0 * uv[p, 1] + b1 * uv[q, 1] + b2 * uv[r, 1])) * edge_v - np.float32(0.5)
                        u = min(max(u, nil), np.float32(edge_u - 1))
                        v = min(max(v, nil), np.float32(edge_v - 1))
                        left, top = int(u), int(v)
                        right, bottom = min(left + 1, edge_u - 1), min(top + 1, edge_v - 1)
                        fu, fv = u - np.float32(left), v - np.float32(top)
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
