"""Half-edge collapse of a triangle mesh, cheapest quadric error first: points that stay do not move."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError
from .jit import njit

__all__ = ["collapse_edges"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SPRING = 0.02  # share of the squared distance in the quadrics: keeps points spread where the surface is flat
_BORDER = 4.0  # strength of the planes that hold open borders
_MIN_COSINE = 0.2  # a collapse may turn no triangle further than this


def collapse_edges(vertices: Floats, triangles: Ints, target: int) -> tuple[Ints, Ints, Ints]:
    r"""Collapse vertices onto neighbours until ``target`` are left, or no collapse is sound.

    The cost of moving u onto v is :math:`v^T (Q_u + Q_v) v` of the area-weighted quadrics, to which a small share of
    squared distances is added. Borders collapse along themselves; parts that hang together stay, and each keeps at
    least one triangle. The result follows from the input alone: equal costs go by the vertices' numbers.

    Args:
        vertices: (V, 3).
        triangles: (F, 3).
        target: vertices that should stay, at least 1.

    Returns:
        kept (m,) sorted indices of the vertices that stay; triangles (F', 3) into them; (V,) of each vertex the
        number of the kept one that it was moved onto, -1 for a vertex that no triangle uses.

    Raises:
        UsageError: a target below 1, or triangles that point outside the vertices.

    Source: Garland & Heckbert 1997, "Surface Simplification Using Quadric Error Metrics"; half edges as in Ranjan et
    al. 2018, "Generating 3D faces using Convolutional Mesh Autoencoders".
    """
    if target < 1:
        raise UsageError(f"a mesh cannot have {target} vertices; at least 1")
    points = np.ascontiguousarray(vertices, dtype=np.float64)
    faces = np.array(triangles, dtype=np.int64, order="C")
    if faces.size and (faces.min() < 0 or faces.max() >= len(points)):
        raise UsageError(f"triangles name vertices outside 0 to {len(points) - 1}")
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    border, edges = _borders(faces, len(points))
    quadrics = _quadrics(points, faces, edges)
    alive = np.zeros(len(points), dtype=np.bool_)
    alive[faces] = True
    parent = np.where(alive, np.arange(len(points)), -1)
    dead = np.zeros(len(faces), dtype=np.bool_)
    _collapse(points, faces, quadrics, border, alive, parent, dead, int(alive.sum()) - target)
    kept = np.flatnonzero(alive)
    number = np.full(len(points) + 1, -1, dtype=np.int64)
    number[kept] = np.arange(len(kept))
    return kept, number[faces[~dead]], number[parent]


def _borders(faces: Ints, count: int) -> tuple[NDArray[np.bool_], Ints]:
    """(V,) whether a vertex lies on an open border, and (E, 3) border edges with their triangles."""
    half = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    owner = np.tile(np.arange(len(faces)), 3)
    keys = half.min(axis=1) * count + half.max(axis=1)
    _, first, uses = np.unique(keys, return_index=True, return_counts=True)
    single = first[uses == 1]
    border = np.zeros(count, dtype=np.bool_)
    border[half[single]] = True
    return border, np.concatenate([half[single], owner[single, None]], axis=1)


def _plane(normal: Floats, point: Floats, weight: Floats) -> Floats:
    """(N, 10) upper triangles of w·(n, -n·p)(n, -n·p)ᵀ."""
    x, y, z = normal.T
    d = -(normal * point).sum(axis=1)
    return (
        np.stack([x * x, x * y, x * z, x * d, y * y, y * z, y * d, z * z, z * d, d * d], 1) * weight[:, None]
    )


def _quadrics(points: Floats, faces: Ints, edges: Ints) -> Floats:
    corners = points[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(cross, axis=1)
    normal = cross / np.maximum(length, 1e-300)[:, None]
    planes = _plane(normal, corners[:, 0], length / 6)
    quadrics, area = np.zeros((len(points), 10)), np.zeros(len(points))
    for j in range(3):
        np.add.at(quadrics, faces[:, j], planes)
        np.add.at(area, faces[:, j], length / 6)
    for axis, diagonal, linear in ((0, 0, 3), (1, 4, 6), (2, 7, 8)):
        weight = _SPRING * area
        quadrics[:, diagonal] += weight
        quadrics[:, linear] -= weight * points[:, axis]
        quadrics[:, 9] += weight * points[:, axis] ** 2
    if len(edges):
        a, b, owner = edges.T
        edge = points[b] - points[a]
        across = np.cross(edge, normal[owner])
        across /= np.maximum(np.linalg.norm(across, axis=1), 1e-300)[:, None]
        planes = _plane(across, points[a], _BORDER * (edge**2).sum(axis=1))
        np.add.at(quadrics, a, planes)
        np.add.at(quadrics, b, planes)
    return quadrics


@njit(cache=True)
def _turns(points: Any, a: int, b: int, c: int, u: int, v: int, cosine: float) -> bool:
    """Whether the triangle a, b, c turns too far, or vanishes, when its corner u moves to v."""
    normal = np.empty((2, 3))
    for step in range(2):
        i = v if step == 1 and a == u else a
        j = v if step == 1 and b == u else b
        k = v if step == 1 and c == u else c
        x1, y1, z1 = (
            points[j, 0] - points[i, 0],
            points[j, 1] - points[i, 1],
            points[j, 2] - points[i, 2],
        )
        x2, y2, z2 = (
            points[k, 0] - points[i, 0],
            points[k, 1] - points[i, 1],
            points[k, 2] - points[i, 2],
        )
        normal[step, 0] = y1 * z2 - z1 * y2
        normal[step, 1] = z1 * x2 - x1 * z2
        normal[step, 2] = x1 * y2 - y1 * x2
    before = np.sqrt((normal[0] ** 2).sum())
    after = np.sqrt((normal[1] ** 2).sum())
    if after <= 1e-4 * before:
        return True
    return before > 0.0 and (normal[0] * normal[1]).sum() < cosine * before * after


@njit(cache=True)
def _cost(points: Any, quadrics: Any, u: int, v: int) -> float:
    x, y, z = points[v, 0], points[v, 1], points[v, 2]
    total = 0.0
    for w in (u, v):
        q = quadrics[w]
        total += q[0] * x * x + 2 * q[1] * x * y + 2 * q[2] * x * z + 2 * q[3] * x
        total += q[4] * y * y + 2 * q[5] * y * z + 2 * q[6] * y
        total += q[7] * z * z + 2 * q[8] * z + q[9]
    return max(total, 0.0)


@njit(cache=True)
def _holds(faces: Any, f: int, v: int) -> bool:
    return faces[f, 0] == v or faces[f, 1] == v or faces[f, 2] == v


@njit(cache=True)
def _linked(faces: Any, dead: Any, border: Any, head: Any, following: Any, mark: Any, u: int, v: int) -> bool:
    """Whether the mesh stays a surface, border and parts included, when u moves onto v."""
    shared = 0
    rest = 0
    third = np.empty(2, np.int64)
    c = head[u]
    while c >= 0:
        f = c // 3
        if not dead[f]:
            if _holds(faces, f, v):
                if shared == 2:
                    return False
                third[shared] = faces[f, 0] + faces[f, 1] + faces[f, 2] - u - v
                shared += 1
            else:
                rest += 1
        c = following[c]
    sound = shared > 0 and (not border[u] or (border[v] and shared == 1))
    for n in range(shared):  # the corner opposite keeps a triangle
        left = 0
        c = head[third[n]]
        while c >= 0:
            if not dead[c // 3]:
                left += 1
            c = following[c]
        sound = sound and left > 1
    # Neighbours of v are marked; then those of u that are common.
    c = head[v]
    while c >= 0:
        f = c // 3
        if not dead[f]:
            if not _holds(faces, f, u):
                rest += 1
            for j in range(3):
                mark[faces[f, j]] = 1
        c = following[c]
    common = 0
    c = head[u]
    while c >= 0:
        f = c // 3
        if not dead[f]:
            for j in range(3):
                w = faces[f, j]
                if mark[w] == 1 and w not in (u, v):
                    mark[w] = 2
                    common += 1
        c = following[c]
    c = head[v]
    while c >= 0:
        if not dead[c // 3]:
            for j in range(3):
                mark[faces[c // 3, j]] = 0
        c = following[c]
    return sound and rest > 0 and common == shared


@njit(cache=True)
def _doubled(faces: Any, dead: Any, head: Any, following: Any, f: int, u: int, v: int) -> bool:
    """Whether v has a triangle with the two corners of f that are not u."""
    c = head[v]
    while c >= 0:
        g = c // 3
        if not dead[g]:
            same = 0
            for j in range(3):
                w = faces[f, j]
                if w != u and _holds(faces, g, w):
                    same += 1
            if same == 2:
                return True
        c = following[c]
    return False


@njit(cache=True)
def _sound(
    points: Any,
    faces: Any,
    dead: Any,
    border: Any,
    head: Any,
    following: Any,
    mark: Any,
    u: int,
    v: int,
    cosine: float,
) -> bool:
    """Whether the mesh stays a surface and no triangle turns too far or comes twice when u moves onto v."""
    if not _linked(faces, dead, border, head, following, mark, u, v):
        return False
    c = head[u]
    while c >= 0:
        f = c // 3
        if not dead[f] and not _holds(faces, f, v):
            a, b, d = faces[f, 0], faces[f, 1], faces[f, 2]
            if _turns(points, a, b, d, u, v, cosine) or _doubled(faces, dead, head, following, f, u, v):
                return False
        c = following[c]
    return True


@njit(cache=True)
def _best(
    points: Any, faces: Any, dead: Any, quadrics: Any, border: Any, head: Any, following: Any, mark: Any, u: int,
    cosine: float,
) -> tuple[float, int]:  # fmt: skip
    """The cheapest sound collapse of u and its cost; -1 where there is none."""
    cheapest, choice = np.inf, -1
    c = head[u]
    while c >= 0:
        f = c // 3
        if not dead[f]:
            for j in range(3):
                v = faces[f, j]
                if v == u:
                    continue
                cost = _cost(points, quadrics, u, v)
                if (cost < cheapest or (cost == cheapest and v < choice)) and _sound(
                    points, faces, dead, border, head, following, mark, u, v, cosine
                ):
                    cheapest, choice = cost, v
        c = following[c]
    return cheapest, choice


@njit(cache=True)
def _collapse(
    points: Any, faces: Any, quadrics: Any, border: Any, alive: Any, parent: Any, dead: Any, surplus: int
) -> None:
    """Works in place on everything but ``points`` and ``border``; ``parent`` ends up naming kept vertices."""
    cosine = _MIN_COSINE
    count = len(points)
    head = np.full(count, -1, np.int64)  # corners of each vertex as a chain
    tail = np.full(count, -1, np.int64)
    following = np.full(3 * len(faces), -1, np.int64)
    for f in range(len(faces)):
        for j in range(3):
            v, c = faces[f, j], 3 * f + j
            if head[v] < 0:
                head[v] = c
            else:
                following[tail[v]] = c
            tail[v] = c
    mark = np.zeros(count, np.int64)
    stamp = np.zeros(count, np.int64)
    heap = [(np.inf, 0, 0, -1)]
    for u in range(count):
        if alive[u]:
            cost, v = _best(points, faces, dead, quadrics, border, head, following, mark, u, cosine)
            if v >= 0:
                heapq.heappush(heap, (cost, u, v, 0))
    ring = np.empty(count, np.int64)
    while surplus > 0 and len(heap) > 1:
        cost, u, v, when = heapq.heappop(heap)
        if when < 0 or not alive[u] or stamp[u] != when:
            continue
        if not alive[v] or not _sound(points, faces, dead, border, head, following, mark, u, v, cosine):
            stamp[u] += 1
            cost, v = _best(points, faces, dead, quadrics, border, head, following, mark, u, cosine)
            if v >= 0:
                heapq.heappush(heap, (cost, u, v, stamp[u]))
            continue
        c = head[u]
        while c >= 0:
            f = c // 3
            if not dead[f]:
                if _holds(faces, f, v):
                    dead[f] = True
                else:
                    faces[f, c % 3] = v
            c = following[c]
        following[tail[v]] = head[u]
        tail[v] = tail[u]
        alive[u] = False
        parent[u] = v
        for k in range(10):
            quadrics[v, k] += quadrics[u, k]
        surplus -= 1
        size = 0
        c = head[v]
        while c >= 0:
            if not dead[c // 3]:
                for j in range(3):
                    w = faces[c // 3, j]
                    if mark[w] == 0:
                        mark[w] = 1
                        ring[size] = w
                        size += 1
            c = following[c]
        for n in range(size):
            mark[ring[n]] = 0
        for n in range(size):
            w = ring[n]
            stamp[w] += 1
            cost, x = _best(points, faces, dead, quadrics, border, head, following, mark, w, cosine)
            if x >= 0:
                heapq.heappush(heap, (cost, w, x, stamp[w]))
    for u in range(count):
        w = u
        while w >= 0 and parent[w] != w:
            w = parent[w]
        parent[u] = w
