"""A subdivided mesh with patches of pixels in the place of some of its triangles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .mesh import DenseMesh
from .patch import Patch
from .subdivision import Subdivision

__all__ = ["Joined"]

Array = NDArray[Any]


class Joined:
    """Collects patches, then makes the mesh.

    Args:
        fine: where the vertices of the subdivided mesh lie on the model's.
        vertices: (V', 3) its vertices, with their relief.
        face: (F',) bool, triangles of the face.

    Attributes:
        at_seam: (F',) bool, triangles at a vertex that has several places in UV.
    """

    def __init__(self, fine: Subdivision, vertices: Array, face: Array) -> None:
        self._fine = fine
        count = len(vertices)
        textured = fine.uv is not None and fine.uv_triangles is not None
        self._flat: Array = fine.triangles
        self._uv: Array = np.zeros((count, 2))
        if fine.uv is not None and fine.uv_triangles is not None:
            self._flat, self._uv = fine.uv_triangles, fine.uv
        self._textured = textured
        corners = fine.triangles[face]
        self._place = np.full(count, -1, np.int64)  # in UV, of each vertex of the face
        self._place[corners] = self._flat[face]
        torn = np.zeros(count, bool)
        torn[corners[self._place[corners] != self._flat[face]]] = True
        self.at_seam: NDArray[np.bool_] = np.asarray(torn[fine.triangles].any(axis=1))
        self._vertices, self._places = [vertices], [self._uv]
        self._source, self._barycentric = [fine.source], [fine.barycentric.astype(np.float32)]
        self._kept = np.ones(len(fine.triangles), bool)
        self._added: list[tuple[Array, Array, Array]] = []  # triangles, in UV, parents

    def add(
        self, patch: Patch, border: Array, replaced: Array, points: Array, places: Array, home: Array,
        barycentric: Array, *, turned: bool = False,
    ) -> None:  # fmt: skip
        """Put a patch in the place of some triangles.

        Args:
            patch: see :func:`wholeface.stages.relief.dense.patch.patch_of`.
            border: (B,) the vertices that its border's are: its own, or their mirror images.
            replaced: (F',) bool, what it replaces: its own, or its mirror image.
            points: (P, 3) its points in model space.
            places: (P, 2) in UV.
            home: (P,) the triangle of the model on which each lies.
            barycentric: (P, 3) where on it.
            turned: the patch is a mirror image, so that its triangles turn the other way.
        """
        first = sum(len(v) for v in self._vertices)
        triangles = patch.triangles[:, [0, 2, 1]] if turned else patch.triangles
        vertex = np.concatenate([border, first + np.arange(len(points))])
        anchor = np.zeros(len(self._place), np.int64)  # the model's triangle at each vertex of the border
        anchor[self._fine.triangles[replaced]] = self._fine.parent[replaced][:, None]
        parents = np.concatenate([anchor[border], home])
        inner = triangles.max(axis=1)  # points come after the border: of a pixel, where there is one
        flat = vertex
        if self._textured:
            start = sum(len(p) for p in self._places)
            flat = np.concatenate([self._place[border], start + np.arange(len(points))])
            self._places.append(places)
        self._added.append((vertex[triangles], flat[triangles], parents[inner]))
        self._vertices.append(points)
        self._source.append(home)
        self._barycentric.append(barycentric)
        self._kept &= ~replaced

    def mesh(self) -> DenseMesh:
        """Vertices that no triangle uses any more are left out."""
        corners = np.concatenate([self._fine.triangles[self._kept], *(part[0] for part in self._added)])
        parent = np.concatenate([self._fine.parent[self._kept], *(part[2] for part in self._added)])
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
