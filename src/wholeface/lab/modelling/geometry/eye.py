"""Eyeballs: whole rings of the source's polar spheres, so that pupil and iris have clean edges."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .source import IctSource

__all__ = ["GAZE_DEGREES", "IRIS_RING", "PUPIL_RING", "EyeballRings", "eyeball_rings", "gaze_offsets"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A source eyeball has 24 rings of 32 points between the cornea's pole (ring 0) and the back pole (ring 25).
_MERIDIANS = 32
_KEPT = (3, 6, 8, 9, 11, 13, 15, 17, 19, 21, 23)
_UV_POWER = 0.6  # < 1: more texels for the iris than for the back of the eyeball
_SPARSE_FROM = 11  # from this ring on every second meridian
PUPIL_RING = 3  # radius 1.8 mm
IRIS_RING = 8  # radius 6.2 mm


GAZE_DEGREES = {"eyeLookUp": 25.0, "eyeLookDown": 30.0, "eyeLookIn": 30.0, "eyeLookOut": 30.0}
"""Turn of the eyeball at weight 1 of each gaze expression (the source moves only the lids)."""


@dataclass(frozen=True)
class EyeballRings:
    """One eyeball, open behind the last ring.

    Args:
        vertices: (n,) source vertices, ring by ring.
        triangles: (F, 3) into the n points, counter-clockwise from outside.
        uv: (n, 2) polar map in [-1, 1]: pole at 0, radius = (mean arc length from the pole)^0.6.
        ring: (n,) source ring of each point.
    """

    vertices: Ints
    triangles: Ints
    uv: Floats
    ring: Ints


def eyeball_rings(source: IctSource, block: tuple[int, int]) -> EyeballRings:
    """Keep some rings of the eyeball with the vertices ``block``; the first one is the cornea's pole."""
    start, stop = block
    faces = source.faces[(source.faces[:, 0] >= start) & (source.faces[:, 0] < stop)] - start
    links: list[set[int]] = [set() for _ in range(stop - start)]
    for face in faces.tolist():
        corners = [v for v in face if v >= 0]
        for i, v in enumerate(corners):
            links[v].add(corners[i - 1])
            links[corners[i - 1]].add(v)
    points = source.mean[start:stop]
    first = points[sorted(links[0])]
    centre = first.mean(axis=0)
    azimuth = np.arctan2(first[:, 1] - centre[1], first[:, 0] - centre[0])
    # Walk each meridian from the pole to the back, ring by ring.
    rings = [[0] * _MERIDIANS, [sorted(links[0])[i] for i in np.argsort(azimuth)]]
    seen = {0, *rings[1]}
    while len(rings) < 25:
        following = [min(links[v] - seen) for v in rings[-1]]
        seen.update(following)
        rings.append(following)
    steps = [np.linalg.norm(points[b] - points[a], axis=1).mean() for a, b in itertools.pairwise(rings)]
    radius = np.concatenate([[0.0], np.cumsum(steps)])
    radius = (radius / radius[_KEPT[-1]]) ** _UV_POWER
    vertices, uv, ring_of = [0], [np.zeros(2)], [0]
    placed: list[list[int]] = []
    for ring in _KEPT:
        meridians = range(0, _MERIDIANS, 2 if ring >= _SPARSE_FROM else 1)
        placed.append(list(range(len(vertices), len(vertices) + len(meridians))))
        for meridian in meridians:
            angle = azimuth[np.argsort(azimuth)][meridian]
            vertices.append(rings[ring][meridian])
            uv.append(radius[ring] * np.array([np.cos(angle), np.sin(angle)]))
            ring_of.append(ring)
    triangles = [(0, a, b) for a, b in zip(placed[0], placed[0][1:] + placed[0][:1])]
    for inner, outer in itertools.pairwise(placed):
        ratio = len(inner) // len(outer)
        for i in range(len(outer)):
            a, b = outer[i], outer[(i + 1) % len(outer)]
            fan = [inner[(ratio * i + k) % len(inner)] for k in range(ratio + 1)]
            triangles += [(fan[k], a, fan[k + 1]) for k in range(ratio)] + [(fan[ratio], a, b)]
    return EyeballRings(
        np.array(vertices) + start, np.array(triangles, dtype=np.int64), np.array(uv), np.array(ring_of)
    )


def gaze_offsets(name: str, points: Floats) -> Floats:
    """Offsets (n, 3) mm that turn an eyeball about its centre, for a gaze expression such as ``eyeLookUp_L``.

    Args:
        name: the expression; ``_L`` is the left eye (x > 0).
        points: (n, 3) the eyeball's points on the mean face; they lie on a sphere but for the cornea.
    """
    system = np.concatenate([2.0 * points, np.ones((len(points), 1))], axis=1)
    centre = np.linalg.lstsq(system, (points * points).sum(axis=1), rcond=None)[0][:3]
    angle = np.radians(GAZE_DEGREES[name[:-2]])
    c, s = np.cos(angle), np.sin(angle)
    if name.startswith(("eyeLookUp", "eyeLookDown")):
        s = s if name.startswith("eyeLookDown") else -s
        turn = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    else:
        s = s if name in {"eyeLookOut_L", "eyeLookIn_R"} else -s  # towards +x
        turn = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    return np.asarray((points - centre) @ (turn - np.eye(3)).T)
