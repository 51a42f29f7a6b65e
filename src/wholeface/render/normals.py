"""Vertex normals."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["vertex_normals"]


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    r"""Unit normals, area-weighted over the triangles around each vertex.

    .. math:: n_v \propto \sum_{t \ni v} (v_{t1} - v_{t0}) \times (v_{t2} - v_{t0})

    Args:
        vertices: (N, V, 3) or (V, 3), any frame.
        triangles: (F, 3) int64, counter-clockwise seen from outside.

    Returns:
        Shape of ``vertices``; outward unit vectors in the same frame. A vertex without a triangle of positive
        area gets the zero vector (and no gradient).
    """
    flat = triangles.flatten()
    corners = vertices[..., triangles, :]  # (..., F, 3, 3)
    face = torch.linalg.cross(
        corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    )
    spread = face[..., :, None, :].expand(*face.shape[:-1], 3, 3).flatten(-3, -2)  # (..., 3F, 3)
    index = flat[:, None].expand(-1, 3).expand(spread.shape)
    total = torch.zeros_like(vertices).scatter_add(-2, index, spread)
    squared = (total * total).sum(-1, keepdim=True)
    safe = torch.where(squared > 0, squared, torch.ones_like(squared))
    return torch.where(squared > 0, total * safe.rsqrt(), torch.zeros_like(total))
