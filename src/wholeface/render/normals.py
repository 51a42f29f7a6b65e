"""Vertex normals."""

from __future__ import annotations

import torch
from torch import Tensor

from ._functions import NormalsFunction

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
    if vertices.is_cuda:
        total = _summed_normals_torch(vertices, triangles)
    else:
        total = NormalsFunction.apply(vertices.reshape(-1, *vertices.shape[-2:]), triangles)  # type: ignore[no-untyped-call]
        total = total.reshape(vertices.shape)
    squared = (total * total).sum(-1, keepdim=True)
    safe = torch.where(squared > 0, squared, torch.ones_like(squared))
    return total * safe.rsqrt()


def _summed_normals_torch(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Twin of the CPU kernel, for CUDA."""
    corners = vertices[..., triangles, :]  # (..., F, 3, 3)
    edges = corners[..., 1:, :] - corners[..., :1, :]
    face = torch.linalg.cross(edges[..., 0, :], edges[..., 1, :])
    spread = face[..., :, None, :].expand(*face.shape[:-1], 3, 3).flatten(-3, -2)  # (..., 3F, 3)
    index = triangles.flatten()[:, None].expand(spread.shape)
    return torch.zeros_like(vertices).scatter_add(-2, index, spread)
