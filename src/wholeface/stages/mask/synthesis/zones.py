"""Where on a face is what: soft zones of the mean head, from its 68 landmarks alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from ....core.errors import UsageError
from ....morphable import MorphableModel
from ....render import vertex_normals

__all__ = ["ZONES", "FaceZones", "face_zones"]

_Array = NDArray[np.float64]

ZONES = ("region", "eyes", "brows", "mouth", "nostrils", "beard", "lens")
"""Columns of :attr:`FaceZones.attributes`; then the mean position in mm."""

_OUTSIDE = -30.0  # "mm inside the face" of vertices that cannot belong to it
_cache = WeakTensorKeyDictionary()  # keyed by the model's mean


@dataclass(frozen=True)
class FaceZones:
    """Soft zones per vertex, in the coordinates of the mean face seen from the front.

    Args:
        attributes: (V, len(ZONES) + 3) float32. ``region``: mm inside the outline of facial skin from chin to
            hairline and ear to ear (negative outside); the others in [0, 1]: ``eyes``, ``brows``, ``mouth``
            and ``nostrils`` are darker or otherwise coloured than skin by nature; ``beard`` may carry one;
            ``lens`` is what spectacles cover. Then x, y, z of the mean head, mm.
        forehead: y above which a head vertex outside the outline counts as scalp (hair, hats), mm.
        eye_height: y of the eyes, mm.
        chin_height: y of the chin, mm.
        half_width: half of the distance between the ends of the jaw line, mm.
    """

    attributes: Tensor
    forehead: float
    eye_height: float
    chin_height: float
    half_width: float


def face_zones(model: MorphableModel) -> FaceZones:
    """Zones of a model; computed once for each model that is alive.

    Raises:
        UsageError: the model has no 68 landmarks.
    """
    if model.landmarks_68 is None:
        raise UsageError(f"the model {model.name!r} has no 68 landmarks, which the occluder mask needs")
    if model.mean not in _cache:
        _cache[model.mean] = _build(model)
    zones: FaceZones = _cache[model.mean]
    return zones


def _build(model: MorphableModel) -> FaceZones:
    assert model.landmarks_68 is not None
    mean = model.mean.detach().cpu()
    triangles = model.triangles.cpu()
    vertices = mean.double().numpy()
    normals = vertex_normals(mean, triangles).numpy()
    marks = model.landmarks_68.to("cpu").points(mean, triangles).double().numpy()
    flat, xy = marks[:, :2], vertices[:, :2]
    ear_x, ear_y = float(np.abs(marks[[0, 16], 0]).mean()), float(marks[[0, 16], 1].mean())
    brow_y, nose_y, eye_y = (float(marks[s, 1].mean()) for s in (slice(17, 27), [33], slice(36, 48)))
    unit = brow_y - nose_y  # a third of the face by the old rule of painters: about 70 mm
    mm = unit / 70.0

    front = (vertices[:, 2] > marks[[0, 16], 2].min() - 8 * mm) & (normals[:, 2] > -0.35)
    for name in ("ears", "neck"):
        if name in model.regions:
            front &= ~model.regions[name].cpu().numpy() | (vertices[:, 2] > marks[[0, 16], 2].min() + 25 * mm)

    def soft(distance: _Array, width: float = 2.0) -> _Array:
        return np.where(front, 1 / (1 + np.exp(-np.clip(distance / (width * mm), -30, 30))), 0.0)

    # The outline: along the jaw, then over the forehead to six sevenths of a unit above the brows.
    theta = np.linspace(0, np.pi, 41)[1:-1]
    top = brow_y + 0.86 * unit
    cos, sin = np.cos(theta), np.sin(theta)
    arc = np.stack([ear_x * np.sign(cos) * np.abs(cos) ** 0.85, ear_y + (top - ear_y) * sin**0.85], axis=1)
    outline = np.vstack([flat[:17], arc])
    # The jaw line's landmarks lie on the bone; skin that faces the camera goes on for two millimetres.
    region = np.where(front, _inside_distance(outline, xy) + 2 * mm, _OUTSIDE)

    eyes = soft(np.maximum(_inside_distance(flat[36:42], xy), _inside_distance(flat[42:48], xy)) + 4 * mm)
    brows = soft(
        8 * mm
        - np.minimum(*(_line_distance(flat[s] - [0, 3 * mm], xy) for s in (slice(17, 22), slice(22, 27))))
    )
    mouth = soft(_inside_distance(flat[48:60], xy) + 3 * mm)
    nostrils = soft(5 * mm - _line_distance(flat[31:36] + np.array([0, mm]), xy))

    # Beards grow below a line from under the nose to the ear lobes; moustaches between nose and lip.
    across = np.abs(xy[:, 0])
    lobe_x = float(np.abs(marks[[2, 14], 0]).mean())
    lobe_y = float(marks[[1, 15], 1].mean())
    line = nose_y + 4 * mm + (lobe_y - nose_y) * np.clip((across - 25 * mm) / (lobe_x - 25 * mm), 0, 1)
    lip = np.vstack([flat[31] + [-8 * mm, -8 * mm], flat[33] + [0, -8 * mm], flat[35] + [8 * mm, -8 * mm]])
    beard = np.maximum(soft(line - xy[:, 1], 3.0), soft(8 * mm - _line_distance(lip, xy))) * (1 - mouth)

    eye_x = float(np.abs(marks[[36, 39, 42, 45], 0]).mean())
    eye_width = float(np.abs(marks[[36, 45], 0]).mean() - np.abs(marks[[39, 42], 0]).mean())
    radius = np.hypot((across - eye_x) / (0.95 * eye_width), (xy[:, 1] - eye_y + 4 * mm) / (0.80 * eye_width))
    lens = soft((1 - radius) * eye_width / 1.5)

    columns = (region / mm, eyes, brows, mouth, nostrils, beard, lens)
    attributes = np.concatenate([np.stack(columns, axis=1), vertices / mm], axis=1)
    return FaceZones(
        torch.from_numpy(attributes.astype(np.float32)),
        forehead=brow_y / mm,
        eye_height=eye_y / mm,
        chin_height=float(marks[8, 1]) / mm,
        half_width=ear_x / mm,
    )


def _dense(line: _Array, closed: bool) -> _Array:
    ends = np.vstack([line, line[:1]]) if closed else line
    step = float(np.linalg.norm(np.diff(ends, axis=0), axis=1).sum()) / 300
    parts = []
    for a, b in pairwise(ends):
        count = max(1, int(np.ceil(np.linalg.norm(b - a) / max(step, 1e-9))))
        parts.append(a + (b - a) * np.linspace(0, 1, count, endpoint=False)[:, None])
    return np.concatenate([*parts, ends[-1:]])


def _nearest(these: _Array, points: _Array) -> _Array:
    """(P,) distance from each point to the nearest of these."""
    from scipy.spatial import cKDTree  # loading it takes a tenth of a second

    distance: _Array = cKDTree(these).query(points)[0]
    return distance


def _line_distance(line: _Array, points: _Array) -> _Array:
    return _nearest(_dense(line, closed=False), points)


def _inside_distance(polygon: _Array, points: _Array) -> _Array:
    """Distance to the polygon's outline, positive inside (even–odd rule)."""
    distance = _nearest(_dense(polygon, closed=True), points)
    inside = np.zeros(len(points), dtype=bool)
    x, y = points[:, 0], points[:, 1]
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0)):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return np.where(inside, distance, -distance)
