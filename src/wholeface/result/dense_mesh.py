"""A mesh whose relief is geometry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.tangents import TangentFrames
from ..export import Mesh
from ..morphable import MorphableModel
from ..stages import FaceFit, ReliefMap
from ..stages.relief.dense import sample_map
from ..stages.relief.normal_map import frames_of, split_of
from ..stages.relief.zipper import DenseMesh, dense_mesh

__all__ = ["with_geometry"]


def with_geometry(mesh: Mesh, fit: FaceFit, relief: ReliefMap) -> Mesh:
    """The mesh of a face with its relief as geometry instead of as a normal map.

    Morph targets and colours at vertices are interpolated. The normals are those that the normal map gives the smooth
    mesh: they show no edges of the finer triangles.

    Args:
        mesh: the smooth one, in the order of the face model's vertices and triangles.
        fit: whose shape the mesh has.
        relief: of the face.
    """
    model, coarse = fit.model, mesh.triangles
    dense = dense_mesh(fit, relief)
    nearest = coarse[dense.source, dense.barycentric.argmax(axis=1)]  # (V',) coarse vertices
    maps: dict[str, Any] = {} if mesh.colours is None else _at_vertices(mesh, dense, nearest)
    normals = None
    if mesh.normals is not None and mesh.uv is not None:  # else of the finer triangles
        normals = _unit(dense.spread(mesh.normals.astype(np.float64), coarse))
        if mesh.normal_map is not None:
            frames = frames_of(model, mesh.vertices, mesh.normals)
            normals = _turned(model, dense, normals, frames, mesh.normal_map)
    return replace(
        mesh,
        vertices=dense.vertices,
        triangles=dense.triangles,
        uv=dense.uv,
        uv_triangles=dense.uv_triangles,
        normals=None if normals is None else normals.astype(np.float32),
        normal_map=None,
        glossy=None if mesh.glossy is None else mesh.glossy[dense.parent],
        morph_targets={
            name: dense.spread(offsets, coarse).astype(np.float32)
            for name, offsets in mesh.morph_targets.items()
        },
        **maps,
    )


def _at_vertices(mesh: Mesh, dense: DenseMesh, nearest: NDArray[np.int64]) -> dict[str, Any]:
    """Colours and confidence interpolated, provenance of the nearest coarse vertex."""
    assert mesh.colours is not None
    colours = dense.spread(mesh.colours.astype(np.float32), mesh.triangles)
    confidence = None
    if mesh.confidence is not None:
        confidence = np.clip(dense.spread(mesh.confidence, mesh.triangles), 0, 1).astype(np.float32)
    return {
        "colours": np.rint(colours).astype(np.uint8),
        "provenance": None if mesh.provenance is None else mesh.provenance[nearest],
        "confidence": confidence,
    }


def _turned(
    model: MorphableModel,
    dense: DenseMesh,
    normal: NDArray[np.float64],
    frames: TangentFrames,
    colours: NDArray[np.uint8],
) -> NDArray[np.float64]:
    """(V', 3) unit normals at the dense vertices, turned by the normal map."""
    assert model.uv is not None
    assert model.uv_triangles is not None
    corners = split_of(model).triangles[dense.source]
    where = dense.spread(model.uv.cpu().numpy(), model.uv_triangles.cpu().numpy())
    everywhere = np.ones(colours.shape[:2], bool)
    x, y, z = (sample_map(colours[..., c].astype(np.float32), everywhere, where) - 127.5 for c in range(3))
    flat = (np.abs(x) <= 1) & (np.abs(y) <= 1)  # as well as 8 bits can say it
    x, y = np.where(flat, 0, x), np.where(flat, 0, y)
    along = np.einsum("vk,vkc->vc", dense.barycentric, frames.tangents[corners].astype(np.float64))
    tangent = _unit(along[:, :3])
    across = np.where(along[:, 3:] < 0, -1.0, 1.0) * np.cross(normal, tangent)
    turned = x[:, None] * tangent + y[:, None] * across + z[:, None] * normal
    return _unit(turned)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float64] = vectors / np.where(lengths > 0, lengths, 1.0)
    return unit
