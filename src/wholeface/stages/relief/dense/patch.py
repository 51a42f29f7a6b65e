"""Pixels triangulated within a part of a mesh that they replace: the seam is closed by construction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.short_repr import short_repr

__all__ = ["Patch", "patch_of", "without_pinches"]

Array = NDArray[Any]
_SMALLEST = 12  # triangles: a part that is smaller is not worth a seam
_ROUNDS = 100


@dataclass(frozen=True)
class Patch:
    """What takes the place of some triangles.

    Args:
        replaced: (F,) bool, these triangles.
        border: (B,) int64, the vertices of the mesh on their border.
        points: (P,) int64, numbers of the points that are used.
        triangles: (T, 3) int64 into border and points, one after the other; oriented as the replaced ones.
    """

    replaced: Array
    border: Array
    points: Array
    triangles: Array

    __repr__ = short_repr


def patch_of(triangles: Array, projected: Array, wanted: Array, points: Array, home: Array) -> Patch | None:
    """Triangulate points in the plane, in place of some triangles of a mesh.

    The outline of the replaced part stays as it is, edge by edge: no point lies in the circle over an edge of it, so
    that each is an edge of the Delaunay triangulation; where one is missing for other reasons, the part is made
    smaller. What lies within the outline is the patch.

    Args:
        triangles: (F, 3) of the mesh.
        projected: (V, 2) its vertices in the plane; wanted triangles do not overlap there.
        wanted: (F,) bool, what may be replaced.
        points: (N, 2) in the same plane.
        home: (N,) the triangle in which each point lies, or −1.

    Returns:
        Patch, or None where nothing is left to replace.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import Delaunay

    replaced = without_pinches(triangles, wanted)
    for _ in range(_ROUNDS):
        if not replaced.any():
            return None
        outline, owner = _outline(triangles, replaced)
        border = np.unique(outline)
        crowded = _crowded(border, outline, projected)
        if crowded.any():
            replaced = _smaller(triangles, replaced, owner[crowded])
            continue
        inside = np.flatnonzero((home >= 0) & replaced[np.maximum(home, 0)])
        inside = inside[~_near_edges(points[inside], projected[outline])]
        count = len(border)
        plane = np.concatenate([projected[border], points[inside]])
        simplices = _turned(Delaunay(plane).simplices.astype(np.int64), plane, triangles[replaced], projected)
        edges = np.concatenate([simplices[:, [0, 1]], simplices[:, [1, 2]], simplices[:, [2, 0]]])
        keys = edges[:, 0] * len(plane) + edges[:, 1]
        local = np.searchsorted(border, outline)
        wanted_keys = local[:, 0] * len(plane) + local[:, 1]
        missing = ~np.isin(wanted_keys, keys)
        if missing.any():
            replaced = _smaller(triangles, replaced, owner[missing])
            continue
        # Neighbours across anything but the outline belong together; the outline's own direction says which side.
        order = np.argsort(keys, kind="stable")
        back = edges[:, 1] * len(plane) + edges[:, 0]
        place = np.minimum(np.searchsorted(keys[order], back), len(keys) - 1)
        met = (keys[order][place] == back) & ~np.isin(keys, wanted_keys) & ~np.isin(back, wanted_keys)
        number = len(simplices)
        pair = (np.flatnonzero(met) % number, order[place[met]] % number)
        graph = coo_matrix((np.ones(len(pair[0])), pair), shape=(number, number))
        _, label = connected_components(graph, directed=False)
        within = np.isin(label, label[np.flatnonzero(np.isin(keys, wanted_keys)) % number])
        kept = simplices[within]
        used = np.unique(kept[kept >= count]) - count
        renumber = np.full(len(plane), -1, np.int64)
        renumber[:count] = np.arange(count)
        renumber[count + used] = count + np.arange(len(used))
        return Patch(replaced, border, inside[used], renumber[kept])
    return None


def without_pinches(triangles: Array, wanted: Array) -> Array:
    """(F,) bool, the wanted triangles without small parts and without vertices at which only corners touch.

    Args:
        triangles: (F, 3).
        wanted: (F,) bool.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    kept = np.array(wanted, bool)
    while kept.any():
        outline, _ = _outline(triangles, kept)
        touched = np.bincount(outline.ravel(), minlength=int(triangles.max()) + 1)
        pinched = (touched[triangles] > 2).any(axis=1) & kept
        if pinched.any():
            kept &= ~pinched
            continue
        chosen = np.flatnonzero(kept)
        corners = triangles[chosen]
        edges = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), axis=1)
        _, number = np.unique(edges, axis=0, return_inverse=True)
        cells = np.tile(np.arange(len(chosen)), 3)
        incidence = coo_matrix((np.ones(len(cells)), (cells, number.ravel()))).tocsr()
        _, label = connected_components(incidence @ incidence.T, directed=False)
        small = np.bincount(label)[label] < _SMALLEST
        if not small.any():
            return kept
        kept[chosen[small]] = False
    return kept


def _outline(triangles: Array, chosen: Array) -> tuple[Array, Array]:
    """(E, 2) directed edges of the chosen triangles that no other chosen one shares, and (E,) whose they are."""
    number = np.flatnonzero(chosen)
    corners = triangles[number]
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    _, first, uses = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
    alone = first[uses == 1]
    return edges[alone], np.tile(number, 3)[alone]


def _smaller(triangles: Array, chosen: Array, without: Array) -> Array:
    left = chosen.copy()
    left[without] = False
    return without_pinches(triangles, left)


def _crowded(border: Array, outline: Array, projected: Array) -> Array:
    """(E,) bool, edges of the outline (E, 2) in whose circle another vertex of the border lies."""
    from scipy.spatial import cKDTree

    ends = projected[outline]
    radius = 0.5 * np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    found = cKDTree(projected[border]).query_ball_point(ends.mean(axis=1), (1 - 1e-9) * radius)
    return np.array([bool(set(border[f].tolist()) - set(e.tolist())) for f, e in zip(found, outline)])


def _near_edges(points: Array, edges: Array) -> Array:
    """(N,) bool, whether a point lies in the circle over an edge (E, 2, 2), or almost."""
    from scipy.spatial import cKDTree

    if len(points) == 0:
        return np.zeros(0, bool)
    middle = edges.mean(axis=1)
    radius = 0.5 * np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
    near = np.zeros(len(points), bool)
    for found in cKDTree(points).query_ball_point(middle, 1.02 * radius + 1e-6):
        near[found] = True
    return near


def _turned(simplices: Array, plane: Array, triangles: Array, projected: Array) -> Array:
    """The simplices, in the sense of rotation of some triangles in the plane."""

    def sense(corners: Array, points: Array) -> Array:
        a, b, c = (points[corners[:, k]] for k in range(3))
        one, other = b - a, c - a
        return np.asarray(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])

    wrong = sense(simplices, plane) * np.median(sense(triangles, projected)) < 0
    turned = simplices.copy()
    turned[wrong] = turned[wrong][:, [0, 2, 1]]
    return turned
