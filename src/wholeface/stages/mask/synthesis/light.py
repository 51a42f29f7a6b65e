"""Robust light on a face that is partly hidden: the M-step of the occluder mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.luminance import LUMINANCE
from ....core.spherical_harmonics import C0

__all__ = ["DARK", "fit_light", "illuminate", "log_difference", "robust_start"]

_Array = NDArray[np.floating[Any]]

DARK = 0.015
_LUMINANCE = LUMINANCE.astype(np.float32)
"""Added to linear light before a logarithm: below it sensors and JPEG leave only noise."""

_FLOOR = 0.08  # least shading, over the ambient level: light is never negative
_TINT_SIGMA, _EXPOSURE, _PRIOR_DOF = 0.25, (-0.4, 0.4), 3.0
_NOISE = 0.15  # relative error of a pixel …
_CORRELATED = 60.0  # … which this many neighbours share
_BAND_SIGMA = np.array([10.0] + [0.55] * 3 + [0.22] * 5)  # luminance, over the ambient coefficient
_CHANNEL_SIGMA = np.array([10.0] + [0.90] * 3 + [0.36] * 5)  # a channel's departure from that: coloured lamps


def illuminate(basis: _Array, albedo: _Array, light: _Array) -> _Array:
    """Linear colour (P, 3) from SH ``basis`` (P, 9) and ``albedo`` (P, 3), with shading kept positive."""
    light = light.astype(basis.dtype)
    shading = np.maximum(basis @ light, np.float32(_FLOOR * C0) * np.abs(light[0]))
    colour: _Array = albedo * shading
    return colour


def log_difference(colour: _Array, predicted: _Array) -> _Array:
    """log(colour) − log(predicted), insensitive where both are dark."""
    difference: _Array = np.log((colour + np.float32(DARK)) / (predicted + np.float32(DARK)))
    return difference


def fit_light(basis: _Array, albedo: _Array, colour: _Array, weight: _Array, iterations: int = 2) -> _Array:
    r"""Light (9, 3) by regularised, iteratively reweighted least squares on relative errors.

    .. math:: \min_\gamma \sum_p w_p \left(\frac{c_p - a_p \Phi_p\gamma}{\hat c_p}\right)^2 + \text{prior}

    First one light for the luminance, with directional bands kept below the ambient one; then each channel as
    that light in its own colour, from which it may depart a little (coloured lamps).

    Args:
        basis: (P, 9).
        albedo: (P, 3) linear.
        colour: (P, 3) linear, observed.
        weight: (P,) ≥ 0, how surely a pixel shows skin.
        iterations: reweightings.
    """
    strength = weight / (_CORRELATED * _NOISE**2)
    total = float(weight.sum()) + 1e-9
    dull, grey = albedo @ _LUMINANCE, colour @ _LUMINANCE
    level = float(np.exp((weight * (np.log(grey + DARK) - np.log(dull + DARK))).sum() / total))
    mean: _Array = np.zeros(9)
    mean[0] = level / C0
    one = mean
    for _ in range(iterations):
        one = _solve(basis, dull, grey, strength, one, mean, _BAND_SIGMA * mean[0], level)
    light: _Array = np.zeros((9, 3))
    shaded = np.maximum(basis @ one, _FLOOR * level)
    for c in range(3):
        gain = float((weight * (colour[:, c] + DARK) / (albedo[:, c] * shaded + DARK)).sum() / total)
        own = one * gain
        light[:, c] = _solve(
            basis, albedo[:, c], colour[:, c], strength, own, own, _CHANNEL_SIGMA * abs(own[0]), level * gain
        )
    return light


def _solve(
    basis: _Array,
    albedo: _Array,
    colour: _Array,
    strength: _Array,
    start: _Array,
    mean: _Array,
    sigma: _Array,
    level: float,
) -> _Array:
    """One reweighted solve for one channel; falls back to ``mean`` when the ambient term turns negative."""
    scale = albedo * np.maximum(basis @ start, _FLOOR * level) + DARK
    design = basis * (albedo / scale)[:, None]
    weighted = design * strength[:, None]
    precision = 1.0 / np.square(np.maximum(sigma, 1e-9))
    solved: _Array = np.linalg.solve(
        weighted.T @ design + np.diag(precision), weighted.T @ (colour / scale) + precision * mean
    )
    return solved if solved[0] > 0 else mean


def robust_start(basis: _Array, albedo: _Array, colour: _Array, weight: _Array, place: _Array) -> _Array:
    """Light (9, 3) from whichever part of the face explains most of the rest.

    Halves, quarters and the centre of the face each propose a light; the one with the largest consensus wins,
    so that an occluder must cover most of the face before it is taken for skin.

    Args:
        basis: (P, 9).
        albedo: (P, 3).
        colour: (P, 3).
        weight: (P,) how skin-like the place is by nature.
        place: (P, 3) position on the mean head, mm.

    Source: Egger et al. 2018, "Occlusion-aware 3D Morphable Models and an Illumination Prior"; its random
    samples are replaced by a fixed set of regions, which makes it deterministic.
    """
    x, y = place[:, 0], place[:, 1]
    middle = float(np.median(y))
    low, high = y < middle + 15, y > middle - 25
    everything = np.ones(len(x), dtype=bool)
    proposals = [
        everything,
        x < 5,
        x > -5,
        low,
        high,
        (x < 0) & low,
        (x > 0) & low,
        (x < 0) & high,
        (x > 0) & high,
    ]
    proposals.append((np.abs(x) < 45) & (y < middle + 25) & (y > middle - 45))
    best, best_score = fit_light(basis, albedo, colour, weight), -1.0
    for proposal in proposals:
        chosen = weight * proposal
        if chosen.sum() < 0.05 * weight.sum():
            continue
        for attempt in range(2):
            light = fit_light(basis, albedo, colour, chosen)
            luminance, chroma = split(log_difference(colour, illuminate(basis, albedo, light)))
            squared = np.square(chroma).sum(axis=1)
            chosen = (
                weight
                * (proposal if attempt == 0 else 1.0)
                * np.exp(-0.5 * np.square(luminance / 0.3) - 0.5 * squared / 0.15**2)
                + 1e-6
            )
        score = _usual(basis, light) * float(
            (weight * np.exp(-0.5 * np.square(luminance / 0.2) - 0.5 * squared / 0.1**2)).sum()
        )
        if score > best_score:
            best, best_score = light, score
    return best


def _usual(basis: _Array, light: _Array) -> float:
    """Prior of a light, 1 at most: lamps are whitish and exposures right, more often than not."""
    level = np.log(np.maximum((basis @ light).mean(axis=0), 1e-3))
    tint = float(np.square(level - level.mean()).sum()) / _TINT_SIGMA**2
    exposure = (float(level.mean()) - _EXPOSURE[0]) ** 2 / _EXPOSURE[1] ** 2
    return float((1 + (tint + exposure) / _PRIOR_DOF) ** (-(_PRIOR_DOF + 1) / 2))


_SPLIT = np.array([0.3, 0.5, 0.2], dtype=np.float32)


def split(difference: _Array) -> tuple[_Array, _Array]:
    """Log-colour differences (P, 3) as luminance (P,) and chroma (P, 2): red and blue against green."""
    chroma = np.stack([difference[:, 0] - difference[:, 1], difference[:, 2] - difference[:, 1]], axis=1)
    return difference @ _SPLIT, chroma
