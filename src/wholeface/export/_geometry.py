"""Normals, UV seams and texture look-up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.uv_split import UVSplit, split_at_seams
from .mesh import Mesh

__all__ = ["sample_map", "split_seams", "vertex_normals"]


def split_seams(mesh: Mesh, *, mirrored_apart: bool = False) -> UVSplit:
    """Splits the vertices along UV seams; vertices without a triangle disappear.

    Args:
        mesh: what to split.
        mirrored_apart: split also where the texture begins to be seen in a mirror, for tangents.
    """
    corner_uv = mesh.triangles if mesh.uv_triangles is None else mesh.uv_triangles
    return split_at_seams(mesh.triangles, corner_uv, mesh.uv if mirrored_apart else None)


def vertex_normals(mesh: Mesh) -> NDArray[np.float32]:
    """(V, 3) unit normals: the mesh's own, normalised, or area-weighted ones; +z where there is none."""
    if mesh.normals is not None:
        summed = mesh.normals.astype(np.float64)
    else:
        a, b, c = (mesh.vertices[mesh.triangles[:, k]].astype(np.float64) for k in range(3))
        across = np.cross(b - a, c - a)  # (F, 3), twice the area long
        summed = np.zeros((len(mesh.vertices), 3))
        for axis in range(3):
            weights = np.repeat(across[:, axis], 3)
            summed[:, axis] = np.bincount(mesh.triangles.ravel(), weights, len(mesh.vertices))
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    lost = length[:, 0] < 1e-20
    result = summed / np.where(length < 1e-20, 1, length)
    result[lost] = (0.0, 0.0, 1.0)
    normals: NDArray[np.float32] = result.astype(np.float32)
    return normals


def sample_map(pixels: NDArray[Any], uv: NDArray[np.float32], *, nearest: bool = False) -> NDArray[Any]:
    """Values of a texture map (S, S', ...) at UV points (N, 2); float32, or codes as they are if ``nearest``.

    Convention: texel (row, column) has its centre at u = (column + ½)/S', v = 1 − (row + ½)/S.
    """
    height, width = pixels.shape[:2]
    x = np.clip(uv[:, 0].astype(np.float64) * width - 0.5, 0, width - 1)
    y = np.clip((1 - uv[:, 1].astype(np.float64)) * height - 0.5, 0, height - 1)
    if nearest:
        codes: NDArray[Any] = pixels[np.floor(y + 0.5).astype(np.int64), np.floor(x + 0.5).astype(np.int64)]
        return codes
    x0 = np.minimum(x.astype(np.int64), max(width - 2, 0))
    y0 = np.minimum(y.astype(np.int64), max(height - 2, 0))
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    shape = (-1, *(1,) * (pixels.ndim - 2))
    fx, fy = (x - x0).reshape(shape).astype(np.float32), (y - y0).reshape(shape).astype(np.float32)
    above = pixels[y0, x0] * (1 - fx) + pixels[y0, x1] * fx
    below = pixels[y1, x0] * (1 - fx) + pixels[y1, x1] * fx
    mixed: NDArray[Any] = (above * (1 - fy) + below * fy).astype(np.float32)
    return mixed
