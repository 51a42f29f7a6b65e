"""Whole pictures of faces with folds, for judging: as a photo would come in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.short_repr import short_repr
from ....core.srgb import LINEAR_OF_BYTE, encode_srgb
from .aged import AgedFields
from .chart import chart_of
from .faces import BareFace
from .folds import Folds, random_folds
from .relight import random_look, with_relief
from .surface import SurfaceMaps, surface_maps

__all__ = ["ReliefScene", "relief_scene"]


@dataclass(frozen=True)
class ReliefScene:
    """A picture of a face with folds.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        displacement: (H, W) float32 mm along the outer normal on the whole face, hidden skin included.
        maps: of the true surface without folds, in the picture's camera.
        face: the same without folds.
        folds: what was drawn, on the chart: wherever it is asked for, on the side turned away too.
        age: of the folds, 0 = smooth, 1 = very old.
    """

    pixels: NDArray[np.uint8]
    displacement: NDArray[np.float32]
    maps: SurfaceMaps
    face: BareFace
    folds: Folds
    age: float

    __repr__ = short_repr


def relief_scene(
    face: BareFace,
    seed: int,
    *,
    age: float | None = None,
    aged: AgedFields | None = None,
    folds: Folds | None = None,
) -> ReliefScene:
    """Draw folds on a face.

    Args:
        face: without folds.
        seed: of the folds and of how they look.
        age: of the folds; None: any.
        aged: draw these folds, which are of another origin, instead.
        folds: those to draw, such as another picture's of the same subject; None: random ones.
    """
    rng = np.random.default_rng([seed, 41])
    years = float(rng.uniform(0.2, 1.1)) if age is None else age
    model = face.fit.model
    maps = surface_maps(face.fit.posed, face.fit.camera)
    weights = dict(zip(model.expression_names, face.fit.parameters.expression.tolist()))
    if folds is None:
        folds = random_folds(chart_of(model), years, weights, rng) if aged is None else aged.folds(rng, years)
    height = np.zeros(maps.shown.shape, np.float32)
    height[maps.shown] = folds.height(maps.chart[maps.shown])
    seen = SurfaceMaps(maps.shown & face.skin, maps.normals, maps.points, maps.chart)
    light = face.fit.parameters.light.detach().cpu().float().numpy()
    linear = LINEAR_OF_BYTE[face.pixels].astype(np.float32)
    lit = with_relief(linear, seen, light, np.where(face.skin, height, 0), random_look(rng))
    pixels = np.round(encode_srgb(np.clip(lit, 0, 1)) * 255).astype(np.uint8)
    return ReliefScene(pixels, height, maps, face, folds, years)
