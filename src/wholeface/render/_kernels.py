"""CPU kernels behind the differentiable steps; each has a torch twin that CUDA uses and the tests compare.

Scatters run in one thread, so that results do not depend on timing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.jit import njit
from ..core.spherical_harmonics import C0, C1, C2, C20, C22

__all__ = [
    "barycentric_backward",
    "barycentric_forward",
    "deferred_forward",
    "interpolate_backward",
    "interpolate_forward",
    "normals_backward",
    "normals_forward",
    "shade_backward",
    "shade_forward",
    "unpack_backward",
    "unpack_forward",
]

TINY = 1e-12
"""Shorter normals are left as they are (divided by this), like ``torch.nn.functional.normalize``."""
ACCEPTED_DEVIATION = 0.25
"""A barycentric weight that differs more from the rasterised one belongs to a sliver seen edge-on."""


@njit(cache=True, nogil=True)
def interpolate_forward(
    start: Any, stop: Any, attributes: Any, triangles: Any, winner: Any, image: Any, bary: Any, out: Any
) -> None:
    """out[p, c] = Σ_j bary[p, j] · attributes[image[p], triangles[winner[p], j], c]."""
    for p in range(start, stop):
        t = winner[p]
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        n = image[p]
        for c in range(attributes.shape[2]):
            out[p, c] = (
                bary[p, 0] * attributes[n, i, c]
                + bary[p, 1] * attributes[n, j, c]
                + bary[p, 2] * attributes[n, k, c]
            )


@njit(cache=True, nogil=True)
def interpolate_backward(
    attributes: Any,
    triangles: Any,
    winner: Any,
    image: Any,
    bary: Any,
    grad: Any,
    grad_attributes: Any,
    grad_bary: Any,
) -> None:
    """Adjoint of ``interpolate_forward`` in the attributes (accumulated) and the barycentrics."""
    for p in range(winner.shape[0]):
        t = winner[p]
        n = image[p]
        for corner in range(3):
            v = triangles[t, corner]
            weight = bary[p, corner]
            total = 0.0
            for c in range(attributes.shape[2]):
                grad_attributes[n, v, c] += weight * grad[p, c]
                total += attributes[n, v, c] * grad[p, c]
            grad_bary[p, corner] = total


@njit(cache=True, nogil=True)
def barycentric_forward(
    start: Any,
    stop: Any,
    points: Any,
    triangles: Any,
    winner: Any,
    image: Any,
    place: Any,
    width: Any,
    intrinsics: Any,
    raster: Any,
    out: Any,
) -> None:
    """out[p] = barycentrics of the ray through pixel p; see ``differentiable_barycentric``."""
    for p in range(start, stop):
        t = winner[p]
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        n = image[p]
        focal, cx, cy = intrinsics[n, 0], intrinsics[n, 1], intrinsics[n, 2]
        dx = (place[p] % width - cx) / focal
        dy = (cy - place[p] // width) / focal
        x0, y0 = points[n, i, 0] + points[n, i, 2] * dx, points[n, i, 1] + points[n, i, 2] * dy
        x1, y1 = points[n, j, 0] + points[n, j, 2] * dx, points[n, j, 1] + points[n, j, 2] * dy
        x2, y2 = points[n, k, 0] + points[n, k, 2] * dx, points[n, k, 1] + points[n, k, 2] * dy
        w0 = x1 * y2 - x2 * y1
        w1 = x2 * y0 - x0 * y2
        w2 = x0 * y1 - x1 * y0
        total = w0 + w1 + w2
        if total != 0.0:
            w0, w1, w2 = w0 / total, w1 / total, w2 / total
            if (
                abs(w0 - raster[p, 0]) <= ACCEPTED_DEVIATION
                and abs(w1 - raster[p, 1]) <= ACCEPTED_DEVIATION
                and abs(w2 - raster[p, 2]) <= ACCEPTED_DEVIATION
            ):
                out[p, 0], out[p, 1], out[p, 2] = w0, w1, w2
                continue
        out[p, 0], out[p, 1], out[p, 2] = raster[p, 0], raster[p, 1], raster[p, 2]


@njit(cache=True, nogil=True)
def barycentric_backward(
    points: Any,
    triangles: Any,
    winner: Any,
    image: Any,
    place: Any,
    width: Any,
    intrinsics: Any,
    raster: Any,
    grad: Any,
    grad_points: Any,
    grad_intrinsics: Any,
) -> None:
    """Adjoint of ``barycentric_forward``, accumulated; zero where rasterised weights passed through."""
    for p in range(winner.shape[0]):
        t = winner[p]
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        n = image[p]
        focal, cx, cy = intrinsics[n, 0], intrinsics[n, 1], intrinsics[n, 2]
        dx = (place[p] % width - cx) / focal
        dy = (cy - place[p] // width) / focal
        x0, y0 = points[n, i, 0] + points[n, i, 2] * dx, points[n, i, 1] + points[n, i, 2] * dy
        x1, y1 = points[n, j, 0] + points[n, j, 2] * dx, points[n, j, 1] + points[n, j, 2] * dy
        x2, y2 = points[n, k, 0] + points[n, k, 2] * dx, points[n, k, 1] + points[n, k, 2] * dy
        w0 = x1 * y2 - x2 * y1
        w1 = x2 * y0 - x0 * y2
        w2 = x0 * y1 - x1 * y0
        total = w0 + w1 + w2
        if total == 0.0:
            continue
        w0, w1, w2 = w0 / total, w1 / total, w2 / total
        if not (
            abs(w0 - raster[p, 0]) <= ACCEPTED_DEVIATION
            and abs(w1 - raster[p, 1]) <= ACCEPTED_DEVIATION
            and abs(w2 - raster[p, 2]) <= ACCEPTED_DEVIATION
        ):
            continue
        # b = w / Σw, so the gradient in w_i is (g_i − g·b) / Σw
        mean = grad[p, 0] * w0 + grad[p, 1] * w1 + grad[p, 2] * w2
        g0, g1, g2 = (grad[p, 0] - mean) / total, (grad[p, 1] - mean) / total, (grad[p, 2] - mean) / total
        gx0, gy0 = g2 * y1 - g1 * y2, g1 * x2 - g2 * x1
        gx1, gy1 = g0 * y2 - g2 * y0, g2 * x0 - g0 * x2
        gx2, gy2 = g1 * y0 - g0 * y1, g0 * x1 - g1 * x0
        grad_points[n, i, 0] += gx0
        grad_points[n, i, 1] += gy0
        grad_points[n, i, 2] += gx0 * dx + gy0 * dy
        grad_points[n, j, 0] += gx1
        grad_points[n, j, 1] += gy1
        grad_points[n, j, 2] += gx1 * dx + gy1 * dy
        grad_points[n, k, 0] += gx2
        grad_points[n, k, 1] += gy2
        grad_points[n, k, 2] += gx2 * dx + gy2 * dy
        gdx = gx0 * points[n, i, 2] + gx1 * points[n, j, 2] + gx2 * points[n, k, 2]
        gdy = gy0 * points[n, i, 2] + gy1 * points[n, j, 2] + gy2 * points[n, k, 2]
        grad_intrinsics[n, 0] -= (gdx * dx + gdy * dy) / focal
        grad_intrinsics[n, 1] -= gdx / focal
        grad_intrinsics[n, 2] += gdy / focal


@njit(cache=True, nogil=True)
def normals_forward(vertices: Any, triangles: Any, total: Any) -> None:
    """total[n, v] += (b − a) × (c − a) for every triangle (a, b, c) around v."""
    for n in range(vertices.shape[0]):
        for t in range(triangles.shape[0]):
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            ax, ay, az = vertices[n, i, 0], vertices[n, i, 1], vertices[n, i, 2]
            bx, by, bz = vertices[n, j, 0] - ax, vertices[n, j, 1] - ay, vertices[n, j, 2] - az
            cx, cy, cz = vertices[n, k, 0] - ax, vertices[n, k, 1] - ay, vertices[n, k, 2] - az
            x, y, z = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
            for v in (i, j, k):
                total[n, v, 0] += x
                total[n, v, 1] += y
                total[n, v, 2] += z


@njit(cache=True, nogil=True)
def normals_backward(vertices: Any, triangles: Any, grad: Any, grad_vertices: Any) -> None:
    """Adjoint of ``normals_forward``, accumulated."""
    for n in range(vertices.shape[0]):
        for t in range(triangles.shape[0]):
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            ax, ay, az = vertices[n, i, 0], vertices[n, i, 1], vertices[n, i, 2]
            bx, by, bz = vertices[n, j, 0] - ax, vertices[n, j, 1] - ay, vertices[n, j, 2] - az
            cx, cy, cz = vertices[n, k, 0] - ax, vertices[n, k, 1] - ay, vertices[n, k, 2] - az
            x = grad[n, i, 0] + grad[n, j, 0] + grad[n, k, 0]
            y = grad[n, i, 1] + grad[n, j, 1] + grad[n, k, 1]
            z = grad[n, i, 2] + grad[n, j, 2] + grad[n, k, 2]
            # d/db of g·(b × c) = c × g, d/dc = g × b
            dbx, dby, dbz = cy * z - cz * y, cz * x - cx * z, cx * y - cy * x
            dcx, dcy, dcz = y * bz - z * by, z * bx - x * bz, x * by - y * bx
            grad_vertices[n, j, 0] += dbx
            grad_vertices[n, j, 1] += dby
            grad_vertices[n, j, 2] += dbz
            grad_vertices[n, k, 0] += dcx
            grad_vertices[n, k, 1] += dcy
            grad_vertices[n, k, 2] += dcz
            grad_vertices[n, i, 0] -= dbx + dcx
            grad_vertices[n, i, 1] -= dby + dcy
            grad_vertices[n, i, 2] -= dbz + dcz


@njit(cache=True, nogil=True)
def shade_forward(
    start: Any, stop: Any, albedo: Any, normals: Any, light: Any, image: Any, out: Any, unit: Any
) -> None:
    """out[p, c] = albedo[p, c] · Σ_b Φ_b(unit[p]) light[image[p], b, c] with unit = normals / |normals|."""
    for p in range(start, stop):
        x, y, z = normals[p, 0], normals[p, 1], normals[p, 2]
        scale = 1.0 / max(math.sqrt(x * x + y * y + z * z), TINY)
        x, y, z = x * scale, y * scale, z * scale
        unit[p, 0], unit[p, 1], unit[p, 2] = x, y, z
        xy, yz, zz, xz, xxyy = (
            C2 * x * y,
            C2 * y * z,
            C20 * (3.0 * z * z - 1.0),
            C2 * x * z,
            C22 * (x * x - y * y),
        )
        n = image[p]
        for c in range(3):
            shading = (
                C0 * light[n, 0, c]
                + C1 * (y * light[n, 1, c] + z * light[n, 2, c] + x * light[n, 3, c])
                + (xy * light[n, 4, c] + yz * light[n, 5, c] + zz * light[n, 6, c])
                + (xz * light[n, 7, c] + xxyy * light[n, 8, c])
            )
            out[p, c] = albedo[p, c] * shading


@njit(cache=True, nogil=True)
def shade_backward(
    albedo: Any,
    normals: Any,
    light: Any,
    image: Any,
    grad: Any,
    grad_unit: Any,
    grad_albedo: Any,
    grad_normals: Any,
    grad_light: Any,
) -> None:
    """Adjoint of ``shade_forward``; ``grad_light`` (N, 9, 3) is accumulated, the others are written."""
    for p in range(albedo.shape[0]):
        x, y, z = normals[p, 0], normals[p, 1], normals[p, 2]
        scale = 1.0 / max(math.sqrt(x * x + y * y + z * z), TINY)
        x, y, z = x * scale, y * scale, z * scale
        xy, yz, zz, xz, xxyy = (
            C2 * x * y,
            C2 * y * z,
            C20 * (3.0 * z * z - 1.0),
            C2 * x * z,
            C22 * (x * x - y * y),
        )
        n = image[p]
        gx, gy, gz = float(grad_unit[p, 0]), float(grad_unit[p, 1]), float(grad_unit[p, 2])
        for c in range(3):
            l1, l2, l3, l4, l5 = (
                light[n, 1, c],
                light[n, 2, c],
                light[n, 3, c],
                light[n, 4, c],
                light[n, 5, c],
            )
            l6, l7, l8 = light[n, 6, c], light[n, 7, c], light[n, 8, c]
            shading = (
                C0 * light[n, 0, c]
                + C1 * (y * l1 + z * l2 + x * l3)
                + (xy * l4 + yz * l5 + zz * l6)
                + (xz * l7 + xxyy * l8)
            )
            grad_albedo[p, c] = grad[p, c] * shading
            g = grad[p, c] * albedo[p, c]
            grad_light[n, 0, c] += g * C0
            grad_light[n, 1, c] += g * C1 * y
            grad_light[n, 2, c] += g * C1 * z
            grad_light[n, 3, c] += g * C1 * x
            grad_light[n, 4, c] += g * xy
            grad_light[n, 5, c] += g * yz
            grad_light[n, 6, c] += g * zz
            grad_light[n, 7, c] += g * xz
            grad_light[n, 8, c] += g * xxyy
            gx += g * (C1 * l3 + C2 * (y * l4 + z * l7) + 2.0 * C22 * x * l8)
            gy += g * (C1 * l1 + C2 * (x * l4 + z * l5) - 2.0 * C22 * y * l8)
            gz += g * (C1 * l2 + C2 * (y * l5 + x * l7) + 6.0 * C20 * z * l6)
        along = gx * x + gy * y + gz * z
        grad_normals[p, 0] = (gx - along * x) * scale
        grad_normals[p, 1] = (gy - along * y) * scale
        grad_normals[p, 2] = (gz - along * z) * scale


@njit(cache=True, nogil=True)
def unpack_forward(start: Any, stop: Any, packed: Any, image: Any, place: Any, out: Any) -> None:
    """out[image[p], c, place[p]] = packed[p, c]."""
    for p in range(start, stop):
        for c in range(packed.shape[1]):
            out[image[p], c, place[p]] = packed[p, c]


@njit(cache=True, nogil=True)
def unpack_backward(grad: Any, image: Any, place: Any, grad_packed: Any) -> None:
    """Adjoint of ``unpack_forward``."""
    for p in range(grad_packed.shape[0]):
        for c in range(grad_packed.shape[1]):
            grad_packed[p, c] = grad[image[p], c, place[p]]


@njit(cache=True, nogil=True)
def deferred_forward(
    start: Any,
    stop: Any,
    winner: Any,
    bary: Any,
    triangles: Any,
    attributes: Any,
    light: Any,
    image: Any,
    unit: Any,
    colours: Any,
) -> None:
    """Interpolation, normalisation and shading of one image in one pass, for rendering without gradients.

    Reads winner (HW,), bary (HW, 3), attributes (V, 6) = normal and albedo, light (9, 3); writes image, unit
    normals and albedo (3, HW), zero in the background. Unsigned indices spare numba's test for negative ones.
    """
    scaled = np.empty((9, 3), attributes.dtype)
    for b in range(9):
        scale = C0 if b == 0 else C1 if b < 4 else C20 if b == 6 else C22 if b == 8 else C2
        for c in range(3):
            scaled[b, c] = scale * light[b, c]
    one, three = attributes.dtype.type(1.0), attributes.dtype.type(3.0)
    for q in range(start, stop):
        p = np.uint64(q)
        t = winner[p]
        if t < 0:
            for c in range(3):
                image[c, p] = 0.0
                unit[c, p] = 0.0
                colours[c, p] = 0.0
            continue
        i = np.uint64(triangles[t, 0])
        j = np.uint64(triangles[t, 1])
        k = np.uint64(triangles[t, 2])
        b0, b1, b2 = bary[p, 0], bary[p, 1], bary[p, 2]
        x = b0 * attributes[i, 0] + b1 * attributes[j, 0] + b2 * attributes[k, 0]
        y = b0 * attributes[i, 1] + b1 * attributes[j, 1] + b2 * attributes[k, 1]
        z = b0 * attributes[i, 2] + b1 * attributes[j, 2] + b2 * attributes[k, 2]
        squared = x * x + y * y + z * z
        if squared > 0.0:
            length = one / math.sqrt(squared)
            x, y, z = x * length, y * length, z * length
        unit[0, p], unit[1, p], unit[2, p] = x, y, z
        xy, yz, zz, xz, xxyy = x * y, y * z, three * z * z - one, x * z, x * x - y * y
        for c in range(3):
            a = b0 * attributes[i, 3 + c] + b1 * attributes[j, 3 + c] + b2 * attributes[k, 3 + c]
            colours[c, p] = a
            image[c, p] = a * (
                scaled[0, c]
                + (scaled[1, c] * y + scaled[2, c] * z + scaled[3, c] * x)
                + (scaled[4, c] * xy + scaled[5, c] * yz + scaled[6, c] * zz)
                + (scaled[7, c] * xz + scaled[8, c] * xxyy)
            )
