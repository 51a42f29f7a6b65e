r"""From a bump map to the relief of the whole face: what the photo shows, and its mirror image where it does not.

Gradients of the mirrored relief continue what is seen (eq. 9 of the paper, for displacements, not positions): with
 the seen displacement d and its mirror image d', the height where nothing is seen is :math:`d' + c`, and c solves

.. math:: (W + \lambda L + \mu)\, c = W (d - d')

on the vertices of the face, W being how well both are seen. Its graph is factorised symbolically once for a model.

Source: Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", CVPR, sec. 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.provenance import Provenance
from ....core.short_repr import short_repr
from ....core.smoothstep import smoothstep
from ....core.threads import run_ranges
from ....morphable import MorphableModel
from ...state import BumpMap, ReliefMap
from ...texture.uv.atlas import FACE, Atlas, atlas_of, surface_of
from ...texture.uv.graph_solver import GraphSolver
from ...texture.uv.membrane import mesh_membrane
from ...upright import UprightFace
from ._kernels import join
from .mirror import mirror_of_texels, mirror_of_vertices, vertex_places
from .sampling import BumpSampler

__all__ = ["FaceGraph", "atlas_relief", "face_graph"]

Array = NDArray[Any]
_STIFFNESS, _SCREEN = (
    4.0,
    0.02,
)  # of the membrane: it forgets the border after some seven edges, three centimetres
_RIM = 5.0  # mm from the rim of the face, over which relief begins: beyond is none
_MIRRORED = 0.5  # of the confidence that the mirror image has


@dataclass(frozen=True)
class FaceGraph:
    """The vertices of the face and their neighbours.

    Args:
        vertices: (P,) int64 of the model, those of the face.
        rows, columns: compressed sparse rows of their adjacency.
        solver: of this graph.
        triangle, barycentric: (P,), (P, 3) where each lies.
        mirror_triangle, mirror_barycentric: where its mirror image lies.
        fade: (V,) float32 in [0, 1], of all vertices: 0 at the rim of the face, 1 inside.
    """

    vertices: Array
    rows: Array
    columns: Array
    solver: GraphSolver
    triangle: Array
    barycentric: Array
    mirror_triangle: Array
    mirror_barycentric: Array
    fade: Array

    __repr__ = short_repr


@dataclass(frozen=True)
class _FaceTexels:
    """The texels of the face among those of an atlas, and their mirror images."""

    index: Array
    triangle: Array
    barycentric: Array
    mirror_triangle: Array
    mirror_barycentric: Array


def face_graph(model: MorphableModel) -> FaceGraph:
    """Made once and kept with the model."""
    return model.table("graph of the face", _build_graph)


def _build_graph(model: MorphableModel) -> FaceGraph:
    surface = surface_of(model)
    vertices, local = np.unique(surface.triangles[surface.kind == FACE], return_inverse=True)
    local = local.reshape(-1, 3)
    edges = np.concatenate([local[:, [0, 1]], local[:, [1, 2]], local[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    rows = np.concatenate([[0], np.cumsum(np.bincount(edges[:, 0], minlength=len(vertices)))]).astype(
        np.int32
    )
    columns = edges[:, 1].astype(np.int32)
    triangle, barycentric = (part[vertices] for part in vertex_places(model))
    image, mirrored = (part[vertices] for part in mirror_of_vertices(model))
    solver = GraphSolver.of(rows, columns)
    fade = np.asarray(smoothstep(0.0, _RIM, surface.rim), np.float32)
    return FaceGraph(vertices, rows, columns, solver, triangle, barycentric, image, mirrored, fade)


def _face_texels(model: MorphableModel, size: int) -> _FaceTexels:
    atlas = atlas_of(model, size)
    index = np.flatnonzero(surface_of(model).kind[atlas.triangle] == FACE)
    image, mirrored = mirror_of_texels(model, size)
    return _FaceTexels(
        index,
        *(np.ascontiguousarray(part[index]) for part in (atlas.triangle, atlas.barycentric, image, mirrored)),
    )


def atlas_relief(
    where: UprightFace, bump: BumpMap, size: int = 512, *, over_examples: bool = False
) -> ReliefMap:
    """The relief of a whole face from the bump map of its crop.

    Args:
        where: the face in the frame of the bump map.
        bump: observed, or filled in, or neither.
        size: edge of the atlas in texels; of no effect for a model without UV, whose vertices get values.
        over_examples: take the mirror image of seen skin rather than what was filled in from another face.

    Returns:
        ReliefMap of observed, filled in and mirrored texels; 0 with the provenance ``MODEL`` elsewhere.

    Raises:
        UsageError: the model has UV coordinates, but none inside [0, 1].
    """
    model = where.posed.model
    atlas, graph = atlas_of(model, size), face_graph(model)
    texels: _FaceTexels = model.table("texels of the face", lambda m: _face_texels(m, size), key=size)
    sample = BumpSampler(where, bump)
    offset = np.zeros(model.vertex_count, np.float32)
    own, image = (
        sample(graph.triangle, graph.barycentric),
        sample(graph.mirror_triangle, graph.mirror_barycentric),
    )
    weight = own.quality * image.quality
    if over_examples:
        weight *= (own.source == Provenance.OBSERVED) & (image.source == Provenance.OBSERVED)
    difference = np.where(weight > 0, own.value - image.value, 0.0)[:, None]
    found = mesh_membrane(
        graph.rows,
        graph.columns,
        weight,
        difference,
        stiffness=_STIFFNESS,
        screen=_SCREEN,
        solver=graph.solver,
    )
    offset[graph.vertices] = found[:, 0]
    own, image = (
        sample(texels.triangle, texels.barycentric),
        sample(texels.mirror_triangle, texels.mirror_barycentric),
    )
    count = len(texels.index)
    height, confidence = np.empty(count, np.float32), np.empty(count, np.float32)
    provenance = np.empty(count, np.uint8)
    triangles = surface_of(model).triangles

    def work(a: int, b: int) -> None:
        join(
            a, b, texels.triangle, texels.barycentric, triangles, offset, graph.fade,
            own.value, own.quality, own.sure, own.source, image.value, image.quality, image.sure, image.source,
            over_examples, _MIRRORED, height, confidence, provenance,
        )  # fmt: skip

    run_ranges(work, count, 4096)
    return _spread(atlas, texels.index, height, provenance, confidence)


def _spread(atlas: Atlas, index: Array, height: Array, provenance: Array, confidence: Array) -> ReliefMap:
    shape, places = atlas.nearest.shape, atlas.texel[index]
    displacement, sure = np.zeros(atlas.nearest.size, np.float32), np.zeros(atlas.nearest.size, np.float32)
    codes = np.zeros(atlas.nearest.size, np.uint8)
    codes[atlas.texel] = Provenance.MODEL
    displacement[places], sure[places], codes[places] = height, confidence, provenance
    return ReliefMap(displacement.reshape(shape), codes.reshape(shape), sure.reshape(shape))
