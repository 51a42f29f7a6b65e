"""The model's mesh with patches of pixels in the place of some of its triangles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....morphable import MorphableModel
from ...texture.uv.atlas import FACE, has_uv, surface_of
from ..symmetry.mirror import vertex_places
from .mesh import DenseMesh
from .patch import Patch

__all__ = ["Joined"]

Array = NDArray[Any]


class Joined:
    """Collects patches, then makes the mesh.

    Args:
        model: face model.
        vertices: (V, 3) its vertices, with their relief.

    Attributes:
        at_seam: (F,) bool, triangles at a vertex that has several places in UV.
    """

    def __init__(self, model: MorphableModel, vertices: Array) -> None:
        self._surface = surface_of(model)
        self._corners = self._surface.triangles.astype(np.int64)
        self._textured = has_uv(model)
        self._flat, self._uv = self._corners, np.zeros((len(vertices), 2))
        if self._textured:
            assert model.uv is not None
            assert model.uv_triangles is not None
            self._flat = model.uv_triangles.cpu().numpy().astype(np.int64)
            self._uv = model.uv.detach().cpu().double().numpy()
        face = self._surface.kind == FACE
        self._place = np.full(len(vertices), -1, np.int64)  # in UV, of each vertex of the face
        self._place[self._corners[face]] = self._flat[face]
        torn = np.zeros(len(vertices), bool)
        torn[self._corners[face][self._place[self._corners[face]] != self._flat[face]]] = True
        self.at_seam: NDArray[np.bool_] = np.asarray(torn[self._corners].any(axis=1))
        source, barycentric = vertex_places(model)
        self._vertices, self._places = [vertices], [self._uv]
        self._source, self._barycentric = [source.astype(np.int64)], [barycentric]
        self._kept = np.ones(len(self._corners), bool)
        self._added: list[tuple[Array, Array, Array]] = []  # triangles, in UV, parents

    def add(self, patch: Patch, points: Array, home: Array, barycentric: Array) -> None:
        """Put a patch in the place of the triangles that it replaces.

        Args:
            patch: see :func:`wholeface.stages.relief.dense.patch.patch_of`.
            points: (P, 3) its points in model space.
            home: (P,) the triangle of the model on which each lies.
            barycentric: (P, 3) where on it.
        """
        self._put(patch.triangles, patch.border, patch.replaced, points, home, barycentric)

    def add_mirrored(self, patch: Patch, points: Array, home: Array, barycentric: Array) -> None:
        """Put the mirror image of a patch in the place of the mirror images of the triangles that it replaces.

        Args:
            patch: of the seen half.
            points: (P, 3) reflected points, model space.
            home: (P,) the triangle of the seen half on which each original lies.
            barycentric: (P, 3) where on it.
        """
        surface = self._surface
        assert surface.mirror is not None
        replaced = np.zeros(len(self._corners), bool)
        replaced[surface.mirror_triangle[patch.replaced]] = True
        turned = np.zeros_like(barycentric)
        np.put_along_axis(turned, surface.mirror_corner[home].astype(np.int64), barycentric, axis=1)
        self._put(
            patch.triangles[:, [0, 2, 1]], surface.mirror[patch.border].astype(np.int64), replaced,
            points, surface.mirror_triangle[home].astype(np.int64), turned,
        )  # fmt: skip

    def _put(
        self, triangles: Array, border: Array, replaced: Array, points: Array, home: Array, barycentric: Array
    ) -> None:
        first = sum(len(v) for v in self._vertices)
        vertex = np.concatenate([border, first + np.arange(len(points))])
        anchor = np.zeros(len(self._place), np.int64)  # some replaced triangle of each vertex
        chosen = np.flatnonzero(replaced)
        anchor[self._corners[chosen]] = chosen[:, None]
        parents = np.concatenate([anchor[border], home])
        inner = triangles.max(axis=1)  # points come after the border: of a pixel, where there is one
        flat = vertex
        if self._textured:
            start = sum(len(p) for p in self._places)
            flat = np.concatenate([self._place[border], start + np.arange(len(points))])
            self._places.append(np.einsum("pk,pkc->pc", barycentric, self._uv[self._flat[home]]))
        self._added.append((vertex[triangles], flat[triangles], parents[inner]))
        self._vertices.append(points)
        self._source.append(home)
        self._barycentric.append(barycentric)
        self._kept &= ~replaced

    def mesh(self) -> DenseMesh:
        """Vertices that no triangle uses any more are left out."""
        corners = np.concatenate([self._corners[self._kept], *(part[0] for part in self._added)])
        parent = np.concatenate([np.flatnonzero(self._kept), *(part[2] for part in self._added)])
        used, renumbered = np.unique(corners, return_inverse=True)
        uv, flat = None, None
        if self._textured:
            flat = np.concatenate([self._flat[self._kept], *(part[1] for part in self._added)])
            places, flat = np.unique(flat, return_inverse=True)
            uv = np.concatenate(self._places)[places].astype(np.float32)
            flat = flat.reshape(-1, 3).astype(np.int64)
        return DenseMesh(
            np.concatenate(self._vertices)[used].astype(np.float32),
            renumbered.reshape(-1, 3).astype(np.int64),
            uv,
            flat,
            parent.astype(np.int64),
            np.concatenate(self._source)[used].astype(np.int64),
            np.concatenate(self._barycentric)[used].astype(np.float32),
        )
