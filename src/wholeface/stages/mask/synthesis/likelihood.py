"""Face or something else: the E-step's evidence, and the two hypotheses about the whole face."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .evidence import Surroundings, Texture, gaussian
from .pixels import HeadPixels, OccluderWeights, SkinNoise
from .view import FaceView

__all__ = ["beard_probability", "face_evidence", "sunglasses_probability"]

_Array = NDArray[np.floating[Any]]
_LIMIT = 4.0  # largest log ratio that a single pixel may claim


def _logistic(value: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(value, -30, 30))))


def sunglasses_probability(pixels: HeadPixels, luminance: _Array) -> float:
    """Dark glasses hide the skin under BOTH eyes; shadows of deep-set eyes end above it."""
    below = (pixels.lens > 0.5) & (pixels.eyes < 0.3) & (pixels.place[:, 1] < -6) & pixels.inside
    dark = []
    for side in (-1, 1):
        chosen = below & (pixels.place[:, 0] * side > 0)
        if chosen.sum() > 40:
            dark.append(float(np.mean(luminance[chosen] < -0.55)))
    return _logistic((min(dark) - 0.5) * 12) if dark else 0.0


def beard_probability(pixels: HeadPixels, luminance: _Array) -> float:
    """Beards darken BOTH sides of the jaw (one side may be turned away)."""
    dark = []
    for side in (-1, 1):
        chosen = (pixels.beard > 0.6) & (pixels.place[:, 0] * side > 25) & (pixels.cosine > 0.25)
        if chosen.sum() > 30:
            dark.append(float(np.mean(luminance[chosen] < -0.3)))
    return _logistic((min(dark) - 0.35) * 14) if dark else 0.0


def face_evidence(
    view: FaceView,
    pixels: HeadPixels,
    luminance: _Array,
    chroma: _Array,
    noise: SkinNoise,
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

    skin_map = np.ones(view.region.shape)
    skin_map.ravel()[pixels.at] = face
    around, ring_weight = surroundings.density(skin_map, pixels.at)
    plain = pixels.skin * face * (1 - pixels.beard) + 1e-9
    rough = texture.log_ratio(pixels.at, plain, surroundings.ring, ring_weight)
    skin = (
        0.62 * tint(1.0) * gaussian(luminance, noise.luminance)
        + 0.15 * tint(1.6) * gaussian(luminance, 1.6 * noise.luminance)
        + 0.10 * tint(2.2) * flat(-1.6, 0.0)  # cast shadow
        + 0.06 * tint(3.0) * flat(0.0, 0.9)  # highlight
    )
    hair = broad(0.18, 0.22) * flat(-2.6, 0.1)
    anything = broad(0.3, 0.3, 0.1) * (flat(-3.2, 0.8) + 0.02)
    spectacles = np.abs(pixels.place[:, 1] + 4) < 28
    feature = pixels.feature * (1 - sunglasses * (pixels.eyes > 0.1) * spectacles)
    bearded = pixels.beard * (0.25 + 0.5 * beard)
    likelihood = (1 - feature) * (
        (1 - bearded) * skin + bearded * ((0.5 - 0.2 * beard) * skin + (0.5 + 0.2 * beard) * hair)
    ) + feature * (0.6 * anything + 0.4 * skin)

    share = weights.surroundings * (1 - 0.8 * beard * pixels.beard)
    other = (1 - share) * surroundings.uniform + share * around
    other = other + sunglasses * spectacles * (pixels.lens + 0.5) * np.where(luminance < -0.4, 0.3, 0.0)
    low = np.clip((-10 - pixels.place[:, 1]) / 40, 0, 1)
    other = other + (weights.skin_coloured + weights.hands * low) * likelihood
    evidence = np.log(likelihood + 1e-6) - np.log(other + 1e-6)
    evidence = (
        evidence + weights.texture * rough * (1 - np.maximum(feature, 0.7 * pixels.beard)) * pixels.inside
    )
    bounded: _Array = np.clip(evidence, -_LIMIT, _LIMIT)
    return bounded
