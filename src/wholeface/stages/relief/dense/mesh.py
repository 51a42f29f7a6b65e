"""The whole head with its relief as one mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.short_repr import short_repr

__all__ = ["DenseMesh"]


@dataclass(frozen=True)
class DenseMesh:
    """The whole head with its relief.

    Args:
        vertices: (V', 3) float32 mm, model space, with the fitted expression.
        triangles: (F', 3) int64, counter-clockwise seen from outside.
        uv: (U', 2) float32, or None for a model without UV.
        uv_triangles: (F', 3) int64 into ``uv``, or None.
        parent: (F',) int64, the triangle of the face model on which each triangle lies.
        source: (V',) int64, a triangle of the face model on which each vertex lies.
        barycentric: (V', 3) float32 on it.
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int64]
    uv: NDArray[np.float32] | None
    uv_triangles: NDArray[np.int64] | None
    parent: NDArray[np.int64]
    source: NDArray[np.int64]
    barycentric: NDArray[np.float32]

    __repr__ = short_repr

    def spread(self, values: NDArray[Any], triangles: NDArray[np.int64]) -> NDArray[Any]:
        """(V', …) values at the dense vertices, linear over each triangle of the face model.

        Args:
            values: (V, …) at the face model's vertices, such as the offsets of an expression.
            triangles: (F, 3) of the face model.
        """
        spread: NDArray[Any] = np.einsum("vk,vk...->v...", self.barycentric, values[triangles[self.source]])
        return spread
