"""Log albedo textures of subjects: what they have in common, and those of avatars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..atlas import to_grid
from .masks import FaceMap, skin_weight

__all__ = ["Subjects", "avatar_subjects", "core_tone", "reference_pattern"]

Array = NDArray[Any]
_DARKEST = 0.005


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
