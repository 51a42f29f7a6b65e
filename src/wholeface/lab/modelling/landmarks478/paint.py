"""Plausible colours for a head that has no albedo statistics yet: enough for a landmark detector to read it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ....morphable.model import MorphableModel

Array = NDArray[np.float64]

_LIPS_OUTER, _LIPS_INNER = tuple(range(48, 60)), tuple(range(60, 68))
_BROWS = (tuple(range(17, 22)), tuple(range(22, 27)))
_UPPER_LIDS = ((36, 37, 38, 39), (42, 43, 44, 45))
_LOWER_LIDS = ((39, 40, 41, 36), (45, 46, 47, 42))
_IRIS_HALF_ANGLE, _PUPIL_HALF_ANGLE = np.deg2rad(29.0), np.deg2rad(11.0)
_NEAR = 8.0  # mm from a painted line at which nothing is painted any more


def paint(model: MorphableModel, rng: np.random.Generator) -> Array:
    """(V, 3) linear-light albedo of one random person.

    With ``model.albedo``, a sample of its statistics. Else skin of a random tone with blotches, and brows, lips,
    lid margins, irises, pupils, sclera, teeth, inner mouth and (mostly) hair where the model's regions and 68
    landmarks say.
    """
    if model.albedo is not None:
        coefficients = model.mean.new_tensor(rng.normal(0.0, 0.8, model.albedo.size))
        colours: Array = model.albedo.vertices(coefficients).double().cpu().numpy()
        return np.clip(colours, 0.0, 1.0)
    points = model.mean.double().cpu().numpy()
    regions = {name: mask.cpu().numpy() for name, mask in model.regions.items()}
    skin = regions.get("skin", np.ones(len(points), dtype=bool))
    tone = np.exp(rng.uniform(np.log(0.06), np.log(0.55)))
    colour = np.empty((len(points), 3))
    colour[:] = tone * np.array([1.25, 0.85 + 0.15 * tone, 0.55 + 0.35 * tone])
    colour *= _blotches(points, rng)
    if model.landmarks_68 is not None:
        anchors = model.landmarks_68.points(model.mean, model.triangles).double().cpu().numpy()
        hair = np.exp(rng.uniform(np.log(0.01), np.log(0.25))) * np.array([1.2, 0.85, 0.6])
        front = skin & (points[:, 2] > anchors[:, 2].min() - 25)
        _hair(colour, points, regions, skin, anchors, hair, rng)
        _brows(colour, points, regions, front, anchors, hair)
        _lips(colour, points, regions, front, anchors, tone, rng)
        _lids(colour, points, front, anchors)
    for name, value in (("inner_mouth", (0.12, 0.03, 0.03)), ("teeth", (0.62, 0.58, 0.5))):
        if name in regions:
            colour[regions[name]] = value
    if "eyeballs" in regions:
        _eyes(colour, points, regions["eyeballs"], rng)
    return np.clip(colour, 0.0, 1.0)


def _blotches(points: Array, rng: np.random.Generator) -> Array:
    """(V, 1) smooth variation of brightness, ±15 %."""
    total = np.zeros(len(points))
    for wavelength, strength in ((60.0, 0.06), (15.0, 0.04), (5.0, 0.04)):
        waves = rng.normal(0.0, 2 * np.pi / wavelength, (6, 3))
        total += strength * np.sin(points @ waves.T + rng.uniform(0, 2 * np.pi, 6)).mean(axis=1) * 2.5
    return np.exp(np.clip(total, -0.3, 0.3))[:, None]


def _hair(
    colour: Array,
    points: Array,
    regions: dict[str, NDArray[np.bool_]],
    skin: NDArray[np.bool_],
    anchors: Array,
    hair: Array,
    rng: np.random.Generator,
) -> None:
    if rng.random() < 0.2:
        return
    brow = anchors[17:27, 1].mean()
    height = brow - anchors[8, 1]
    line = brow + height * rng.uniform(0.45, 0.6)
    back = anchors[[0, 16], 2].mean() + rng.uniform(-15, 8)
    above = points[:, 1] > line - 0.004 * points[:, 0] ** 2
    sideburn = (points[:, 2] < back) & (points[:, 1] > anchors[30, 1] + rng.uniform(-25, 25))
    ears = regions.get("ears", np.zeros(len(points), dtype=bool))
    covered = skin & (above | sideburn) & ~ears & ~regions.get("neck", np.zeros(len(points), dtype=bool))
    colour[covered] = hair * rng.uniform(0.7, 1.3, (int(covered.sum()), 1))


def _brows(
    colour: Array,
    points: Array,
    regions: dict[str, NDArray[np.bool_]],
    front: NDArray[np.bool_],
    anchors: Array,
    hair: Array,
) -> None:
    if "brows" in regions:
        weight = regions["brows"].astype(float)
    else:
        weight = np.zeros(len(points))
        for brow in _BROWS:
            distance = _polyline_distance(points[:, :2], anchors[list(brow), :2] - np.array([0.0, 1.5]))
            weight = np.maximum(weight, np.clip((5.0 - distance) / 2.0, 0, 1) * front)
    brow_colour = np.minimum(hair, 0.45 * colour[front].mean(axis=0))
    colour += weight[:, None] * 0.85 * (brow_colour - colour)


def _lips(
    colour: Array,
    points: Array,
    regions: dict[str, NDArray[np.bool_]],
    front: NDArray[np.bool_],
    anchors: Array,
    tone: float,
    rng: np.random.Generator,
) -> None:
    if "lips" in regions:
        inside = regions["lips"]
    else:
        outer = anchors[list(_LIPS_OUTER)]
        near = front & (points[:, 2] > outer[:, 2].min() - 8)
        inside = near & _in_polygon(points[:, :2], outer[:, :2])
    colour[inside] *= np.array([1.0, 0.62, 0.68]) * rng.uniform(0.7, 1.0)


def _lids(colour: Array, points: Array, front: NDArray[np.bool_], anchors: Array) -> None:
    for lids, width, strength in ((_UPPER_LIDS, 2.0, 0.75), (_LOWER_LIDS, 1.2, 0.35)):
        for lid in lids:
            line = anchors[list(lid)]
            near = front & (np.abs(points[:, 2] - line[:, 2].mean()) < 15)
            distance = _polyline_distance(points[:, :2], line[:, :2])
            weight = np.clip((width - distance) / width, 0, 1) * near
            colour *= 1 - strength * weight[:, None]


def _eyes(colour: Array, points: Array, eyeballs: NDArray[np.bool_], rng: np.random.Generator) -> None:
    iris = np.exp(rng.uniform(np.log(0.02), np.log(0.2))) * rng.dirichlet((4, 3, 3)) * 3
    for side in (-1, 1):
        part = eyeballs & (points[:, 0] * side > 0)
        if not part.any():
            continue
        low, high = points[part].min(axis=0), points[part].max(axis=0)
        offset = points[part] - (low + high) / 2
        angle = np.arccos(np.clip(offset[:, 2] / np.linalg.norm(offset, axis=1), -1, 1))
        colours = np.tile([0.65, 0.6, 0.57], (len(offset), 1)) * rng.uniform(0.7, 1.0)
        colours[angle < _IRIS_HALF_ANGLE] = iris
        colours[angle < _PUPIL_HALF_ANGLE] = 0.005
        colour[part] = colours


def _polyline_distance(points: Array, line: Array) -> Array:
    """(P,) distance of points (P, 2) from an open polyline (M, 2); infinite beyond 8 mm or so."""
    best = np.full(len(points), np.inf)
    low, high = line.min(axis=0) - _NEAR, line.max(axis=0) + _NEAR
    index = np.nonzero(((points > low) & (points < high)).all(axis=1))[0]
    near = points[index]
    for a, b in pairwise(line):
        along = b - a
        t = np.clip((near - a) @ along / (along @ along + 1e-12), 0, 1)
        best[index] = np.minimum(best[index], np.hypot(*(near - a - t[:, None] * along).T))
    return best


def _in_polygon(points: Array, polygon: Array) -> NDArray[np.bool_]:
    """(P,) whether points (P, 2) lie inside a closed polygon (M, 2), by the even-odd rule."""
    inside = np.zeros(len(points), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0)):
        crosses = (points[:, 1] < y0) != (points[:, 1] < y1)
        slope = (x1 - x0) / (y1 - y0 + (1e-12 if y1 == y0 else 0.0))
        inside ^= crosses & (points[:, 0] < x0 + (points[:, 1] - y0) * slope)
    return inside
