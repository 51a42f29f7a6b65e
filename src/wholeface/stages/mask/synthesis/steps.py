"""The alternation behind the occluder mask: classify pixels, refit light, again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .evidence import Surroundings, Texture, log_colours, weighted_median
from .light import fit_light, illuminate, log_difference, robust_start, split
from .likelihood import beard_probability, face_evidence, sunglasses_probability
from .pieces import drop_implausible
from .pixels import HeadPixels, OccluderWeights, SkinNoise
from .tv_cut import tv_cut
from .view import FaceView
from .zones import FaceZones

__all__ = ["OccluderState", "alternate"]

_Array = NDArray[np.floating[Any]]
_F32 = NDArray[np.float32]
_STRIDE = 7  # the M-step looks at every seventh pixel
_CORRECTION_SIGMA = 0.15


@dataclass(frozen=True)
class OccluderState:
    """Where the alternation ended.

    Args:
        occluder: (h, w) float32 in [0, 1]; 1 where the photo has no pixels.
        evidence: (h, w) log ratio of face over other, 0 outside the head; for looking at.
        light: (9, 3) SH light on the view's albedo.
        predicted: (h, w, 3) the model's linear colours, 0 outside the head.
        luminance_sigma: robust scatter of visible skin about the model, log luminance.
        sunglasses: probability of dark glasses.
        beard: probability of a beard.
    """

    occluder: _F32
    evidence: _F32
    light: _Array
    predicted: _F32
    luminance_sigma: float
    sunglasses: float
    beard: float


def alternate(
    view: FaceView,
    zones: FaceZones,
    iterations: int,
    weights: OccluderWeights,
    occluder_prior: _F32 | None = None,
) -> OccluderState:
    """Expectation–maximisation over labels and light; see :func:`wholeface.stages.mask.estimate_occluder`."""
    pixels = HeadPixels.of(view, zones)
    surroundings, texture = Surroundings(view), Texture.of(view)
    price_x, price_y = _edge_prices(view, weights)
    some = np.flatnonzero(pixels.inside)[::_STRIDE]
    light = robust_start(
        pixels.basis[some], pixels.albedo[some], pixels.colour[some], pixels.skin[some], pixels.place[some]
    )
    # What the first light explains is face to begin with, lest a large occluder pull the light over.
    luminance, chroma = split(log_difference(pixels.colour, illuminate(pixels.basis, pixels.albedo, light)))
    misfit = np.square(luminance / 0.5) + np.square(chroma).sum(axis=1) / 0.4**2
    face = np.clip(np.exp(-0.5 * misfit), 0.02, 0.9)
    log_odds = None
    if occluder_prior is not None:
        probability = np.clip(np.nan_to_num(occluder_prior, nan=0.5).ravel()[pixels.at], 0.002, 0.998)
        log_odds = weights.network * np.log((1 - probability) / probability)
        face = 1 - probability
    correction = np.zeros((pixels.correction.shape[1], 3), np.float32)
    sunglasses = beard = 0.0
    for step in range(iterations):
        light, correction, difference = _refit(pixels, some, face, light, correction)
        luminance, chroma = split(difference)
        noise = _scatter(luminance[some], chroma[some], (pixels.skin * face)[some])
        chroma = chroma - noise.offset
        sunglasses = sunglasses_probability(pixels, luminance)
        beard = beard_probability(pixels, luminance)
        evidence = face_evidence(
            view, pixels, luminance, chroma, noise, face, surroundings, texture, sunglasses, beard, weights
        )
        evidence = evidence + weights.face_prior
        if log_odds is not None:
            evidence = weights.own * evidence + log_odds
        cost = _costs(view, pixels, evidence, surroundings.distance)
        start = 1 / (1 + np.exp(cost))
        rounds = 150 if step == iterations - 1 else 60
        occluder = tv_cut(cost * weights.coherence, price_x, price_y, start.astype(np.float32), rounds)
        face = 1 - occluder.ravel()[pixels.at]
    if occluder_prior is None:
        occluder = drop_implausible(occluder, view, weights)
    occluder[view.region & ~view.content] = 1.0
    shape = view.region.shape
    evidence_map, predicted = np.zeros(shape, np.float32), np.zeros((*shape, 3), np.float32)
    evidence_map.ravel()[pixels.at] = evidence
    predicted.reshape(-1, 3)[pixels.at] = illuminate(
        pixels.basis, pixels.albedo * np.exp(pixels.correction @ correction), light
    )
    return OccluderState(occluder, evidence_map, light, predicted, noise.luminance, sunglasses, beard)


def _refit(
    pixels: HeadPixels, some: NDArray[np.intp], face: _Array, light: _Array, correction: _Array
) -> tuple[_Array, _Array, _Array]:
    """M-step: light, then the skin's smooth colour correction; returns them and all log differences."""
    basis, colour, terms = pixels.basis[some], pixels.colour[some], pixels.correction[some]
    weight = (pixels.skin * face * (1 - 0.7 * pixels.beard))[some] + 1e-6
    albedo = pixels.albedo[some] * np.exp(terms @ correction)
    luminance, chroma = split(log_difference(colour, illuminate(basis, albedo, light)))
    robust_weight = weight / (1 + np.square(luminance / 0.35) + np.square(chroma).sum(axis=1))
    light = fit_light(basis, albedo, colour, robust_weight)
    # Correction c: min Σ w (d − T c)² + |c|²/σ², on what the light leaves of the uncorrected albedo.
    plain = log_difference(colour, illuminate(basis, pixels.albedo[some], light))
    luminance, chroma = split(plain - terms @ correction)
    robust = (
        weight / (1 + np.square(luminance / 0.3) + np.square(chroma).sum(axis=1) / 0.15**2) / (60 * 0.15**2)
    )
    weighted = terms * robust[:, None]
    precision = np.eye(terms.shape[1]) / _CORRECTION_SIGMA**2
    correction = np.linalg.solve(weighted.T @ terms + precision, weighted.T @ plain).astype(np.float32)
    difference = log_difference(pixels.colour, illuminate(pixels.basis, pixels.albedo, light))
    return light, correction, difference - pixels.correction @ correction


def _scatter(luminance: _Array, chroma: _Array, weight: _Array) -> SkinNoise:
    weight = weight + 1e-9
    offset = np.array([weighted_median(chroma[:, k], weight) for k in range(2)])
    spread = [1.48 * weighted_median(np.abs(chroma[:, k] - offset[k]), weight) for k in range(2)]
    return SkinNoise(
        offset.astype(np.float32),
        np.clip(spread, 0.04, 0.12),
        float(np.clip(1.48 * weighted_median(np.abs(luminance), weight), 0.12, 0.30)),
    )


def _costs(view: FaceView, pixels: HeadPixels, evidence: _Array, distance: _Array) -> _F32:
    """Cost of calling a pixel occluder; negative well outside the head, where something else surely is."""
    cost = np.zeros(view.region.shape, dtype=np.float32)
    fade = np.where(pixels.inside, 1.0, np.clip(distance.ravel()[pixels.at] / 6, 0, 1))
    cost.ravel()[pixels.at] = evidence * fade
    beyond = ~view.skin & ~view.scalp & ~view.region
    cost[beyond] = -np.clip((distance[beyond] - 2) / 3, 0, 4)
    scalp = view.scalp & ~view.region
    cost[scalp] = -np.clip((distance[scalp] - 2) / 6, 0, 3)
    cost[~view.content] = 0
    return cost


def _edge_prices(view: FaceView, weights: OccluderWeights) -> tuple[_F32, _F32]:
    """What a label change costs between neighbours: little along the photo's edges."""
    colours = log_colours(view.linear) * np.array([0.6, 1.0, 0.6], dtype=np.float32)
    colours = ndimage.gaussian_filter(colours, (0.7, 0.7, 0), truncate=3.0)
    prices = []
    for axis in (1, 0):
        step = np.zeros(view.region.shape, dtype=np.float32)
        jump = np.sqrt(np.square(np.diff(colours, axis=axis)).sum(axis=-1))
        step[tuple(slice(0, n) for n in jump.shape)] = jump
        prices.append((weights.edge_floor + np.exp(-step / weights.edge_scale)).astype(np.float32))
    return prices[0], prices[1]
