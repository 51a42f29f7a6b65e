"""Compiled loops of shape from shading: linearised shading, and conjugate gradients over the pixels."""

from __future__ import annotations

import numpy as np

from ....core.jit import njit
from ....core.kernels import shading_at

__all__ = ["conjugate_gradients", "linearise"]

_DARKEST = 0.02  # of the foundation's own shading: darker slopes are in a shadow that no normal explains


@njit(cache=True, nogil=True)
def linearise(height, inside, normals, along, across, light, log_base, value, by_column, by_row):  # type: ignore[no-untyped-def]
    """Log shading of the displaced surface over the foundation's, and its derivatives by the height's slopes."""
    rows, columns = height.shape
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            value[i, j] = 0.0
            by_column[i, j] = 0.0
            by_row[i, j] = 0.0
            if not inside[i, j]:
                continue
            du = 0.5 * (height[i, j + 1] - height[i, j - 1])
            dv = 0.5 * (height[i + 1, j] - height[i - 1, j])
            a, b = along[i, j], across[i, j]
            x = normals[i, j, 0] - du * a[0] - dv * b[0]
            y = normals[i, j, 1] - du * a[1] - dv * b[1]
            z = normals[i, j, 2] - du * a[2] - dv * b[2]
            inverse = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-12)
            x, y, z = x * inverse, y * inverse, z * inverse
            shade = shading_at(x, y, z, light, 0)
            least = _DARKEST * np.exp(log_base[i, j])
            if shade <= least:
                value[i, j] = np.log(_DARKEST)
                continue
            value[i, j] = np.log(shade) - log_base[i, j]
            # Gradient of the shading on the sphere: central differences of a quadratic are exact.
            gx = 0.5 * (shading_at(x + 1, y, z, light, 0) - shading_at(x - 1, y, z, light, 0))
            gy = 0.5 * (shading_at(x, y + 1, z, light, 0) - shading_at(x, y - 1, z, light, 0))
            gz = 0.5 * (shading_at(x, y, z + 1, light, 0) - shading_at(x, y, z - 1, light, 0))
            radial = gx * x + gy * y + gz * z
            gx, gy, gz = gx - radial * x, gy - radial * y, gz - radial * z
            scale = -inverse / shade
            by_column[i, j] = scale * (gx * a[0] + gy * a[1] + gz * a[2])
            by_row[i, j] = scale * (gx * b[0] + gy * b[1] + gz * b[2])


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _apply(x, weight, by_column, by_row, right, below, pull, flow, out):  # type: ignore[no-untyped-def]
    """Normal equations times ``x``, which is 0 outside; ``flow`` is scratch."""
    rows, columns = x.shape
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            slope = by_column[i, j] * (x[i, j + 1] - x[i, j - 1]) + by_row[i, j] * (x[i + 1, j] - x[i - 1, j])
            flow[i, j] = 0.25 * weight[i, j] * slope
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            here = x[i, j]
            value = pull[i, j] * here
            value += by_column[i, j - 1] * flow[i, j - 1] - by_column[i, j + 1] * flow[i, j + 1]
            value += by_row[i - 1, j] * flow[i - 1, j] - by_row[i + 1, j] * flow[i + 1, j]
            value += right[i, j] * (here - x[i, j + 1]) + right[i, j - 1] * (here - x[i, j - 1])
            value += below[i, j] * (here - x[i + 1, j]) + below[i - 1, j] * (here - x[i - 1, j])
            out[i, j] = value


@njit(cache=True, nogil=True)
def conjugate_gradients(  # type: ignore[no-untyped-def]
    height, target, inside, weight, by_column, by_row, right, below, pull, wanted, iterations,
):  # fmt: skip
    """Minimise the linearised energy over the height, in place, preconditioned by the diagonal.

    E(h) = Σ w (a h_u + b h_v − target)² + Σ right (h − h_right)² + Σ below (h − h_below)² + Σ pull (h − wanted)².
    """
    rows, columns = height.shape
    flow = np.zeros_like(height)
    product = np.zeros_like(height)
    residual = np.zeros_like(height)
    diagonal = np.ones_like(height)
    direction = np.zeros_like(height)
    _apply(height, weight, by_column, by_row, right, below, pull, flow, product)
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            flow[i, j] = 0.5 * weight[i, j] * target[i, j]
    rho = 0.0
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            if not inside[i, j]:
                continue
            given = by_column[i, j - 1] * flow[i, j - 1] - by_column[i, j + 1] * flow[i, j + 1]
            given += by_row[i - 1, j] * flow[i - 1, j] - by_row[i + 1, j] * flow[i + 1, j]
            own = pull[i, j] + right[i, j] + right[i, j - 1] + below[i, j] + below[i - 1, j]
            own += 0.25 * weight[i, j - 1] * by_column[i, j - 1] ** 2
            own += 0.25 * weight[i, j + 1] * by_column[i, j + 1] ** 2
            own += 0.25 * weight[i - 1, j] * by_row[i - 1, j] ** 2
            own += 0.25 * weight[i + 1, j] * by_row[i + 1, j] ** 2
            residual[i, j] = given + pull[i, j] * wanted[i, j] - product[i, j]
            diagonal[i, j] = 1.0 / max(own, 1e-12)
            direction[i, j] = diagonal[i, j] * residual[i, j]
            rho += residual[i, j] * direction[i, j]
    first = rho
    for _ in range(iterations):
        if rho <= 1e-8 * first or rho <= 1e-20:
            break
        _apply(direction, weight, by_column, by_row, right, below, pull, flow, product)
        curvature = 0.0
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                curvature += direction[i, j] * product[i, j]
        if curvature <= 0.0:
            break
        step = rho / curvature
        before, rho = rho, 0.0
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                if inside[i, j]:
                    height[i, j] += step * direction[i, j]
                    residual[i, j] -= step * product[i, j]
                    rho += residual[i, j] * residual[i, j] * diagonal[i, j]
        back = rho / before
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                if inside[i, j]:
                    direction[i, j] = diagonal[i, j] * residual[i, j] + back * direction[i, j]
