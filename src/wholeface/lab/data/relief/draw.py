"""Folds drawn on a face, and what else may look like them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ....core.srgb import LINEAR_OF_BYTE, encode_srgb
from ....morphable import load_model
from ..compositing.camera_effects import apply_camera
from .aged import AgedFields
from .bases import ReliefBase
from .chart import chart_of
from .folds import random_folds, random_strokes
from .relight import random_look, with_relief
from .surface import SurfaceMaps

__all__ = ["FoldSettings", "drawn_sample"]

_VISIBLE = 128


@dataclass(frozen=True)
class FoldSettings:
    """How folds are drawn.

    Args:
        none: share of faces that stay smooth.
        pigment: share of faces with spots, moles and lines that are colour only.
        camera: strength of the camera's effects.
        aged: share of faces with folds of the old as artists made them, where the store holds some.
    """

    none: float = 0.12
    pigment: float = 0.5
    camera: float = 0.55
    aged: float = 0.25


def drawn_sample(
    base: ReliefBase,
    names: tuple[str, ...],
    settings: FoldSettings,
    rng: np.random.Generator,
    aged: AgedFields | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8]]:
    """Folds on a face.

    Args:
        base: the face.
        names: of its expression's weights.
        settings: how folds are drawn.
        rng: randomness.
        aged: folds of another origin.

    Returns:
        (S, S, 3) uint8 sRGB with folds; (S, S) float32 mm, their height; (S, S) uint8, 255 where it is true and
        visible.
    """
    chart = chart_of(load_model("wholeface"))
    shown = base.skin > 0
    maps = SurfaceMaps(
        shown, base.true_normals.astype(np.float32), base.true_points, base.chart.astype(np.float32)
    )
    height = np.zeros(shown.shape, np.float32)
    age = float(rng.uniform(0, 0.4) if rng.random() < 0.35 else rng.uniform(0.15, 1.3))
    smooth = rng.random() < settings.none
    if not smooth:
        artists = aged is not None and rng.random() < settings.aged
        if aged is not None and artists:
            height[shown] = aged.folds(rng, age).height(maps.chart[shown])
            age = 0.6 * age  # of the fine lines on top
        folds = random_folds(chart, age, dict(zip(names, base.expression.tolist())), rng)
        height[shown] += folds.height(maps.chart[shown]) * np.float32(0.5 if artists else 1.0)
    linear = LINEAR_OF_BYTE[base.given.image].astype(np.float32)
    if rng.random() < settings.pigment:
        linear = (linear * np.exp(_pigment(maps, rng))).astype(np.float32)
    soft = base.skin.astype(np.float32) * np.float32(1 / 255)
    height = (height * soft).astype(np.float32)
    lit = with_relief(linear, maps, base.light, height, random_look(rng))
    image = np.round(encode_srgb(np.clip(lit, 0, 1)) * 255).astype(np.uint8)
    image, _ = apply_camera(image, image, rng, settings.camera)
    known = np.where((base.skin >= _VISIBLE) & (base.given.visible >= _VISIBLE), np.uint8(255), np.uint8(0))
    return image, height, known


def _pigment(maps: SurfaceMaps, rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W, 3) change of log albedo: spots, freckles, blotches, strands of hair, lines of a pencil."""
    change = np.zeros(maps.shown.shape, np.float32)
    places = maps.chart[maps.shown]
    found = np.zeros(len(places), np.float32)
    if rng.random() < 0.5:  # moles and age spots
        count = int(rng.integers(1, 14))
        middles = np.stack([rng.uniform(-70, 70, count), rng.uniform(-90, 85, count)], 1)
        for middle in middles:
            radius = np.exp(rng.uniform(np.log(0.7), np.log(4.5)))
            apart = ((places - middle.astype(np.float32)) ** 2).sum(axis=1) / radius**2
            found -= np.float32(rng.uniform(0.08, 0.6)) / (1 + np.minimum(apart, 50) ** 2)
    if rng.random() < 0.35:  # freckles, blotches
        noise = rng.normal(size=maps.shown.shape).astype(np.float32)
        sigma = float(np.exp(rng.uniform(np.log(0.8), np.log(6))))
        noise = gaussian_filter(noise, sigma)
        noise /= max(float(noise.std()), 1e-6)
        threshold = rng.uniform(0, 1.8)
        found -= np.float32(rng.uniform(0.03, 0.22)) * np.maximum(noise[maps.shown] - threshold, 0)
    if rng.random() < 0.3:  # strands of hair, pencil, scratches
        strokes = random_strokes(int(rng.integers(1, 9)), rng, width=float(rng.uniform(0.4, 1.2)))
        found += np.float32(rng.uniform(0.05, 0.7)) * strokes.height(places)
    change[maps.shown] = found
    return change[..., None] * np.array([0.85, 1.0, 1.1], np.float32)
