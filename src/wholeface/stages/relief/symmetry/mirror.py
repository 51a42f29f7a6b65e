"""The mirrored point of any surface point of a face model, by its mirror index or by reflection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.nearest import Surface
from ....morphable import MorphableModel
from ...texture.uv.atlas import atlas_of, surface_of

__all__ = ["mirror_of_texels", "mirror_of_vertices", "mirrored_points", "symmetry_plane"]

Array = NDArray[Any]


def symmetry_plane(model: MorphableModel) -> float:
    """x in mm of the plane over which the mean head is reflected."""
    mean = model.mean.detach().cpu().double().numpy()
    mirror = surface_of(model).mirror
    if mirror is not None:
        return float(np.mean(mean[:, 0] + mean[mirror, 0]) / 2)
    return float((mean[:, 0].min() + mean[:, 0].max()) / 2)


def mirrored_points(model: MorphableModel, triangle: Array, barycentric: Array) -> tuple[Array, Array]:
    """(P,) int32 triangle and (P, 3) float32 weights of the mirror image of surface points.

    By index where the mesh is mirror-symmetric; else the mean head is reflected, and the nearest point of its surface
    taken.

    Args:
        model: any face model.
        triangle: (P,) triangles on which the points lie.
        barycentric: (P, 3) on them.
    """
    surface = surface_of(model)
    image = surface.mirror_triangle[triangle].astype(np.int32)
    mirrored = np.zeros((len(triangle), 3), np.float32)
    corner = surface.mirror_corner[triangle].astype(np.int64)
    np.put_along_axis(mirrored, corner, barycentric.astype(np.float32), axis=1)
    odd = np.flatnonzero(image < 0)
    if len(odd):
        mean = model.mean.detach().cpu().double().numpy()
        points = np.einsum("pk,pkc->pc", barycentric[odd], mean[surface.triangles[triangle[odd]]])
        points[:, 0] = 2 * symmetry_plane(model) - points[:, 0]
        ground = model.table(
            "surface of the mean", lambda m: Surface(mean, surface.triangles.astype(np.int64))
        )
        image[odd], mirrored[odd] = ground.barycentric(points)
    return image, mirrored


def mirror_of_vertices(model: MorphableModel) -> tuple[Array, Array]:
    """(V,) triangle and (V, 3) weights of the mirror image of each vertex, computed once and kept with the model.

    A vertex without a triangle is its own image on triangle 0, of no consequence.
    """
    return model.table("mirror of vertices", _of_vertices)


def mirror_of_texels(model: MorphableModel, size: int) -> tuple[Array, Array]:
    """(T,) triangle and (T, 3) weights of the mirror image of each texel of the atlas, kept with the model."""
    atlas = atlas_of(model, size)
    if (atlas.mirror_triangle >= 0).all():
        return atlas.mirror_triangle, atlas.mirror_barycentric
    return model.table(
        "mirror of texels", lambda m: mirrored_points(m, atlas.triangle, atlas.barycentric), key=size
    )


def _of_vertices(model: MorphableModel) -> tuple[Array, Array]:
    triangle, barycentric = vertex_places(model)
    return mirrored_points(model, triangle, barycentric)


def vertex_places(model: MorphableModel) -> tuple[Array, Array]:
    """(V,) a triangle of each vertex and (V, 3) its weights there: 1 at one corner."""
    corners = surface_of(model).triangles.ravel()
    triangle = np.zeros(model.vertex_count, np.int32)
    barycentric = np.zeros((model.vertex_count, 3), np.float32)
    vertex, place = np.unique(corners, return_index=True)
    triangle[vertex] = place // 3
    barycentric[vertex, place % 3] = 1
    return triangle, barycentric
