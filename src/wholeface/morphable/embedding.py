"""Points tied to a mesh surface by triangle and barycentric coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.short_repr import short_repr

__all__ = ["Embedding"]


@dataclass(frozen=True)
class Embedding:
    r"""Barycentric embedding of ``L`` surface points: :math:`p_l = \sum_j b_{lj}\, v_{t(l), j}`.

    Args:
        triangle: (L,) int64, index into the mesh's triangles.
        barycentric: (L, 3) float, weights of the triangle's corners; each row sums to 1.

    Source: the usual way to carry landmarks on a mesh, e.g. FLAME's static landmark embedding.
    """

    triangle: Tensor
    barycentric: Tensor

    __repr__ = short_repr

    def __len__(self) -> int:
        return int(self.triangle.shape[0])

    def points(self, vertices: Tensor, triangles: Tensor) -> Tensor:
        """Positions of the embedded points.

        Args:
            vertices: (..., V, 3) in any frame.
            triangles: (F, 3) int64.

        Returns:
            (..., L, 3) in the frame of ``vertices``.
        """
        corners = triangles[self.triangle]  # (L, 3)
        picked = vertices[..., corners, :]  # (..., L, 3, 3)
        return (picked * self.barycentric[..., None].to(picked)).sum(dim=-2)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Embedding:
        """The same embedding on another device; ``dtype`` applies to the weights only."""
        return Embedding(self.triangle.to(device=device), self.barycentric.to(device=device, dtype=dtype))
