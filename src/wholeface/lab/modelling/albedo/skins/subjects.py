"""From unwrapped photographs and avatars to comparable log albedo textures of subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .....core.spherical_harmonics import sh_basis_array
from .light import fit_light
from .masks import FaceMap, skin_weight
from .portraits import Unwrapped
from .tone import TonePrior, anchored_tones, remove_low_asymmetry

__all__ = ["Subjects", "avatar_subjects", "core_tone", "portrait_subjects", "reference_pattern", "to_grid"]

Array = NDArray[Any]
_DARKEST = 0.01
_MOST = 1.0  # deviations from the common pattern approach this limit: shadows in nostrils are no pigment
_SMOOTH = 0.08  # of the zone's width: what counts as a smooth difference between left and right


@dataclass(frozen=True)
class Subjects:
    """Log albedo of N subjects over the T texels of the zone.

    Args:
        log_albedo: (N, T, 3) float32.
        weight: (N, T) float32 in [0, 1]; 0 = unknown.
        tone: (N, 3) log of the skin's albedo: median over the core of the face.
    """

    log_albedo: Array
    weight: Array
    tone: Array


def to_grid(values: Array, zone: NDArray[np.bool_]) -> Array:
    """(S, S, …) texture from (T, …) values of the zone, 0 elsewhere."""
    grid = np.zeros(zone.shape + values.shape[1:], dtype=values.dtype)
    grid[zone] = values
    return grid


def core_tone(log_albedo: Array, weight: Array, core: Array) -> Array:
    """(3,) median over the known texels of the core; log_albedo (T, 3), weight (T,), core (T,) bool."""
    known = core & (weight > 0.3)
    tone: Array = np.median(log_albedo[known if known.any() else core], axis=0)
    return tone


def reference_pattern(subjects: Subjects, zone: NDArray[np.bool_], importance: Array | None = None) -> Array:
    """(T, 3) what faces have in common: weighted, trimmed mean of log albedo less tone, made symmetric.

    Texels known in too few subjects take the pattern's smooth continuation.
    """
    relative = subjects.log_albedo - subjects.tone[:, None]
    weight = subjects.weight if importance is None else subjects.weight * importance[:, None]
    mean = np.zeros(relative.shape[1:], dtype=np.float64)
    confidence = weight.astype(np.float64)
    for _ in range(4):
        total = confidence.sum(0)
        mean = np.einsum("nt,ntc->tc", confidence, relative, optimize=True) / np.maximum(total, 1e-6)[:, None]
        error = np.linalg.norm(relative - mean, axis=2)
        confidence = weight / (1 + (error / 0.25) ** 2) ** 2
    support = to_grid(np.minimum(confidence.sum(0) / max(0.03 * float(weight.max(1).sum()), 1e-6), 1.0), zone)
    pattern = to_grid(mean, zone)
    both = support[..., None]
    mirrored = np.maximum(both + both[:, ::-1], 1e-6)
    pattern = (pattern * both + (pattern * both)[:, ::-1]) / mirrored
    support = np.maximum(support, support[:, ::-1])
    smooth = ndimage.gaussian_filter(pattern * support[..., None], (6, 6, 0))
    smooth /= np.maximum(ndimage.gaussian_filter(support, 6.0), 1e-3)[..., None]
    blended = support[..., None] * pattern + (1 - support[..., None]) * smooth
    result: Array = blended[zone]
    return result


def avatar_subjects(colour: Array, face: FaceMap, *, expected: Array | None = None) -> Subjects:
    """Avatars as subjects: their textures are albedo already; hair, collars and caps are masked.

    Args:
        colour: (N, T, 3) linear light.
        face: map of the zone.
        expected: (T, 3) pattern for the skin test, or None for a first round without one.
    """
    face = face.cropped()
    zone, core = face.zone, face.core[face.zone]
    log_albedo = np.log(np.maximum(colour, _DARKEST)).astype(np.float32)
    weight = np.ones(log_albedo.shape[:2], dtype=np.float32)
    pattern = np.zeros(log_albedo.shape[1:]) if expected is None else expected
    for n in range(len(log_albedo)):
        weight[n] = skin_weight(
            to_grid(log_albedo[n], zone), to_grid(pattern, zone), to_grid(weight[n], zone), face, lean=3.5
        )[zone]
    tone = np.stack([core_tone(a, w, core) for a, w in zip(log_albedo, weight)])
    return Subjects(log_albedo, weight, tone)


def portrait_subjects(
    unwrapped: Unwrapped,
    face: FaceMap,
    pattern: Array,
    prior: TonePrior,
    centre: Array,
    cautious: Sequence[bool],
) -> Subjects:
    """Portraits as subjects: light fitted and divided out, everything that is not face masked, tone anchored.

    Args:
        unwrapped: the portraits.
        face: map of the zone.
        pattern: (T, 3) expected log albedo less tone.
        prior: of skin tones.
        centre: (3,) log albedo of the median person photographed.
        cautious: N flags for subjects whose hair covers parts of the face: stricter skin test.
    """
    face = face.cropped()
    zone, core = face.zone, face.core[face.zone]
    shape = unwrapped.colour.shape
    sparse = np.zeros(zone.shape, dtype=bool)
    sparse[::3, ::3] = True
    some = sparse[zone]
    log_albedo = np.empty(shape, dtype=np.float32)
    weight = unwrapped.weight.copy()
    reference = np.exp(pattern)
    expected = to_grid(pattern, zone)
    core_share = np.where(core, 1.0, 0.25)
    tone = np.empty((shape[0], 3))
    for n in range(shape[0]):
        sure = weight[n] * core_share
        fit = fit_light(unwrapped.colour[n, some], unwrapped.normals[n, some], reference[some], sure[some])
        albedo = unwrapped.colour[n] / fit.relative(unwrapped.normals[n])
        value = np.log(np.maximum(albedo, _DARKEST))
        # Blown-out highlights carry no colour.
        weight[n] *= np.clip((0.97 - unwrapped.colour[n].max(1)) / 0.06, 0.02, 1)
        tested = skin_weight(
            to_grid(value, zone),
            expected,
            to_grid(weight[n], zone),
            face,
            strict=0.75 if cautious[n] else 1.0,
        )
        weight[n] = tested[zone] * face.outside[zone]
        # Lips are redder than skin; what is less red there is teeth, or light on moist lips.
        redness = value[:, 0] - value[:, 1]
        pale = face.lips[zone] & (redness < np.median(redness[core]))
        weight[n] *= ~ndimage.binary_dilation(to_grid(pale, zone), iterations=1)[zone]
        tested = to_grid(weight[n], zone)
        even = remove_low_asymmetry(to_grid(value - pattern, zone), tested, _SMOOTH * zone.shape[1])[zone]
        even = even - _remaining_light(even, unwrapped.normals[n], weight[n], some)
        level = core_tone(even, weight[n], core)
        log_albedo[n] = pattern + level + _MOST * np.tanh((even - level) / _MOST)
        tone[n] = core_tone(log_albedo[n], weight[n], core)
    anchored = anchored_tones(tone, prior, centre=centre)
    log_albedo += (anchored - tone)[:, None].astype(np.float32)
    return Subjects(log_albedo, weight, anchored)


def _remaining_light(deviation: Array, normals: Array, weight: Array, some: Array) -> Array:
    """(T, 3) the part of a deviation from the common pattern that a light could have caused, less its mean.

    A second pass in log light, less wary of outliers than the first: what varies with the normal as a
    second-order light does is taken for light, at the price of a little true pigment.
    """
    phi = sh_basis_array(normals.astype(np.float64))[:, 1:]
    design = np.concatenate((phi, np.ones((len(phi), 1))), axis=1)
    a, w = design[some], weight[some].astype(np.float64)
    robust = w
    solution = np.zeros((9, 3))
    for _ in range(5):
        normal = a.T @ (a * robust[:, None]) / max(robust.sum(), 1e-9) + np.diag([0.003] * 8 + [1e-9])
        solution = np.linalg.solve(
            normal, a.T @ (deviation[some] * robust[:, None]) / max(robust.sum(), 1e-9)
        )
        error = (deviation[some] - a @ solution).mean(1)
        robust = w / (1 + (error / 0.2) ** 2)
    result: Array = 0.8 * phi @ solution[:8]
    return result - np.average(result, axis=0, weights=weight + 1e-9)
