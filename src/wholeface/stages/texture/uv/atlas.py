"""Constant for a model and a texture size: the surface point that each texel shows, and its mirror."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ....core.errors import UsageError
from ....morphable import MorphableModel
from ....render import Camera, rasterize
from .graph_solver import GraphSolver

__all__ = [
    "EYEBALL",
    "FACE",
    "HIDDEN",
    "INNER",
    "OUTER",
    "TEETH",
    "Array",
    "Atlas",
    "Surface",
    "atlas_of",
    "has_uv",
    "surface_of",
]

Array = np.ndarray[Any, Any]

HIDDEN, FACE, OUTER, EYEBALL, TEETH, INNER = range(6)
"""Kind of a triangle: skin that is never sampled (scalp, neck), the face, the ears, and the rest."""

_RANK = np.array([5, 0, 1, 2, 3, 4], np.uint8)
"""By kind: whose colour a vertex takes where triangles of several kinds meet."""


@dataclass(frozen=True)
class Surface:
    """Per-model facts that do not depend on the texture size.

    Args:
        triangles: (F, 3) int32.
        kind: (F,) uint8, see the constants of this file.
        mirror: (V,) int32 or None.
        mirror_triangle: (F,) int32, index of the mirrored triangle, −1 where there is none.
        mirror_corner: (F, 3) int8, corner of the mirrored triangle that mirrors corner j.
        rows, columns: compressed sparse rows of the adjacency of the skin's vertices.
        skin: (V,) bool, vertices of skin triangles.
        rim: (V,) mm, distance of face vertices from the rim of the face region; 0 outside it.
        side: (V,) float32 mm, x of the mean model: positive on the face's left.
        eyes: (2, 4) centre (mm) and radius of the two eyeballs (the face's left first), NaN if there are
            none.
    """

    triangles: Array
    kind: Array
    mirror: Array | None
    mirror_triangle: Array
    mirror_corner: Array
    rows: Array
    columns: Array
    skin: Array
    rim: Array
    side: Array
    eyes: Array

    @cached_property
    def solver(self) -> GraphSolver:
        """Solves membranes over the skin's vertices."""
        return GraphSolver.of(self.rows, self.columns)


@dataclass(frozen=True)
class Atlas:
    """Texels that show the surface, in compact order; for a model without UV, its vertices.

    Args:
        size: edge S of the texture; 0 where the texels are vertices.
        texel: (T,) int32, flat index row · S + column, or the vertex.
        triangle: (T,) int32.
        barycentric: (T, 3) float32.
        nearest: (S, S) int32, compact index of the texel itself or of the nearest one that shows the surface; (V,)
            where the texels are vertices.
        mirror_triangle, mirror_barycentric: the mirrored surface point of each texel, or −1.
        uv_area: (F,) float32, area of each triangle in texels.
    """

    size: int
    texel: Array
    triangle: Array
    barycentric: Array
    nearest: Array
    mirror_triangle: Array
    mirror_barycentric: Array
    uv_area: Array


def surface_of(model: MorphableModel) -> Surface:
    """The facts of a model, computed once and kept with it."""
    return model.table("surface", _build_surface)


def atlas_of(model: MorphableModel, size: int) -> Atlas:
    """The texels of a model at one size, computed once and kept with it; see :class:`Atlas`.

    Raises:
        UsageError: the model has UV coordinates, but none inside [0, 1].
    """
    if not has_uv(model):
        return model.table("vertex atlas", _vertex_atlas)
    return model.table("atlas", lambda m: _build_atlas(m, size), key=size)


def has_uv(model: MorphableModel) -> bool:
    """Whether the model can carry a texture; the others are coloured per vertex."""
    return model.uv is not None and model.uv_triangles is not None


def _vertex_atlas(model: MorphableModel) -> Atlas:
    """Each vertex that a triangle uses as one texel: for models without UV."""
    surface = surface_of(model)
    count, corners = model.vertex_count, surface.triangles.ravel()
    # The first triangle of each vertex in order of kind: a vertex on the rim of the face is the face's.
    order = np.argsort(_RANK[surface.kind[np.arange(len(corners)) // 3]], kind="stable")
    texel, first = np.unique(corners[order], return_index=True)
    place = order[first]
    barycentric = np.zeros((len(texel), 3), np.float32)
    barycentric[np.arange(len(texel)), place % 3] = 1
    nearest = np.zeros(count, np.int32)  # a vertex without a triangle is never seen: any colour serves
    nearest[texel] = np.arange(len(texel), dtype=np.int32)
    triangle = (place // 3).astype(np.int32)
    image, mirrored = _mirror_points(model, surface, triangle, barycentric)
    return Atlas(
        0,
        texel.astype(np.int32),
        triangle,
        barycentric,
        nearest,
        np.ascontiguousarray(image),
        mirrored,
        np.full(len(surface.triangles), 0.5, np.float32),  # a mesh has half as many vertices as triangles
    )


def _region(model: MorphableModel, name: str) -> Array:
    mask = model.regions.get(name)
    return np.zeros(model.vertex_count, bool) if mask is None else np.asarray(mask.cpu().numpy(), bool)


def _build_surface(model: MorphableModel) -> Surface:
    triangles = model.triangles.cpu().numpy().astype(np.int32)
    mean = model.mean.detach().cpu().double().numpy()
    face = _region(model, "face")
    if not face.any():
        face = _region(model, "skin")
    if not face.any():
        face = ~(_region(model, "eyeballs") | _region(model, "teeth") | _region(model, "inner_mouth"))
    outer = _region(model, "ears")
    eyeballs, teeth, inner = (_region(model, name) for name in ("eyeballs", "teeth", "inner_mouth"))

    def all_corners(mask: Array) -> Array:
        return np.asarray(mask[triangles].all(axis=1))

    kind = np.full(len(triangles), HIDDEN, np.uint8)
    kind[all_corners(face | outer)] = OUTER
    kind[all_corners(face)] = FACE
    kind[inner[triangles].any(axis=1) & ~all_corners(face)] = INNER
    kind[all_corners(teeth)] = TEETH
    kind[all_corners(eyeballs)] = EYEBALL
    skin_triangles = triangles[kind <= OUTER]
    skin = np.zeros(len(mean), bool)
    skin[skin_triangles] = True
    rows, columns = _adjacency(skin_triangles, len(mean))
    mirror = _mirror_vertices(model, mean)
    mirror_triangle, mirror_corner = _mirror_triangles(triangles, mirror)
    return Surface(
        triangles,
        kind,
        mirror,
        mirror_triangle,
        mirror_corner,
        rows,
        columns,
        skin,
        _rim_distance(mean, triangles[kind == FACE], face),
        mean[:, 0].astype(np.float32),
        _eye_spheres(mean, eyeballs),
    )


def _adjacency(triangles: Array, count: int) -> tuple[Array, Array]:
    """Neighbours of each vertex in compressed sparse rows."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]]).astype(np.int64)
    keys = np.unique(edges[:, 0] * count + edges[:, 1])
    rows = np.zeros(count + 1, np.int32)
    np.add.at(rows, keys // count + 1, 1)
    return np.cumsum(rows, dtype=np.int32), (keys % count).astype(np.int32)


def _mirror_vertices(model: MorphableModel, mean: Array) -> Array | None:
    """The model's own mirror index, or the nearest vertex of the reflected mean if that is close."""
    if model.mirror is not None:
        return model.mirror.cpu().numpy().astype(np.int32)
    from scipy.spatial import cKDTree

    centre = 0.5 * (mean[:, 0].min() + mean[:, 0].max())
    distance, nearest = cKDTree(mean).query(mean * [-1.0, 1.0, 1.0] + [2 * centre, 0.0, 0.0])
    return nearest.astype(np.int32) if np.median(distance) < 3.0 else None


def _mirror_triangles(triangles: Array, mirror: Array | None) -> tuple[Array, Array]:
    """Mirrored triangle and corner of each triangle; −1 where the mesh is not symmetric."""
    found = np.full(len(triangles), -1, np.int32)
    corner = np.zeros((len(triangles), 3), np.int8)
    if mirror is None:
        return found, corner
    images = mirror[triangles]
    count = np.int64(triangles.max()) + 1

    def keys(corners: Array) -> Array:
        ordered = np.sort(corners.astype(np.int64), axis=1)
        return np.asarray((ordered[:, 0] * count + ordered[:, 1]) * count + ordered[:, 2])

    own, wanted = keys(triangles), keys(images)
    order = np.argsort(own, kind="stable")
    place = np.minimum(np.searchsorted(own[order], wanted), len(own) - 1)
    hit = own[order][place] == wanted
    found[hit] = order[place[hit]]
    candidates = triangles[found]
    corner[:] = (candidates[:, None, :] == images[:, :, None]).argmax(axis=2)
    found[~hit] = -1
    return found, corner


def _mirror_points(
    model: MorphableModel, surface: Surface, triangle: Array, barycentric: Array
) -> tuple[Array, Array]:
    """Mirror images (T,), (T, 3) of surface points: by triangle where symmetric, else by position."""
    image = surface.mirror_triangle[triangle]
    mirrored = np.zeros_like(barycentric)
    np.put_along_axis(mirrored, surface.mirror_corner[triangle].astype(np.int64), barycentric, axis=1)
    if surface.mirror is None:
        return image, mirrored
    odd = np.flatnonzero(image < 0)
    if len(odd) == 0:
        return image, mirrored
    mean = model.mean.detach().cpu().double().numpy()
    triangles = surface.triangles
    plane = float(np.mean(mean[:, 0] + mean[surface.mirror, 0]))
    corners = triangles[triangle[odd]]
    points = np.einsum("tj,tjc->tc", barycentric[odd], mean[corners]) * [-1.0, 1.0, 1.0] + [plane, 0.0, 0.0]
    # Candidates: the triangles around the image of the corner that weighs most.
    order = np.argsort(triangles.ravel(), kind="stable")
    start = np.searchsorted(triangles.ravel()[order], np.arange(len(mean) + 1))
    anchor = surface.mirror[np.take_along_axis(corners, barycentric[odd].argmax(1)[:, None], 1)[:, 0]]
    best = np.full(len(odd), -np.inf)
    for slot in range(int((start[1:] - start[:-1]).max())):
        live = np.flatnonzero(start[anchor] + slot < start[anchor + 1])
        candidate = order[start[anchor[live]] + slot] // 3
        weights = _project_onto(points[live], mean[triangles[candidate]])
        better = weights.min(axis=1) > best[live]
        chosen = live[better]
        best[chosen] = weights[better].min(axis=1)
        image[odd[chosen]] = candidate[better]
        kept = np.clip(weights[better], 0, None)
        mirrored[odd[chosen]] = kept / kept.sum(axis=1, keepdims=True)
    return image, mirrored


def _project_onto(points: Array, corners: Array) -> Array:
    """Barycentric coordinates (P, 3) of points (P, 3) projected into the planes of triangles (P, 3, 3)."""
    a, b, p = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], points - corners[:, 0]
    aa, ab, bb = (a * a).sum(1), (a * b).sum(1), (b * b).sum(1)
    pa, pb = (p * a).sum(1), (p * b).sum(1)
    scale = 1 / np.maximum(aa * bb - ab * ab, 1e-12)
    u, v = (bb * pa - ab * pb) * scale, (aa * pb - ab * pa) * scale
    return np.stack([1 - u - v, u, v], axis=1)


def _rim_distance(mean: Array, triangles: Array, face: Array) -> Array:
    """Distance from the outer rim of the face region: its longest border loop (others are eyes and mouth)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    distance = np.zeros(len(mean), np.float32)
    if len(triangles) == 0:
        return distance
    edges = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1
    )
    unique, uses = np.unique(edges, axis=0, return_counts=True)
    border = unique[uses == 1]
    if len(border) == 0:
        distance[face] = 1e3
        return distance
    graph = coo_matrix((np.ones(len(border)), (border[:, 0], border[:, 1])), shape=(len(mean), len(mean)))
    _, label = connected_components(graph, directed=False)
    loops = label[border[:, 0]]
    extent = {
        loop: float(np.linalg.norm(np.ptp(mean[border[loops == loop].ravel()], axis=0)))
        for loop in np.unique(loops)
    }
    rim = np.unique(border[loops == max(extent, key=lambda loop: extent[loop])])
    distance[face] = cKDTree(mean[rim]).query(mean[face])[0]
    return distance


def _eye_spheres(mean: Array, eyeballs: Array) -> Array:
    """Centre and radius of each eyeball from the extent of its vertices."""
    eyes = np.full((2, 4), np.nan, np.float64)
    for row, side in enumerate((mean[:, 0] > 0, mean[:, 0] <= 0)):
        points = mean[eyeballs & side]
        if len(points) > 8:
            low, high = points.min(axis=0), points.max(axis=0)
            radius = 0.25 * float((high - low)[:2].sum())
            centre = 0.5 * (low + high)
            # The cornea bulges forward, so only the extents in x and y tell the radius and z is anchored
            # behind it.
            eyes[row] = (*centre, radius)
    return eyes


def _build_atlas(model: MorphableModel, size: int) -> Atlas:
    from scipy.ndimage import distance_transform_edt

    assert model.uv is not None
    assert model.uv_triangles is not None
    surface = surface_of(model)
    uv = model.uv.detach().cpu().double()
    # Depth 1 everywhere: u = cx + f·x and v = cy − f·y put texel centres at (i + ½) / S.
    flat = torch.cat([uv, torch.full((len(uv), 1), -1.0, dtype=uv.dtype)], dim=1)
    camera = Camera(float(size), -0.5, size - 0.5, size, size)
    fragments = rasterize(flat.float(), model.uv_triangles.cpu(), camera, "numba", near=0.5)
    triangle_map = fragments.triangle[0].numpy()
    texel = np.flatnonzero(triangle_map.ravel() >= 0).astype(np.int32)
    if len(texel) == 0:
        raise UsageError(f"no UV coordinate of the face model {model.name!r} lies inside [0, 1]")
    triangle = triangle_map.ravel()[texel]
    barycentric = fragments.barycentric[0].reshape(-1, 3)[torch.from_numpy(texel).long()].float().numpy()
    compact = np.zeros(size * size, np.int32)
    compact[texel] = np.arange(len(texel), dtype=np.int32)
    row, column = distance_transform_edt(triangle_map < 0, return_distances=False, return_indices=True)
    nearest = compact.reshape(size, size)[row, column]
    image, mirrored = _mirror_points(model, surface, triangle, barycentric)
    corners = uv.numpy()[model.uv_triangles.cpu().numpy()] * size
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = 0.5 * np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    return Atlas(
        size,
        texel,
        np.ascontiguousarray(triangle),
        barycentric,
        np.ascontiguousarray(nearest),
        np.ascontiguousarray(image),
        mirrored,
        area.astype(np.float32),
    )
