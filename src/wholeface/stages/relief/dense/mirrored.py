"""The mirror images of the vertices and triangles of a subdivided face."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....morphable import MorphableModel
from ...texture.uv.atlas import surface_of
from .subdivision import subdivision_of

__all__ = ["mirror_of_subdivision"]

Array = NDArray[Any]


def mirror_of_subdivision(model: MorphableModel, levels: int) -> tuple[Array, Array]:
    """(V',) int64 vertex and (F',) int64 triangle that mirror each one, −1 where there is none; kept with the model.

    A vertex is known by the vertices of the model between which it lies, and by its weights.

    Args:
        model: without mirror index nothing has an image.
        levels: of the subdivision.
    """
    return model.table("mirror of the subdivided face", lambda m: _build(m, levels), key=levels)


def _build(model: MorphableModel, levels: int) -> tuple[Array, Array]:
    fine, surface = subdivision_of(model, levels), surface_of(model)
    count = len(fine.source)
    if surface.mirror is None:
        return np.full(count, -1, np.int64), np.full(len(fine.triangles), -1, np.int64)
    weights = np.round(fine.barycentric * 2**levels).astype(np.int64)
    corners = surface.triangles[fine.source].astype(np.int64)

    def named(vertices: Array) -> Array:
        """(V', 6) the same numbers for the same place, whatever the triangle that tells it."""
        used = np.where(weights > 0, vertices, -1)
        order = np.argsort(used, axis=1)
        return np.concatenate(
            [np.take_along_axis(used, order, 1), np.take_along_axis(weights, order, 1)], axis=1
        )

    vertex = _matches(named(surface.mirror[corners].astype(np.int64)), named(corners))
    images = vertex[fine.triangles]
    triangle = _matches(np.sort(images, axis=1), np.sort(fine.triangles, axis=1))
    triangle[(images < 0).any(axis=1)] = -1
    return vertex, triangle


def _matches(wanted: Array, rows: Array) -> Array:
    """(N,) the number of the row (M, K) that equals each wanted one (N, K), −1 where none does."""
    both, number = np.unique(np.concatenate([rows, wanted]), axis=0, return_inverse=True)
    found = np.full(len(both), -1, np.int64)
    number = number.ravel()
    found[number[: len(rows)]] = np.arange(len(rows))
    return np.asarray(found[number[len(rows) :]])
