"""The shipped topology laid onto MakeHuman's young adult head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from .....core.nearest import Surface
from .....core.umeyama import umeyama

__all__ = ["Registration", "Topology", "graph_laplacian", "register", "symmetric_solver"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Vertices of MakeHuman's base mesh at iBUG points of the left half and the middle, found by mediapipe on renderings
# of both heads from seven sides and moved to the nearest vertex; those off by more than 2.3 mm are left out.
_LEFT_68 = {
    **{8: 5225, 9: 11780, 10: 11900, 11: 10366, 13: 11851, 26: 7024},
    **{27: 132, 28: 131, 29: 164, 30: 294, 33: 317, 34: 7076, 35: 7095},
    **{42: 6853, 43: 11483, 44: 13358, 45: 7757, 46: 7760, 47: 7762},
    **{51: 362, 52: 7116, 53: 11943, 54: 10403, 55: 7166, 57: 492, 64: 7197},
}
# Our vertex -> MakeHuman's: top, outermost point and lobe of the left ear.
_LEFT_EAR = {2890: 12012, 2667: 12038, 2756: 12329}

_FLIP = np.array([-1.0, 1.0, 1.0])
_STIFFNESS = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0)  # of the offsets' bending, one round after the other
_MARKS = (30.0, 20.0, 10.0, 5.0, 2.0, 0.5)  # weight of a landmark beside that of a vertex, likewise
_STEPS = 4  # closest points per round
_FAR = (25.0, 20.0, 14.0, 10.0, 7.0, 5.0)  # mm, from where a closest point is not believed
_FACING = 0.5  # least cosine of the normals
_MODES = 60  # of the model's own identity, for the start
_OUTSIDE = 0.35  # weight of what is not the face


@dataclass(frozen=True)
class Topology:
    """What is laid onto another head.

    Args:
        points: (V, 3) mm, its mean.
        triangles: (F, 3).
        mirror: (V,) index of the mirror image.
        identity: (K, V, 3) mm, the modes with which the registration begins.
        marks: (68,) vertices at the iBUG points.
        skin: (V,) bool, what has a counterpart on the other head's surface.
        face: (V,) bool, the part of it that counts in full.
        loose: (V,) bool, what is moved by others than its neighbours: eyeballs, teeth, gums, tongue.
    """

    points: Floats
    triangles: Ints
    mirror: Ints
    identity: Floats
    marks: Ints
    skin: Bools
    face: Bools
    loose: Bools


@dataclass(frozen=True)
class Registration:
    """Our vertices on the other head.

    Args:
        points: (V, 3) mm, mirror-symmetric; loose vertices are where they were.
        scale: millimetres per unit of the other head; ``shift``: (3,) mm: ours = scale · theirs + shift.
        triangle: (V,) nearest triangle of the other head; ``barycentric``: (V, 3) where on it.
        seen: (V,) bool, the nearest point is a counterpart.
        distance: (V,) mm to the other head's surface.
    """

    points: Floats
    scale: float
    shift: Floats
    triangle: Ints
    barycentric: Floats
    seen: Bools
    distance: Floats


def graph_laplacian(triangles: Ints, count: int) -> sparse.csr_matrix:
    """(V, V) mean of the neighbours minus the vertex, rows of lonely vertices empty."""
    i, j = triangles[:, [0, 1, 2]].ravel(), triangles[:, [1, 2, 0]].ravel()
    links = sparse.coo_matrix((np.ones(len(i)), (i, j)), shape=(count, count)).tocsr()
    links = ((links + links.T) > 0).astype(np.float64)
    degree = np.asarray(links.sum(axis=1)).ravel()
    share = sparse.diags(1.0 / np.maximum(degree, 1.0))
    return (share @ links - sparse.diags((degree > 0).astype(np.float64))).tocsr()


def register(ours: Topology, vertices: Floats, triangles: Ints, rows: Ints) -> Registration:
    """Landmarks; the model's own subspace; then offsets that bend ever more easily, to the closest points.

    Each round minimises, over the offsets d of all vertices that hang together,

    .. math:: \\sum_v w_v \\|p_v + d_v - q_v\\|^2 + m \\sum_l \\|p_l + d_l - x_l\\|^2 + s \\|L d\\|^2

    with the closest surface points q, where they face the same way.

    Args:
        ours: the shipped topology.
        vertices: (n, 3) the other head, in any unit, in our axes.
        triangles: (F, 3) of its skin.
        rows: (n,) its vertices' numbers in MakeHuman's base mesh.

    Returns:
        See :class:`Registration`.

    Source: Amberg, Romdhani & Vetter, Optimal Step Nonrigid ICP, CVPR 2007 (its stiffness schedule).
    """
    own, places = _landmarks(ours, vertices, rows)
    scale, _, _ = umeyama(places, ours.points[own])
    # Both heads face along +z and are symmetric: turned about x at most, which the offsets take up.
    shift = ours.points[own].mean(axis=0) - scale * places.mean(axis=0)
    shift[0] = 0.0
    theirs = scale * vertices + shift
    marks = scale * places + shift
    surface = Surface(theirs, triangles)
    open_edge = _border(triangles, len(vertices))
    start = ours.points + _subspace(ours, surface, own, marks)
    bound = np.flatnonzero(~ours.loose)
    laplace = graph_laplacian(ours.triangles, len(ours.points))[bound][:, bound]
    bending = (laplace.T @ laplace).tocsc()
    weight = np.where(ours.face, 1.0, _OUTSIDE)
    points = start.copy()
    for stiffness, mark, far in zip(_STIFFNESS, _MARKS, _FAR, strict=True):
        for _ in range(_STEPS):
            near, _, seen, _, _ = _closest(ours, points, surface, open_edge, triangles, far)
            pull = np.where(seen, weight, 0.0)
            right = pull[:, None] * np.where(seen[:, None], near - start, 0.0)
            pull[own] += mark
            right[own] += mark * (marks - start[own])
            matrix = (sparse.diags(pull[bound] + 1e-6) + stiffness * bending).tocsc()
            offset = np.zeros_like(points)
            offset[bound] = symmetric_solver(matrix)(right[bound])
            offset = 0.5 * (offset + offset[ours.mirror] * _FLIP)
            points = start + offset
    near, _, seen, triangle, barycentric = _closest(ours, points, surface, open_edge, triangles, 3.0)
    distance = np.linalg.norm(near - points, axis=1)
    return Registration(points, scale, shift, triangle, barycentric, seen, distance)


def symmetric_solver(matrix: sparse.csc_matrix) -> Callable[[Floats], Floats]:
    """x = A⁻¹ b for a sparse symmetric positive definite A, factored once."""
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return lambda right: np.asarray(factors.solve(right))


def _landmarks(ours: Topology, vertices: Floats, rows: Ints) -> tuple[Ints, Floats]:
    """Our vertices with landmarks, and the other head's places for them; both halves."""
    row = {int(number): k for k, number in enumerate(rows)}
    left = {int(ours.marks[k]): vertices[row[vertex]] for k, vertex in _LEFT_68.items()}
    left |= {own: vertices[row[vertex]] for own, vertex in _LEFT_EAR.items()}
    both = {int(ours.mirror[own]): place * _FLIP for own, place in left.items()} | left
    return np.array(list(both), dtype=np.int64), np.array(list(both.values()))


def _border(triangles: Ints, count: int) -> Bools:
    """(n,) vertices on an open edge."""
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, times = np.unique(edges, axis=0, return_counts=True)
    on = np.zeros(count, dtype=bool)
    on[unique[times == 1]] = True
    return on


def _closest(
    ours: Topology, points: Floats, surface: Surface, open_edge: Bools, triangles: Ints, far: float
) -> tuple[Floats, Floats, Bools, Ints, Floats]:
    """Nearest points, their normals, which are counterparts, their triangles and where on these they lie."""
    near, normal, _ = surface.nearest(points)
    triangle, barycentric = surface.barycentric(points)
    corners = triangles[triangle]
    at_edge = (open_edge[corners] & (barycentric > 0.02)).any(axis=1)
    fits = (vertex_normals(points, ours.triangles) * normal).sum(axis=1) > _FACING
    seen = ours.skin & fits & ~at_edge & (np.linalg.norm(near - points, axis=1) < far)
    return near, normal, seen, triangle, barycentric


def vertex_normals(points: Floats, triangles: Ints) -> Floats:
    """(V, 3) unit normals, weighted by area."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    total = np.zeros_like(points)
    for k in range(3):
        np.add.at(total, triangles[:, k], cross)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12))


def _subspace(ours: Topology, surface: Surface, own: Ints, marks: Floats) -> Floats:
    """(V, 3) offsets: a small rigid motion and the model's own modes, to landmarks and then the surface."""
    on = np.flatnonzero(ours.face)[::3]
    mean = ours.points
    motions = np.stack(
        [np.broadcast_to(e, mean.shape) for e in np.eye(3)] + [np.cross(e, mean) for e in np.eye(3)]
    )
    basis = np.concatenate([motions, ours.identity[:_MODES]])
    ridge = np.concatenate([np.full(6, 1e-6), np.full(len(basis) - 6, 4.0)])
    amounts = np.zeros(len(basis))
    for step in range(8):
        points = mean + np.tensordot(amounts, basis, axes=1)
        near, normal, _ = surface.nearest(points[on])
        reach = np.linalg.norm(near - points[on], axis=1)
        trust = (reach < 20.0) * min(step, 4) * 0.02
        a = np.einsum("kvc,vc->vk", basis[:, on], normal) * np.sqrt(trust)[:, None]
        b = ((near - mean[on]) * normal).sum(axis=1) * np.sqrt(trust)
        c = basis[:, own].transpose(1, 2, 0).reshape(-1, len(basis))
        d = (marks - mean[own]).ravel()
        amounts = np.linalg.solve(a.T @ a + c.T @ c * 0.3 + np.diag(ridge), a.T @ b + c.T @ d * 0.3)
    moved = np.tensordot(amounts, basis, axes=1)
    return np.asarray(0.5 * (moved + moved[ours.mirror] * _FLIP))
