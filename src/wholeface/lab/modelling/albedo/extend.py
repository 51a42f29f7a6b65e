"""Smooth continuation of a field on the face over the whole head."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

__all__ = ["cotangent_laplacian", "extend_field"]

Array = NDArray[Any]


def cotangent_laplacian(vertices: Array, triangles: Array) -> tuple[sparse.csr_matrix, Array]:
    """Positive semi-definite cotangent Laplacian (V, V) and lumped vertex areas (V,).

    Negative weights are set to 0 so that the maximum principle holds.
    """
    count = len(vertices)
    i, j, w = [], [], []
    area = np.zeros(count)
    for k in range(3):
        a, b, c = triangles[:, k], triangles[:, (k + 1) % 3], triangles[:, (k + 2) % 3]
        u, v = vertices[b] - vertices[a], vertices[c] - vertices[a]
        cross = np.linalg.norm(np.cross(u, v), axis=1)
        i.append(b)
        j.append(c)
        w.append(0.5 * np.clip((u * v).sum(1) / np.maximum(cross, 1e-9), 1e-3, 20))
        np.add.at(area, a, cross / 6)
    links = sparse.coo_matrix(
        (np.concatenate(w), (np.concatenate(i), np.concatenate(j))), shape=(count, count)
    ).tocsr()
    links = links + links.T
    return sparse.diags(np.asarray(links.sum(1)).ravel()) - links, area


def extend_field(
    values: Array, confidence: Array, far: Array, vertices: Array, triangles: Array, *, length: float = 25.0
) -> Array:
    r"""Field over all vertices that keeps reliable values and falls back to ``far`` with the distance from
    them.

    .. math:: (L + \ell^{-2} M + T)\, x = \ell^{-2} M\, x_\infty + T\, x_0

    Args:
        values: (V, C) at the vertices; read only where ``confidence`` > 0.
        confidence: (V,) in [0, 1].
        far: (C,) or (V, C), the value far away.
        vertices: (V, 3) mm.
        triangles: (F, 3).
        length: decay length ℓ, mm.

    Returns:
        (V, C).
    """
    laplacian, area = cotangent_laplacian(vertices, triangles)
    hold = sparse.diags(area / length**2 + 1e-9)
    anchor = sparse.diags(confidence * area * 4.0)
    target = np.broadcast_to(far, values.shape)
    known = np.where(confidence[:, None] > 0, values, 0)
    solver = splu((laplacian + hold + anchor).tocsc())
    solved: Array = solver.solve(np.ascontiguousarray(hold @ target + anchor @ known, dtype=np.float64))
    return solved
