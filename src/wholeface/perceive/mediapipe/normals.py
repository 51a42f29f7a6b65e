"""Which of the 478 points look at the camera, from the detector's own relative depth."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_NOSE_TIP = 1
_EYES = ((33, 133, 159, 145, tuple(range(468, 473))), (263, 362, 386, 374, tuple(range(473, 478))))
_SHUT, _OPEN = 0.08, 0.18  # lid gap over eye width at which the iris counts as hidden and as visible


def oriented_triangles(edges: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """(F, 3) triangles of the tessellation that ``edges`` draws, all turned the same way round.

    The three-cycles of the edge graph are its triangles; neighbours must run through a shared edge in
    opposite directions, which spreads one triangle's orientation over the connected mesh.
    """
    neighbours: dict[int, set[int]] = {}
    for a, b in edges:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    cycles = sorted(
        (a, b, c)
        for a in neighbours
        for b, c in itertools.combinations(sorted(n for n in neighbours[a] if n > a), 2)
        if c in neighbours[b]
    )
    by_edge: dict[tuple[int, int], list[int]] = {}
    for i, (a, b, c) in enumerate(cycles):
        for edge in ((a, b), (b, c), (a, c)):
            by_edge.setdefault(edge, []).append(i)
    oriented: dict[int, tuple[int, int, int]] = {}
    for seed in range(len(cycles)):
        if seed in oriented:
            continue
        oriented[seed] = cycles[seed]
        queue = [seed]
        while queue:
            a, b, c = oriented[queue.pop()]
            for p, q in ((a, b), (b, c), (c, a)):
                shared = by_edge[(min(p, q), max(p, q))]
                if len(shared) != 2:  # a border, or a three-cycle that is no triangle
                    continue
                for i in shared:
                    if i not in oriented:
                        (r,) = set(cycles[i]) - {p, q}
                        oriented[i] = (q, p, r)
                        queue.append(i)
    return np.array([oriented[i] for i in range(len(cycles))], dtype=np.int64)


def self_visibility(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.float64]:
    """(478,) visibility in [0, 1] from surface orientation and lid opening.

    Args:
        points: (478, 3) photo pixels: x right, y down, z towards the camera.
        triangles: (F, 3) of the detector's tessellation, see :func:`oriented_triangles`.
    """
    corners = points[triangles]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(points), 3))
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], area)
    outward = points[_NOSE_TIP] - points[:468].mean(axis=0)
    if normals[_NOSE_TIP] @ outward < 0:
        normals = -normals
    length = np.linalg.norm(normals, axis=1)
    cosine = np.divide(normals[:, 2], length, out=np.ones(len(points)), where=length > 0)
    # The depth is only roughly to scale, so the step from hidden to visible is a wide one.
    visibility = np.clip((cosine + 0.1) / 0.35, 0.0, 1.0)
    for outer, inner, top, bottom, iris in _EYES:
        width = float(np.linalg.norm(points[outer] - points[inner])) + 1e-9
        gap = float(np.linalg.norm(points[top] - points[bottom])) / width
        visibility[list(iris)] = np.clip((gap - _SHUT) / (_OPEN - _SHUT), 0.0, 1.0) * min(
            1.0, max(visibility[outer], visibility[inner])
        )
    return visibility
