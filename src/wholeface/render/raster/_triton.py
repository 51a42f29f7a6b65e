"""CUDA rasteriser: one program per triangle, one 64-bit atomic maximum per covered pixel.

The upper half of the key is the float32 inverse depth (positive floats order like their bits), the lower half
the complement of the triangle index: the maximum is the nearest triangle, and among equals the lowest index.
So the result does not depend on the order in which programs run, and equals that of the CPU backends.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ._common import COORDINATE_LIMIT, SUBPIXEL

__all__ = ["rasterize_triton"]

_INDEX_MASK = 0x7FFFFFFF
_BLOCK = 64


@triton.jit
def _scan(
    corners: Any, weights: Any, keys: Any, width: Any, height: Any, STEP: tl.constexpr, BLOCK: tl.constexpr
) -> None:
    """Scan one triangle; ``corners`` (F, 6) int64 x y per corner, ``weights`` (F, 3) float64, zero = skip."""
    t = tl.program_id(0)
    p0 = tl.load(weights + t * 3)
    p1 = tl.load(weights + t * 3 + 1)
    p2 = tl.load(weights + t * 3 + 2)
    if p0 > 0.0:
        xi = tl.load(corners + t * 6)
        yi = tl.load(corners + t * 6 + 1)
        xj = tl.load(corners + t * 6 + 2)
        yj = tl.load(corners + t * 6 + 3)
        xk = tl.load(corners + t * 6 + 4)
        yk = tl.load(corners + t * 6 + 5)
        # Integer division truncates towards zero: clamp to the image before dividing.
        first = (tl.maximum(tl.minimum(xi, tl.minimum(xj, xk)), 0) + (STEP - 1)) // STEP
        last = tl.minimum(tl.maximum(xi, tl.maximum(xj, xk)), (width - 1) * STEP)
        top = (tl.maximum(tl.minimum(yi, tl.minimum(yj, yk)), 0) + (STEP - 1)) // STEP
        bottom = tl.minimum(tl.maximum(yi, tl.maximum(yj, yk)), (height - 1) * STEP)
        if (last >= 0) & (bottom >= 0):
            columns = last // STEP - first + 1
            rows = bottom // STEP - top + 1
            if (columns > 0) & (rows > 0):
                count = columns * rows
                for start in range(0, count, BLOCK):
                    n = start + tl.arange(0, BLOCK).to(tl.int64)
                    column = first + n % columns
                    row = top + n // columns
                    px = column * STEP
                    py = row * STEP
                    dx0, dy0 = xk - xj, yk - yj
                    dx1, dy1 = xi - xk, yi - yk
                    dx2, dy2 = xj - xi, yj - yi
                    e0 = dx0 * (py - yj) - dy0 * (px - xj)
                    e1 = dx1 * (py - yk) - dy1 * (px - xk)
                    e2 = dx2 * (py - yi) - dy2 * (px - xi)
                    own0 = (dy0 < 0) | ((dy0 == 0) & (dx0 > 0))
                    own1 = (dy1 < 0) | ((dy1 == 0) & (dx1 > 0))
                    own2 = (dy2 < 0) | ((dy2 == 0) & (dx2 > 0))
                    inside = (n < count) & ((e0 > 0) | ((e0 == 0) & own0))
                    inside = inside & ((e1 > 0) | ((e1 == 0) & own1)) & ((e2 > 0) | ((e2 == 0) & own2))
                    s = (e0.to(tl.float64) * p0 + e1.to(tl.float64) * p1) + e2.to(tl.float64) * p2
                    bits = s.to(tl.float32).to(tl.int32, bitcast=True).to(tl.int64)
                    key = (bits << 32) | (0x7FFFFFFF - t).to(tl.int64)
                    tl.atomic_max(keys + row * width + column, key, mask=tl.where(inside, bits, 0) > 0)


def rasterize_triton(
    points: Tensor,
    triangles: Tensor,
    intrinsics: tuple[float, float, float],
    size: tuple[int, int],
    near: float,
    cull: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Rasterise one mesh; see ``_common`` for what is computed.

    Args:
        points: (V, 3) float32 or float64 on a CUDA device, camera space, mm.
        triangles: (F, 3) int64 on the same device.
        intrinsics: focal, cx, cy in pixels.
        size: width, height.
        near: nearest depth, mm.
        cull: skip triangles that show their back.

    Returns:
        winner (H, W) int32, barycentric (H, W, 3) and depth (H, W) in the dtype of ``points``.
    """
    width, height = size
    snapped, inverse, valid = _snap(points.double(), intrinsics, near)
    corner, weights, order = _setup(snapped, inverse, valid, triangles, cull)
    keys = torch.zeros(height * width, dtype=torch.int64, device=points.device)
    if len(triangles):
        # Fused multiply-adds would round differently from the CPU.
        _scan[(len(triangles),)](
            corner.contiguous(),
            weights.contiguous(),
            keys,
            width,
            height,
            SUBPIXEL,
            _BLOCK,
            enable_fp_fusion=False,
        )
    return _resolve(keys, corner, weights, order, size, points.dtype)


def _snap(
    points: Tensor, intrinsics: tuple[float, float, float], near: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Grid positions (V, 2) int64, inverse depths (V,) and which vertices may be used (V,)."""
    focal, cx, cy = intrinsics
    depth = -points[:, 2]
    u = torch.floor((cx + focal * points[:, 0] / depth) * SUBPIXEL + 0.5)
    v = torch.floor((cy - focal * points[:, 1] / depth) * SUBPIXEL + 0.5)
    valid = (
        (depth >= near) & (depth < torch.inf) & (u.abs() <= COORDINATE_LIMIT) & (v.abs() <= COORDINATE_LIMIT)
    )
    grid = torch.where(valid[:, None], torch.stack((u, v), 1), 0.0)
    return grid.long(), 1.0 / depth, valid


def _setup(
    snapped: Tensor, inverse: Tensor, valid: Tensor, triangles: Tensor, cull: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Corners (F, 6) with positive area, weights p (F, 3) (zero = skip), and which were turned."""
    a, b, c = snapped[triangles].unbind(1)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    swapped = area < 0
    drawn = valid[triangles].all(1) & (area != 0)
    if cull:
        drawn &= swapped
    order = torch.where(swapped[:, None], triangles[:, [0, 2, 1]], triangles)
    per_area = 1.0 / torch.where(drawn, area.abs(), 1).double()
    weights = torch.where(drawn[:, None], inverse[order] * per_area[:, None], 0.0)
    return snapped[order].flatten(1), weights, swapped


def _resolve(
    keys: Tensor, corner: Tensor, weights: Tensor, swapped: Tensor, size: tuple[int, int], dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Winner, barycentrics and depth of every pixel from the keys."""
    width, height = size
    covered = (keys > 0).nonzero().squeeze(1)
    t = _INDEX_MASK - (keys[covered] & _INDEX_MASK)
    xi, yi, xj, yj, xk, yk = corner[t].unbind(1)
    px, py = covered % width * SUBPIXEL, covered // width * SUBPIXEL
    p0, p1, p2 = weights[t].unbind(1)
    w0 = ((xk - xj) * (py - yj) - (yk - yj) * (px - xj)).double() * p0
    w1 = ((xi - xk) * (py - yk) - (yi - yk) * (px - xk)).double() * p1
    w2 = ((xj - xi) * (py - yi) - (yj - yi) * (px - xi)).double() * p2
    reciprocal = 1.0 / ((w0 + w1) + w2)
    turned = swapped[t]
    ordered = torch.stack((w0, torch.where(turned, w2, w1), torch.where(turned, w1, w2)), 1)
    winner = torch.full_like(keys, -1, dtype=torch.int32)
    winner[covered] = t.int()
    barycentric = torch.zeros(height * width, 3, dtype=dtype, device=keys.device)
    barycentric[covered] = (ordered * reciprocal[:, None]).to(dtype)
    depth = torch.full((height * width,), torch.inf, dtype=dtype, device=keys.device)
    depth[covered] = reciprocal.to(dtype)
    return winner.reshape(height, width), barycentric.reshape(height, width, 3), depth.reshape(height, width)
