"""CPU kernels behind the differentiable steps; each has a torch twin that CUDA uses and the tests compare.

Arithmetic is in float64, storage in the dtype of the arrays. Scatters run in one thread, so that results do not
depend on timing.
"""

from __future__ import annotations

from typing import Any

from numba import njit

__all__ = [
    "barycentric_backward",
    "barycentric_forward",
    "interpolate_backward",
    "interpolate_forward",
    "normals_backward",
    "normals_forward",
]

TRUSTED_DEVIATION = 0.25
"""A barycentric weight that differs more from the rasterised one belongs to a sliver seen edge-on."""


@njit(cache=True, nogil=True)
def interpolate_forward(attributes: Any, triangles: Any, winner: Any, image: Any, bary: Any, out: Any) -> None:
    """out[p, c] = Σ_j bary[p, j] · attributes[image[p], triangles[winner[p], j], c]."""
    for p in range(winner.shape[0]):
        t = winner[p]
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        n = image[p]
        for c in range(attributes.shape[2]):
            out[p, c] = (
                bary[p, 0] * attributes[n, i, c] + bary[p, 1] * attributes[n, j, c] + bary[p, 2] * attributes[n, k, c]
            )


@njit(cache=True, nogil=True)
def interpolate_backward(
    attributes: Any, triangles: Any, winner: Any, image: Any, bary: Any, grad: Any, grad_attributes: Any, grad_bary: Any
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
    points: Any, triangles: Any, winner: Any, image: Any, place: Any, width: Any, intrinsics: Any, raster: Any, out: Any
) -> None:
    """out[p] = barycentrics of the ray through pixel p; see ``differentiable_barycentric``."""
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
        if total != 0.0:
            w0, w1, w2 = w0 / total, w1 / total, w2 / total
            if (
                abs(w0 - raster[p, 0]) <= TRUSTED_DEVIATION
                and abs(w1 - raster[p, 1]) <= TRUSTED_DEVIATION
                and abs(w2 - raster[p, 2]) <= TRUSTED_DEVIATION
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
    """Adjoint of ``barycentric_forward``, accumulated; zero where the rasterised weights were passed through."""
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
            abs(w0 - raster[p, 0]) <= TRUSTED_DEVIATION
            and abs(w1 - raster[p, 1]) <= TRUSTED_DEVIATION
            and abs(w2 - raster[p, 2]) <= TRUSTED_DEVIATION
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
