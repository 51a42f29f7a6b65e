"""Loops over triangles and samples behind the photometric objective."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....core.jit import njit

__all__ = ["normal_modes", "normal_sums", "reduce_visible", "sample_rows", "spline_colours"]


@njit(cache=True, nogil=True)
def normal_sums(shape: Any, triangles: Any, sums: Any) -> None:
    """sums[v] = Σ_{t ∋ v} (b − a) × (c − a); (V, 3)."""
    sums[:] = 0.0
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = shape[j, 0] - shape[i, 0], shape[j, 1] - shape[i, 1], shape[j, 2] - shape[i, 2]
        bx, by, bz = shape[k, 0] - shape[i, 0], shape[k, 1] - shape[i, 1], shape[k, 2] - shape[i, 2]
        x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for corner in range(3):
            v = triangles[t, corner]
            sums[v, 0] += x
            sums[v, 1] += y
            sums[v, 2] += z


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def normal_modes(shape: Any, triangles: Any, modes: Any, unit: Any, length: Any, change: Any) -> None:
    """Derivatives (V, 3, K) of unit vertex normals by shape modes (V, 3, K); unit (V, 3), length (V,) of the sums."""
    size = modes.shape[2]
    change[:] = 0.0
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax = np.float32(shape[j, 0] - shape[i, 0])
        ay = np.float32(shape[j, 1] - shape[i, 1])
        az = np.float32(shape[j, 2] - shape[i, 2])
        bx = np.float32(shape[k, 0] - shape[i, 0])
        by = np.float32(shape[k, 1] - shape[i, 1])
        bz = np.float32(shape[k, 2] - shape[i, 2])
        for m in range(size):
            px, py, pz = (
                modes[j, 0, m] - modes[i, 0, m],
                modes[j, 1, m] - modes[i, 1, m],
                modes[j, 2, m] - modes[i, 2, m],
            )
            qx, qy, qz = (
                modes[k, 0, m] - modes[i, 0, m],
                modes[k, 1, m] - modes[i, 1, m],
                modes[k, 2, m] - modes[i, 2, m],
            )
            # p × b + a × q
            x = py * bz - pz * by + ay * qz - az * qy
            y = pz * bx - px * bz + az * qx - ax * qz
            z = px * by - py * bx + ax * qy - ay * qx
            change[i, 0, m] += x
            change[i, 1, m] += y
            change[i, 2, m] += z
            change[j, 0, m] += x
            change[j, 1, m] += y
            change[j, 2, m] += z
            change[k, 0, m] += x
            change[k, 1, m] += y
            change[k, 2, m] += z
    for v in range(unit.shape[0]):
        x, y, z = np.float32(unit[v, 0]), np.float32(unit[v, 1]), np.float32(unit[v, 2])
        scale = np.float32(1.0 / length[v])
        for m in range(size):
            cx, cy, cz = change[v, 0, m] * scale, change[v, 1, m] * scale, change[v, 2, m] * scale
            along = x * cx + y * cy + z * cz
            change[v, 0, m] = cx - x * along
            change[v, 1, m] = cy - y * along
            change[v, 2, m] = cz - z * along


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def sample_rows(
    corners: Any,
    barycentric: Any,
    albedo_modes: Any,
    albedo_slope: Any,
    shading: Any,
    tangent: Any,
    normal_change: Any,
    modes: Any,
    by_point: Any,
    albedo_start: Any,
    shape_start: Any,
    rows: Any,
) -> None:
    """Columns of albedo and shape in the Jacobian ``rows`` (P, 3, n).

    albedo: shading[p, c] Σ_j b_pj slope[j, c] albedo_modes[j, c, k]; shape: tangent[p, c] · Σ_j b_pj normal_change[j]
    − by_point[p, c] · Σ_j b_pj modes[j].
    """
    albedos, shapes = albedo_modes.shape[2], modes.shape[2]
    normal = np.empty((3, shapes), np.float32)
    point = np.empty((3, shapes), np.float32)
    for p in range(corners.shape[0]):
        i, j, k = corners[p, 0], corners[p, 1], corners[p, 2]
        a, b, c = np.float32(barycentric[p, 0]), np.float32(barycentric[p, 1]), np.float32(barycentric[p, 2])
        for ch in range(3):
            shade = np.float32(shading[p, ch])
            wa = a * np.float32(albedo_slope[i, ch]) * shade
            wb = b * np.float32(albedo_slope[j, ch]) * shade
            wc = c * np.float32(albedo_slope[k, ch]) * shade
            for m in range(albedos):
                rows[p, ch, albedo_start + m] = (
                    wa * albedo_modes[i, ch, m] + wb * albedo_modes[j, ch, m] + wc * albedo_modes[k, ch, m]
                )
        for x in range(3):
            for m in range(shapes):
                normal[x, m] = (
                    a * normal_change[i, x, m] + b * normal_change[j, x, m] + c * normal_change[k, x, m]
                )
                point[x, m] = a * modes[i, x, m] + b * modes[j, x, m] + c * modes[k, x, m]
        for ch in range(3):
            tx, ty, tz = (
                np.float32(tangent[p, ch, 0]),
                np.float32(tangent[p, ch, 1]),
                np.float32(tangent[p, ch, 2]),
            )
            sx, sy, sz = (
                np.float32(by_point[p, ch, 0]),
                np.float32(by_point[p, ch, 1]),
                np.float32(by_point[p, ch, 2]),
            )
            for m in range(shapes):
                rows[p, ch, shape_start + m] = (
                    tx * normal[0, m]
                    + ty * normal[1, m]
                    + tz * normal[2, m]
                    - (sx * point[0, m] + sy * point[1, m] + sz * point[2, m])
                )


@njit(cache=True, nogil=True)
def spline_colours(image: Any, points: Any, colour: Any, slope: Any) -> None:
    """Quadratic B-spline of image (h, w, 3) at points (P, 2): colour (P, 3) and its slope (P, 3, 2)."""
    height, width = image.shape[0], image.shape[1]
    wu, wv, du, dv = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    for p in range(points.shape[0]):
        u = min(max(points[p, 0], 1.0), width - 2.0)
        v = min(max(points[p, 1], 1.0), height - 2.0)
        column, row = int(np.rint(u)), int(np.rint(v))
        s, t = u - column, v - row
        wu[0], wu[1], wu[2] = 0.5 * (0.5 - s) ** 2, 0.75 - s**2, 0.5 * (0.5 + s) ** 2
        wv[0], wv[1], wv[2] = 0.5 * (0.5 - t) ** 2, 0.75 - t**2, 0.5 * (0.5 + t) ** 2
        du[0], du[1], du[2] = s - 0.5, -2 * s, s + 0.5
        dv[0], dv[1], dv[2] = t - 0.5, -2 * t, t + 0.5
        for c in range(3):
            value, along_u, along_v = 0.0, 0.0, 0.0
            for j in range(3):
                for i in range(3):
                    taken = image[row + j - 1, column + i - 1, c]
                    value += taken * wu[i] * wv[j]
                    along_u += taken * du[i] * wv[j]
                    along_v += taken * wu[i] * dv[j]
            colour[p, c] = value
            slope[p, c, 0] = along_u
            slope[p, c, 1] = along_v


@njit(cache=True, nogil=True)
def reduce_visible(
    pixels: Any, visible: Any, table: Any, left: Any, top: Any, step: Any, planes: Any
) -> None:
    """Means over blocks of step × step pixels: linear colours of visible pixels (others 0), and their share.

    Block (0, 0) of planes (4, h, w) begins ``left`` and ``top`` pixels before the pixels; beyond them all is 0.
    """
    planes[:] = 0.0
    for row in range(pixels.shape[0]):
        y = (row + top) // step
        for column in range(pixels.shape[1]):
            if visible[row, column]:
                x = (column + left) // step
                planes[0, y, x] += table[pixels[row, column, 0]]
                planes[1, y, x] += table[pixels[row, column, 1]]
                planes[2, y, x] += table[pixels[row, column, 2]]
                planes[3, y, x] += 1.0
    planes /= step * step
