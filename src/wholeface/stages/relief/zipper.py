"""Relief as geometry: one dense mesh of the whole head.

The face of the model's own mesh is subdivided and displaced by the relief of the atlas: closed, mirror-symmetric,
with the model's UV, and any value at the model's vertices can be spread to it.

Source: Tran et al. 2018, sec. 4.3, for the dense mesh; there it is zippered from pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.provenance import Provenance
from ...core.short_repr import short_repr
from ...render import vertex_normals
from ..state import FaceFit, ReliefMap
from .dense import Subdivision, sample_map, subdivision_of

__all__ = ["DenseMesh", "dense_mesh"]

LEVELS = 2
"""Times that triangles of the face are split into four: edges of about 0.8 mm on the shipped model."""


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


def dense_mesh(fit: FaceFit, relief: ReliefMap, *, levels: int = LEVELS) -> DenseMesh:
    """The face of the model's mesh subdivided, rounded and displaced by the relief; the rest of the head as it is.

    Vertices on a seam of the UV charts take the mean of what their sides show: the mesh stays closed.

    Args:
        fit: of the foundation.
        relief: in its atlas; (V,) arrays, one value a vertex, for a model without UV.
        levels: 0 to 4 times split into four.

    Raises:
        UsageError: another number of levels, or a relief that does not fit the model.
    """
    model = fit.model
    fine = subdivision_of(model, levels)
    triangles = model.triangles.cpu().numpy()
    shape = fit.posed.shape
    base = shape.cpu().double().numpy()
    normals = vertex_normals(shape, model.triangles.to(shape.device)).cpu().double().numpy()
    along = fine.spread(normals, triangles)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    height = _height(fine, relief, triangles, model.vertex_count)
    vertices = fine.curved(base, normals, triangles) + height[:, None] * along
    return DenseMesh(
        vertices.astype(np.float32),
        fine.triangles,
        None if fine.uv is None else fine.uv.astype(np.float32),
        fine.uv_triangles,
        fine.parent,
        fine.source,
        fine.barycentric.astype(np.float32),
    )


def _height(
    fine: Subdivision, relief: ReliefMap, triangles: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """(V',) mm, the relief at the finer vertices."""
    if relief.displacement.shape == (count,):
        return np.asarray(fine.spread(relief.displacement.astype(np.float64), triangles))
    if relief.displacement.ndim != 2 or fine.uv is None or fine.uv_vertex is None:
        raise UsageError(
            f"relief of shape {relief.displacement.shape} does not fit a model of {count} vertices"
            f"{' without UV' if fine.uv is None else ''}"
        )
    known = relief.provenance != Provenance.NONE
    at_uv = sample_map(relief.displacement, known, fine.uv)
    vertices = len(fine.source)
    total = np.bincount(fine.uv_vertex, weights=at_uv, minlength=vertices)
    return np.asarray(total / np.maximum(np.bincount(fine.uv_vertex, minlength=vertices), 1))
