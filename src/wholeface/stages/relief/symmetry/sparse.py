r"""Soft symmetry on the vertices of the face model, and the registration of a dense mesh to them (eq. 6–10).

Source: Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", CVPR, sec. 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.short_repr import short_repr
from .atlas_relief import FaceGraph

__all__ = ["Registration", "recovered", "register"]

Array = NDArray[Any]
_FIXED = 1e7  # weight of what is seen
_TINY = 1e-6


@dataclass(frozen=True)
class Registration:
    r"""Points of a dense mesh on the triangles of a sparse one; use :func:`register`.

    Args:
        corners: (P, 3) vertices of the sparse mesh.
        weights: (P, 3) u, v, 1 − u − v.
        residual: (P, 3) mm, :math:`\delta P`.
    """

    corners: Array
    weights: Array
    residual: Array

    __repr__ = short_repr

    def points(self, sparse: Array) -> NDArray[np.float64]:
        """(P, 3) the dense points again, from the vertices (V, 3) of the sparse mesh (eq. 8)."""
        return np.asarray(np.einsum("pk,pkc->pc", self.weights, sparse[self.corners]) + self.residual)

    def reflected(self, corners: Array, sparse: Array) -> NDArray[np.float64]:
        """(P, 3) the dense points on the other half of the face (eq. 10).

        Args:
            corners: (P, 3) mirror images of :attr:`corners`, in the same order.
            sparse: (V, 3) vertices of the sparse mesh; its plane of symmetry is x = constant.
        """
        reflected = self.residual * np.array([-1.0, 1.0, 1.0])
        return np.asarray(np.einsum("pk,pkc->pc", self.weights, sparse[corners]) + reflected)


def register(dense: Array, pixels: Array, corners: Array, sparse: Array, projected: Array) -> Registration:
    r"""Where the points of a dense mesh lie on a sparse one.

    .. math:: p^D = u p^R_1 + v p^R_2 + (1 - u - v) p^R_3, \qquad
        \delta P = P^D - (u P^R_1 + v P^R_2 + (1 - u - v) P^R_3)

    Args:
        dense: (P, 3) P^D.
        pixels: (P, 2) p^D, their pixels.
        corners: (P, 3) vertices of the triangle that each pixel shows.
        sparse: (V, 3) P^R.
        projected: (V, 2) p^R, their projections.
    """
    a, b, c = (projected[corners[:, k]] for k in range(3))
    one, other, place = a - c, b - c, pixels - c
    area = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    area = np.where(np.abs(area) < 1e-12, 1e-12, area)
    u = (place[:, 0] * other[:, 1] - place[:, 1] * other[:, 0]) / area
    v = (one[:, 0] * place[:, 1] - one[:, 1] * place[:, 0]) / area
    weights = np.stack([u, v, 1 - u - v], axis=1)
    residual = dense - np.einsum("pk,pkc->pc", weights, sparse[corners])
    return Registration(corners, weights, residual)


def recovered(graph: FaceGraph, offsets: Array, visible: Array, triangles: Array) -> NDArray[np.float64]:
    r"""Details of hidden vertices: gradients of their mirror images, blended into what is seen (eq. 9).

    With the offsets :math:`\delta = R - F` of the detailed mesh from the foundation, M the reflection and f the
    mirror image of a vertex, the hidden ones solve

    .. math:: \sum_{j \in N(i)} (\delta_i - \delta_j) = \sum_{j \in N(i)} M (\delta_{f(i)} - \delta_{f(j)}),

    where a pair counts on the right that is seen at both ends; visible ones stay. On a symmetric foundation these are
    the positions of the paper; on a lopsided smile, details alone change sides.

    Args:
        graph: of the face.
        offsets: (V, 3) mm, model space; of hidden vertices nothing is read.
        visible: (V,) bool.
        triangles: (F, 3) of the model.

    Returns:
        (V, 3) float64 offsets; 0 beyond the face.
    """
    own = visible[graph.vertices]
    there = offsets * visible[:, None]
    # Mirror images of the face's vertices; on meshes without mirror index they lie within a triangle.
    corners, weights = triangles[graph.mirror_triangle], graph.mirror_barycentric
    seen = np.asarray((visible[corners] | (weights < 1e-3)).all(axis=1))
    image = np.einsum("vk,vkc->vc", weights, there[corners]) * np.array([-1.0, 1.0, 1.0])
    count = len(own)
    start = np.repeat(np.arange(count), np.diff(graph.rows))
    told = seen[start] & seen[graph.columns]
    steps = (image[start] - image[graph.columns]) * told[:, None]
    guide = np.stack([np.bincount(start, weights=steps[:, c], minlength=count) for c in range(3)], axis=1)
    degree = np.diff(graph.rows).astype(np.float64)
    right = np.where(own[:, None], _FIXED * there[graph.vertices], guide)
    found = graph.solver.solve(degree + np.where(own, _FIXED, _TINY), 1.0, right)
    result = np.zeros((len(offsets), 3))
    result[graph.vertices] = np.where(own[:, None], there[graph.vertices], found)
    return result
