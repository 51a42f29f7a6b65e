"""The face of a model at a finer resolution: triangles split into four, their neighbours so that no crack opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.short_repr import short_repr
from ....morphable import MorphableModel
from ...texture.uv.atlas import FACE, has_uv, surface_of

__all__ = ["Subdivision", "curved_points", "subdivided", "subdivision_of"]

Array = NDArray[Any]
_MOST_LEVELS = 4
_ROUND = 0.75  # how far new vertices leave the flat triangle for the curved one


@dataclass(frozen=True)
class Subdivision:
    """Where the vertices of a finer mesh lie on a coarse one.

    The first V vertices and the first U points in UV are those of the coarse mesh.

    Args:
        triangles: (F', 3) int64.
        parent: (F',) int64, the coarse triangle in which each lies.
        source: (V',) int64, a coarse triangle on which each vertex lies.
        barycentric: (V', 3) float64 on it.
        uv: (U', 2) float64, or None where the model has none.
        uv_triangles: (F', 3) int64 into ``uv``, or None.
        uv_vertex: (U',) int64, the vertex to which each point in UV belongs, or None.
    """

    triangles: Array
    parent: Array
    source: Array
    barycentric: Array
    uv: Array | None
    uv_triangles: Array | None
    uv_vertex: Array | None

    __repr__ = short_repr

    def spread(self, values: Array, triangles: Array) -> Array:
        """(V', …) values at the finer vertices, linear over each coarse triangle.

        Args:
            values: (V, …) at the coarse vertices.
            triangles: (F, 3) coarse triangles.
        """
        corners = values[triangles[self.source]]
        spread: Array = np.einsum("vk,vk...->v...", self.barycentric, corners)
        return spread

    def curved(self, vertices: Array, normals: Array, triangles: Array) -> Array:
        r"""(V', 3) positions on curved triangles, through the coarse vertices.

        .. math:: p^* = (1 - \alpha)\,p + \alpha \sum_k b_k \left(p - ((p - v_k) \cdot n_k)\, n_k\right)

        Flat triangles would show their edges in the normals of the finer mesh.

        Args:
            vertices: (V, 3) coarse.
            normals: (V, 3) unit normals at them.
            triangles: (F, 3) coarse.

        Source: Boubekeur & Alexa 2008, "Phong tessellation".
        """
        corners = triangles[self.source]
        return curved_points(vertices[corners], normals[corners], self.barycentric)


def curved_points(corners: Array, normals: Array, barycentric: Array) -> Array:
    """(P, 3) points on curved triangles; see :meth:`Subdivision.curved`.

    Args:
        corners: (P, 3, 3) of each point's triangle.
        normals: (P, 3, 3) unit, at them.
        barycentric: (P, 3).
    """
    flat = np.einsum("pk,pkc->pc", barycentric, corners)
    away = np.einsum("pkc,pkc->pk", flat[:, None] - corners, normals)
    curved: Array = flat - _ROUND * np.einsum("pk,pk,pkc->pc", barycentric, away, normals)
    return curved


def subdivision_of(model: MorphableModel, levels: int) -> Subdivision:
    """The face of a model subdivided, made once and kept with it.

    Triangles of the face are split into four ``levels`` times; those beside it are split along shared edges alone.
    On a mirror-symmetric mesh the vertices are mirror-symmetric, too.

    Args:
        model: face model.
        levels: 0 to 4; each makes four times as many triangles.

    Raises:
        UsageError: another number of levels.
    """
    if not 0 <= levels <= _MOST_LEVELS:
        raise UsageError(f"levels of subdivision must be 0 to {_MOST_LEVELS}, got {levels}")
    return model.table("subdivided face", lambda m: _of_model(m, levels), key=levels)


def _of_model(model: MorphableModel, levels: int) -> Subdivision:
    surface = surface_of(model)
    mean = model.mean.detach().cpu().double().numpy()
    uv, uv_triangles = None, None
    if has_uv(model):
        assert model.uv is not None
        assert model.uv_triangles is not None
        uv, uv_triangles = model.uv.detach().cpu().double().numpy(), model.uv_triangles.cpu().numpy()
    return subdivided(surface.triangles, mean, surface.kind == FACE, levels, uv=uv, uv_triangles=uv_triangles)


def subdivided(
    triangles: Array,
    vertices: Array,
    wanted: Array,
    levels: int,
    *,
    uv: Array | None = None,
    uv_triangles: Array | None = None,
) -> Subdivision:
    """Split some triangles of a mesh into four, again and again.

    A neighbour that is not wanted is split into two, three or four where one, two or three of its edges are: no
    vertex ends inside another triangle's edge. Of the two ways to split a quadrangle the shorter diagonal is taken.

    Args:
        triangles: (F, 3).
        vertices: (V, 3), which tell lengths.
        wanted: (F,) bool.
        levels: how often.
        uv: (U, 2) with ``uv_triangles`` (F, 3).
        uv_triangles: see ``uv``.
    """
    corners, points = triangles.astype(np.int64), vertices.astype(np.float64)
    textured = uv is not None and uv_triangles is not None
    flat = uv_triangles.astype(np.int64) if textured and uv_triangles is not None else corners
    places = uv.astype(np.float64) if textured and uv is not None else points
    parent = np.arange(len(corners))
    weights = np.broadcast_to(np.eye(3), (len(corners), 3, 3)).copy()
    for _ in range(levels):
        edges, points = _midpoints(corners, points, wanted[parent])
        if textured:  # an edge is split in UV where it is split in space
            seams, places = _midpoints(flat, places, None, edges >= 0)
        else:
            seams = edges
        corners, flat, weights, parent = _split(corners, flat, weights, parent, edges, seams, points)
    source, barycentric = np.zeros(len(points), np.int64), np.zeros((len(points), 3))
    vertex, first = np.unique(corners.ravel(), return_index=True)
    source[vertex], barycentric[vertex] = parent[first // 3], weights.reshape(-1, 3)[first]
    if not textured:
        return Subdivision(corners, parent, source, barycentric, None, None, None)
    owner = np.zeros(len(places), np.int64)
    owner[flat.ravel()] = corners.ravel()
    return Subdivision(corners, parent, source, barycentric, places, flat, owner)


def _midpoints(
    triangles: Array, points: Array, wanted: Array | None, split: Array | None = None
) -> tuple[Array, Array]:
    """(F, 3) number of the new point on edge (k, k + 1), −1 where it stays whole; and all points, new ones last."""
    ends = np.sort(np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=2), axis=2)
    keys = ends[..., 0] * len(points) + ends[..., 1]
    _, first, edge = np.unique(keys.ravel(), return_index=True, return_inverse=True)
    edge = edge.reshape(keys.shape)
    divided = np.zeros(len(first), bool)
    divided[edge[wanted] if wanted is not None else edge[split]] = True
    number = np.full(len(first), -1, np.int64)
    number[divided] = len(points) + np.arange(int(divided.sum()))
    pairs = ends.reshape(-1, 2)[first[divided]]
    return number[edge], np.concatenate([points, points[pairs].mean(axis=1)])


def _split(
    corners: Array, flat: Array, weights: Array, parent: Array, edges: Array, seams: Array, points: Array
) -> tuple[Array, Array, Array, Array]:
    """All triangles after a round; corners 3, 4, 5 of the hexagon are the new points on edges 0, 1, 2."""
    hexagon = np.concatenate([corners, edges], axis=1)  # (F, 6)
    hexagon_uv = np.concatenate([flat, seams], axis=1)
    middle = (weights + np.roll(weights, -1, axis=1)) / 2
    hexagon_weights = np.concatenate([weights, middle], axis=1)  # (F, 6, 3)
    kept: list[tuple[Array, Array]] = []  # triangles, and the corners of the hexagon that become one

    def add(where: Array, *parts: tuple[int, int, int]) -> None:
        for part in parts:
            kept.append((where, np.broadcast_to(np.array(part), (len(where), 3))))

    divided = edges >= 0
    count = divided.sum(axis=1)
    add(np.flatnonzero(count == 0), (0, 1, 2))
    add(np.flatnonzero(count == 3), (0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5))
    for k in range(3):
        a, b, c = k, (k + 1) % 3, (k + 2) % 3
        add(np.flatnonzero((count == 1) & divided[:, k]), (a, 3 + a, c), (3 + a, b, c))
        both = np.flatnonzero((count == 2) & ~divided[:, c])  # edges a and b are split, c–a is not
        mab, mbc = 3 + a, 3 + b
        add(both, (mab, b, mbc))
        one = points[hexagon[both, a]] - points[hexagon[both, mbc]]
        other = points[hexagon[both, mab]] - points[hexagon[both, c]]
        shorter = (one**2).sum(axis=1) <= (other**2).sum(axis=1)
        add(both[shorter], (a, mab, mbc), (a, mbc, c))
        add(both[~shorter], (a, mab, c), (mab, mbc, c))
    where = np.concatenate([part[0] for part in kept])
    pick = np.concatenate([part[1] for part in kept])
    order = np.argsort(where, kind="stable")
    where, pick = where[order], pick[order]
    rows = where[:, None]
    return hexagon[rows, pick], hexagon_uv[rows, pick], hexagon_weights[rows, pick], parent[where]
