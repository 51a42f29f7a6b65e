"""The alternation behind the occluder mask: classify pixels, refit light, again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ._occluder_evidence import Surroundings, Texture, gaussian, log_colours, weighted_median
from ._occluder_light import fit_light, illuminate, log_difference, robust_start, split
from ._occluder_view import FaceView
from ._occluder_zones import FaceZones
from ._tv_cut import tv_cut

__all__ = ["OccluderState", "OccluderWeights", "alternate"]

_Array = NDArray[np.floating[Any]]
_F32 = NDArray[np.float32]
_STRIDE = 7  # the M-step looks at every seventh pixel
_LIMIT = 4.0  # largest log ratio that a single pixel may claim
_CORRECTION_SIGMA = 0.15


@dataclass(frozen=True)
class OccluderWeights:
    """Strengths of the cues.

    Args:
        face_prior: log odds of a pixel to be face before it is looked at.
        surroundings: share of the colours around the face in the model of what is not face; the rest is uniform.
        texture: exponent of the texture likelihood.
        coherence: scale of the pixels' evidence against the length penalty: larger = more detail.
        edge_scale: log-colour step at which a boundary becomes cheap.
        edge_floor: price of a boundary along the strongest edge.
    """

    face_prior: float = 1.0
    surroundings: float = 0.5
    texture: float = 0.5
    coherence: float = 0.11
    edge_scale: float = 0.10
    edge_floor: float = 0.06


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


@dataclass(frozen=True)
class _Noise:
    """Robust scatter of visible skin about the model."""

    offset: _Array
    chroma: _Array
    luminance: float


@dataclass(frozen=True)
class _Pixels:
    """The head's pixels in flat order."""

    at: NDArray[np.intp]
    inside: NDArray[np.bool_]
    place: _Array
    facing: _Array
    basis: _Array
    albedo: _Array
    colour: _Array
    feature: _Array
    eyes: _Array
    beard: _Array
    lens: _Array
    skin: _Array  # how surely the place shows plain skin when nothing is in front
    correction: _Array  # (P, 7) smooth, mirror-symmetric functions of the place

    @staticmethod
    def of(view: FaceView, zones: FaceZones) -> _Pixels:
        near = ndimage.binary_dilation(view.region, iterations=2) | view.skin
        at = np.flatnonzero(view.skin & view.content & near)

        def pick(values: _Array) -> _Array:
            return values.reshape(-1, *values.shape[2:])[at]

        inside = view.region.ravel()[at]
        zone = {name: pick(values) for name, values in view.zones.items()}
        eyes = np.clip(np.maximum(zone["eyes"], zone["brows"]), 0, 1)
        feature = np.clip(np.maximum.reduce([eyes, zone["mouth"], zone["nostrils"]]), 0, 1)
        facing = pick(view.facing)
        place = pick(view.place)
        skin = (1 - feature) * np.clip(facing, 0.05, 1) * inside
        x, y = np.abs(place[:, 0]) / 70, (place[:, 1] - zones.eye_height + 35) / 90
        terms = np.stack([x**2, y, y**2, x**2 * y, x**2 * y**2, y**3, x**4], axis=1).astype(np.float32)
        terms -= (terms * skin[:, None]).sum(axis=0) / max(float(skin.sum()), 1e-6)
        return _Pixels(
            at=at,
            inside=inside,
            place=place,
            facing=facing,
            basis=pick(view.basis),
            albedo=np.maximum(pick(view.albedo), 1e-3),
            colour=pick(view.linear),
            feature=feature,
            eyes=eyes,
            beard=np.clip(zone["beard"], 0, 1) * inside,
            lens=zone["lens"],
            skin=skin,
            correction=terms,
        )


def alternate(view: FaceView, zones: FaceZones, iterations: int, weights: OccluderWeights) -> OccluderState:
    """Expectation–maximisation over labels and light; see :func:`wholeface.fit.estimate_occluder`."""
    pixels = _Pixels.of(view, zones)
    surroundings, texture = Surroundings(view), Texture.of(view)
    price_x, price_y = _edge_prices(view, weights)
    some = np.flatnonzero(pixels.inside)[::_STRIDE]
    light = robust_start(
        pixels.basis[some], pixels.albedo[some], pixels.colour[some], pixels.skin[some], pixels.place[some]
    )
    face = np.full(len(pixels.at), 0.9)
    correction = np.zeros((pixels.correction.shape[1], 3))
    sunglasses = beard = 0.0
    for step in range(iterations):
        light, correction, difference = _refit(pixels, some, face, light, correction)
        luminance, chroma = split(difference)
        noise = _scatter(luminance[some], chroma[some], (pixels.skin * face)[some])
        chroma = chroma - noise.offset
        sunglasses = _sunglasses(pixels, luminance, zones)
        beard = _beard(pixels, luminance, zones)
        evidence = _evidence(
            view, pixels, luminance, chroma, noise, face, surroundings, texture, sunglasses, beard, weights
        )
        cost = _costs(view, pixels, evidence + weights.face_prior, surroundings.distance)
        start = 1 / (1 + np.exp(cost))
        rounds = 150 if step == iterations - 1 else 60
        occluder = tv_cut(cost * weights.coherence, price_x, price_y, start.astype(np.float32), rounds)
        face = 1 - occluder.ravel()[pixels.at]
    occluder[view.region & ~view.content] = 1.0
    shape = view.region.shape
    evidence_map, predicted = np.zeros(shape, np.float32), np.zeros((*shape, 3), np.float32)
    evidence_map.ravel()[pixels.at] = evidence
    predicted.reshape(-1, 3)[pixels.at] = illuminate(
        pixels.basis, pixels.albedo * np.exp(pixels.correction @ correction), light
    )
    return OccluderState(occluder, evidence_map, light, predicted, noise.luminance, sunglasses, beard)


def _refit(
    pixels: _Pixels, some: NDArray[np.intp], face: _Array, light: _Array, correction: _Array
) -> tuple[_Array, _Array, _Array]:
    """M-step: light, then the skin's smooth colour correction; returns them and all log differences."""
    basis, colour, terms = pixels.basis[some], pixels.colour[some], pixels.correction[some]
    weight = (pixels.skin * face * (1 - 0.7 * pixels.beard))[some] + 1e-6
    albedo = pixels.albedo[some] * np.exp(terms @ correction)
    luminance, chroma = split(log_difference(colour, illuminate(basis, albedo, light)))
    light = fit_light(basis, albedo, colour, weight / (1 + np.square(luminance / 0.35)))
    # Correction c: min Σ w (d − T c)² + |c|²/σ², on what the light leaves of the uncorrected albedo.
    plain = log_difference(colour, illuminate(basis, pixels.albedo[some], light))
    luminance, chroma = split(plain - terms @ correction)
    robust = (
        weight / (1 + np.square(luminance / 0.3) + np.square(chroma).sum(axis=1) / 0.15**2) / (60 * 0.15**2)
    )
    weighted = terms * robust[:, None]
    correction = np.linalg.solve(
        weighted.T @ terms + np.eye(terms.shape[1]) / _CORRECTION_SIGMA**2, weighted.T @ plain
    )
    difference = log_difference(pixels.colour, illuminate(pixels.basis, pixels.albedo, light))
    return light, correction, difference - pixels.correction @ correction


def _scatter(luminance: _Array, chroma: _Array, weight: _Array) -> _Noise:
    weight = weight + 1e-9
    offset = np.array([weighted_median(chroma[:, k], weight) for k in range(2)])
    spread = [1.48 * weighted_median(np.abs(chroma[:, k] - offset[k]), weight) for k in range(2)]
    return _Noise(
        offset,
        np.clip(spread, 0.04, 0.12),
        float(np.clip(1.48 * weighted_median(np.abs(luminance), weight), 0.12, 0.3)),
    )


def _logistic(value: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(value, -30, 30))))


def _sunglasses(pixels: _Pixels, luminance: _Array, zones: FaceZones) -> float:
    """Dark glasses hide the skin under BOTH eyes; shadows of deep-set eyes end above it."""
    below = (
        (pixels.lens > 0.5)
        & (pixels.eyes < 0.3)
        & (pixels.place[:, 1] < zones.eye_height - 6)
        & pixels.inside
    )
    dark = []
    for side in (-1, 1):
        chosen = below & (pixels.place[:, 0] * side > 0)
        if chosen.sum() > 40:
            dark.append(float(np.mean(luminance[chosen] < -0.55)))
    return _logistic((min(dark) - 0.5) * 12) if dark else 0.0


def _beard(pixels: _Pixels, luminance: _Array, zones: FaceZones) -> float:
    """Beards darken BOTH sides of the jaw (one side may be turned away)."""
    dark = []
    for side in (-1, 1):
        chosen = (pixels.beard > 0.6) & (pixels.place[:, 0] * side > 25) & (pixels.facing > 0.25)
        if chosen.sum() > 30:
            dark.append(float(np.mean(luminance[chosen] < -0.3)))
    return _logistic((min(dark) - 0.35) * 14) if dark else 0.0


def _evidence(
    view: FaceView,
    pixels: _Pixels,
    luminance: _Array,
    chroma: _Array,
    noise: _Noise,
    face: _Array,
    surroundings: Surroundings,
    texture: Texture,
    sunglasses: float,
    beard: float,
    weights: OccluderWeights,
) -> _Array:
    """E-step: log p(pixel | face) − log p(pixel | something else), bounded."""

    def tint(scale: float) -> _Array:
        if surroundings.grey:
            return np.ones(len(luminance))
        return gaussian(chroma[:, 0], scale * noise.chroma[0]) * gaussian(
            chroma[:, 1], scale * noise.chroma[1]
        )

    def flat(low: float, high: float) -> _Array:
        return ((luminance > low) & (luminance < high)) / (high - low)

    def broad(red: float, blue: float, shift: float = 0.0) -> _Array:
        if surroundings.grey:
            return np.ones(len(luminance))
        return gaussian(chroma[:, 0] + shift, red) * gaussian(chroma[:, 1] - shift, blue)

    skin = (
        0.62 * tint(1.0) * gaussian(luminance, noise.luminance)
        + 0.22 * tint(2.0) * gaussian(luminance, 2 * noise.luminance)
        + 0.10 * tint(2.2) * flat(-1.6, 0.0)  # cast shadow
        + 0.06 * tint(3.0) * flat(0.0, 0.9)  # highlight
    )
    hair = broad(0.18, 0.22) * flat(-2.6, 0.1)
    anything = broad(0.3, 0.3, 0.1) * (flat(-3.2, 0.8) + 0.02)
    spectacles = (
        np.abs(pixels.place[:, 1] - pixels.place[pixels.lens > 0.5, 1].mean()) < 40
        if sunglasses > 0.01
        else 0
    )
    feature = pixels.feature * (1 - sunglasses * (pixels.eyes > 0.1) * spectacles)
    bearded = pixels.beard * (0.25 + 0.5 * beard)
    likelihood = (1 - feature) * (
        (1 - bearded) * skin + bearded * ((0.5 - 0.2 * beard) * skin + (0.5 + 0.2 * beard) * hair)
    ) + feature * (0.6 * anything + 0.4 * skin)

    skin_map = np.ones(view.region.shape)
    skin_map.ravel()[pixels.at] = face
    around, ring_weight = surroundings.density(skin_map, pixels.at)
    share = weights.surroundings * (1 - 0.8 * beard * pixels.beard)
    other = (1 - share) * surroundings.uniform + share * around
    other = other + sunglasses * spectacles * (pixels.lens + 0.5) * np.where(luminance < -0.4, 0.3, 0.0)
    evidence = np.log(likelihood + 1e-6) - np.log(other + 1e-6)
    plain = pixels.skin * face * (1 - pixels.beard) + 1e-9
    rough = texture.log_ratio(pixels.at, plain, surroundings.ring, ring_weight)
    evidence = (
        evidence + weights.texture * rough * (1 - np.maximum(feature, 0.7 * pixels.beard)) * pixels.inside
    )
    bounded: _Array = np.clip(evidence, -_LIMIT, _LIMIT)
    return bounded


def _costs(view: FaceView, pixels: _Pixels, evidence: _Array, distance: _Array) -> _F32:
    """Cost of calling a pixel occluder; negative well outside the head, which something else surely covers."""
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
