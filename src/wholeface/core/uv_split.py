"""Meshes with seams in their texture coordinates, with one vertex for each pair of vertex and UV point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .short_repr import short_repr

__all__ = ["UVSplit", "split_at_seams"]


@dataclass(frozen=True, eq=False)
class UVSplit:
    """One vertex per (vertex, UV point) pair that a triangle uses, in this order.

    Args:
        vertex: (N,) original vertex of each new one, ascending.
        uv: (N,) UV point of each new vertex.
        triangles: (F, 3) into the new vertices.
        mirrored: (N,) bool, of triangles whose texture is seen in a mirror; all False where nobody asked.
    """

    vertex: NDArray[np.int64]
    uv: NDArray[np.int64]
    triangles: NDArray[np.int64]
    mirrored: NDArray[np.bool_]

    __repr__ = short_repr


def split_at_seams(
    triangles: NDArray[np.int64], uv_triangles: NDArray[np.int64], uv: NDArray[Any] | None = None
) -> UVSplit:
    """Splits the vertices along UV seams; vertices without a triangle disappear.

    Args:
        triangles: (F, 3), counter-clockwise seen from outside.
        uv_triangles: (F, 3) into the UV points.
        uv: (U, 2) those points, u to the right and v up, to split also where a triangle whose texture is seen in a
            mirror (its UV points run clockwise) meets one that is not: their tangents have opposite handedness.
    """
    count = 1 + int(uv_triangles.max())
    keys = triangles * count + uv_triangles
    if uv is not None:
        a, b, c = (uv[uv_triangles[:, k]].astype(np.float64) for k in range(3))
        ab, ac = b - a, c - a
        clockwise = ab[:, 0] * ac[:, 1] < ab[:, 1] * ac[:, 0]
        keys = keys * 2 + clockwise[:, None]
    unique, index = np.unique(keys, return_inverse=True)
    mirrored = np.zeros(len(unique), bool)
    if uv is not None:
        mirrored = (unique & 1).astype(bool)
        unique >>= 1
    return UVSplit(unique // count, unique % count, index.reshape(-1, 3), mirrored)
