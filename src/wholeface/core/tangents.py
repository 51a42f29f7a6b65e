"""Tangents of a textured surface, and how fast its texture coordinates change along them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .jit import njit
from .short_repr import short_repr
from .uv_split import UVSplit

__all__ = ["TangentFrames", "tangent_frames"]


@dataclass(frozen=True, eq=False)
class TangentFrames:
    """The frame (t, b, n) of tangent space at each vertex of a mesh that is split at its UV seams.

    The tangent t points to where u grows; the bitangent b = w n × t to where v does, roughly: it is at right angles
    to t, the texture need not be.

    Args:
        tangents: (N, 4) float32, unit t and handedness w, which is 1 or, where the texture is seen in a mirror, −1.
        rates: (N, 2, 2) float32 in 1/unit of length: change of u and v (columns) along t and b (rows). The slope of a
            height h(u, v) along t and b is ``rates @ (∂h/∂u, ∂h/∂v)``.
    """

    tangents: NDArray[np.float32]
    rates: NDArray[np.float32]

    __repr__ = short_repr


def tangent_frames(
    split: UVSplit, vertices: NDArray[np.float32], normals: NDArray[np.float32], uv: NDArray[np.float32]
) -> TangentFrames:
    """Tangent frames at the vertices of a split mesh.

    Around each vertex, with w the angle of the triangle's corner there, projected along the normal n:

    .. math:: t \\propto \\sum w \\, \\frac{p_u - n (n \\cdot p_u)}{|p_u - n (n \\cdot p_u)|}

    where p_u is the derivative of the surface point by u in the triangle. Triangles without area, on the surface or
    in the texture, do not count; a vertex that has no other gets any tangent, and rates of 0.

    Convention: u to the right, v up; triangles counter-clockwise seen from outside.

    Args:
        split: with its mirrored vertices apart (see :func:`wholeface.core.uv_split.split_at_seams`).
        vertices: (V, 3).
        normals: (V, 3) unit, outward.
        uv: (U, 2).

    Source: Mikkelsen 2008, "Simulation of wrinkled surfaces revisited", and his mikktspace.c, which glTF 2.0 names as
    the default, for smooth normals.
    """
    count = len(split.vertex)
    tangents, rates = np.empty((count, 4), np.float32), np.empty((count, 2, 2), np.float32)
    _frames(
        split.triangles,
        np.ascontiguousarray(vertices, np.float32)[split.vertex],
        np.ascontiguousarray(normals, np.float32)[split.vertex],
        np.ascontiguousarray(uv, np.float32)[split.uv],
        split.mirrored,
        tangents,
        rates,
    )
    return TangentFrames(tangents, rates)


@njit(cache=True, nogil=True, inline="always")
def _dot(a, b):  # type: ignore[no-untyped-def]
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, nogil=True)
def _frames(
    triangles: Any, points: Any, normals: Any, uv: Any, mirrored: Any, tangents: Any, rates: Any
) -> None:
    """Writes tangents (N, 4) and rates (N, 2, 2) of points (N, 3) with normals (N, 3) and uv (N, 2)."""
    count = len(points)
    summed = np.zeros((count, 3))
    along_u, along_v = np.zeros((count, 3)), np.zeros((count, 3))
    weight = np.zeros(count)
    first, second = np.empty(3), np.empty(3)
    p_u, p_v, n = np.empty(3), np.empty(3), np.empty(3)
    for f in range(len(triangles)):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        s1, t1 = float(uv[j, 0]) - uv[i, 0], float(uv[j, 1]) - uv[i, 1]
        s2, t2 = float(uv[k, 0]) - uv[i, 0], float(uv[k, 1]) - uv[i, 1]
        area = s1 * t2 - s2 * t1
        if abs(area) < 1e-14:
            continue
        for x in range(3):
            d1, d2 = float(points[j, x]) - points[i, x], float(points[k, x]) - points[i, x]
            p_u[x] = (t2 * d1 - t1 * d2) / area
            p_v[x] = (s1 * d2 - s2 * d1) / area
        uu, uv_, vv = _dot(p_u, p_u), _dot(p_u, p_v), _dot(p_v, p_v)
        determinant = uu * vv - uv_ * uv_
        if determinant <= 1e-12 * uu * vv:
            continue
        for corner in range(3):
            here, after, before = (
                triangles[f, corner],
                triangles[f, (corner + 1) % 3],
                triangles[f, (corner + 2) % 3],
            )
            for x in range(3):
                n[x] = normals[here, x]
                first[x] = float(points[after, x]) - points[here, x]
                second[x] = float(points[before, x]) - points[here, x]
            a, b, c = _dot(n, first), _dot(n, second), _dot(n, p_u)
            for x in range(3):
                first[x] -= a * n[x]
                second[x] -= b * n[x]
            lengths = math.sqrt(_dot(first, first) * _dot(second, second))
            size = math.sqrt(max(uu - c * c, 0.0))
            if lengths <= 0.0 or size <= 1e-9 * math.sqrt(uu):
                continue
            angle = math.acos(min(1.0, max(-1.0, _dot(first, second) / lengths)))
            weight[here] += angle
            for x in range(3):
                summed[here, x] += angle * (p_u[x] - c * n[x]) / size
                along_u[here, x] += angle * (vv * p_u[x] - uv_ * p_v[x]) / determinant
                along_v[here, x] += angle * (uu * p_v[x] - uv_ * p_u[x]) / determinant
    t, across = np.empty(3), np.empty(3)
    for v in range(count):
        for x in range(3):
            n[x] = normals[v, x]
            t[x] = summed[v, x]
        inwards = _dot(t, n)
        for x in range(3):
            t[x] -= inwards * n[x]
        squared = _dot(t, t)
        known = squared > 1e-12 * weight[v] * weight[v] and weight[v] > 0.0
        if not known:  # any direction at right angles to the normal
            axis = (
                0 if abs(n[0]) <= abs(n[1]) and abs(n[0]) <= abs(n[2]) else 1 if abs(n[1]) <= abs(n[2]) else 2
            )
            for x in range(3):
                t[x] = -n[axis] * n[x]
            t[axis] += 1.0
            squared = _dot(t, t)
        length = math.sqrt(squared)
        for x in range(3):
            t[x] /= length
        hand = -1.0 if mirrored[v] else 1.0
        across[0] = hand * (n[1] * t[2] - n[2] * t[1])
        across[1] = hand * (n[2] * t[0] - n[0] * t[2])
        across[2] = hand * (n[0] * t[1] - n[1] * t[0])
        share = 1.0 / weight[v] if known else 0.0
        for x in range(3):
            tangents[v, x] = t[x]
        tangents[v, 3] = hand
        rates[v, 0, 0], rates[v, 0, 1] = share * _dot(along_u[v], t), share * _dot(along_v[v], t)
        rates[v, 1, 0], rates[v, 1, 1] = share * _dot(along_u[v], across), share * _dot(along_v[v], across)
