"""From unwrapped photographs to comparable log albedo textures: light, gloss and cast shadow taken out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .....core.luminance import LUMINANCE
from .....core.spherical_harmonics import sh_basis_array
from ..atlas import to_grid
from .gloss import gloss_of, shadow_weight
from .light import LightFit, fit_light
from .masks import FaceMap, skin_weight
from .portraits import Unwrapped
from .subjects import Subjects, core_tone
from .tone import ToneAnchors, anchored_by_label, remove_low_asymmetry

__all__ = ["evenly_lit", "photo_subjects"]

Array = NDArray[Any]
Bools = NDArray[np.bool_]
_DARKEST = 0.005
_MOST = 1.3  # deviations from the common pattern approach this limit: shadows in nostrils are no pigment
_SMOOTH = 0.08  # of the zone's width: what counts as a smooth difference between left and right
_TINTED = 0.4


def photo_subjects(
    unwrapped: Unwrapped,
    face: FaceMap,
    pattern: Array,
    anchors: ToneAnchors,
    tones: Array,
    cautious: Sequence[bool],
    bearded: Sequence[bool],
) -> Subjects:
    """Photographs as subjects: light, gloss and shadow taken out, all but the face masked, tone anchored.

    Args:
        unwrapped: N photographs.
        face: map of the zone.
        pattern: (T, 3) expected log albedo less tone.
        anchors: where the tones of labels lie.
        tones: (N,) labels 1 to 6, 0 = none.
        cautious: N flags for subjects whose hair covers parts of the face: stricter skin test.
        bearded: N flags: on the lower face bright or dark may be hair, not light.
    """
    face = face.cropped()
    zone, core = face.zone, face.core[face.zone]
    sparse = np.zeros(zone.shape, dtype=bool)
    sparse[::3, ::3] = True
    some = sparse[zone]
    log_albedo = np.empty(unwrapped.colour.shape, dtype=np.float32)
    weight = unwrapped.weight.copy()
    expected = to_grid(pattern, zone)
    tone = np.empty((len(weight), 3))
    for n in range(len(weight)):
        plain = face.plain[zone] & ~(face.beard[zone] & bool(bearded[n]))
        albedo, trust = evenly_lit(
            unwrapped.colour[n], unwrapped.normals[n], pattern, weight[n], core, plain, zone, some
        )
        weight[n] *= trust
        value = np.log(np.maximum(albedo, _DARKEST))
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
    anchored = anchored_by_label(tone, tones, anchors)
    log_albedo += (anchored - tone)[:, None].astype(np.float32)
    return Subjects(log_albedo, weight, anchored)


def evenly_lit(
    colour: Array,
    normals: Array,
    pattern: Array,
    weight: Array,
    core: Array,
    plain: Bools,
    zone: Bools,
    some: Array,
) -> tuple[Array, Array]:
    """Albedo (T, 3) times the light's level, and how far gloss, shadow and blown highlights let it be trusted."""
    reference = np.exp(pattern)
    sure = weight * np.where(core, 1.0, 0.25)
    gloss = np.zeros(len(colour))
    fit: LightFit | None = None
    for _ in range(2):
        matt = colour - gloss[:, None]
        # What shone has less say in the next round.
        say = sure / (1 + (gloss / np.maximum(0.3 * matt @ LUMINANCE, 1e-4)) ** 2)
        fit = fit_light(matt[some], normals[some], reference[some], say[some])
        shading = fit.relative(normals) * fit.level
        gloss = gloss_of(colour, reference * shading, weight, plain, zone)
    assert fit is not None
    matt = colour - gloss[:, None]
    albedo = matt / fit.relative(normals)
    trust = 1 / (1 + (gloss / np.maximum(0.6 * matt @ LUMINANCE, 1e-4)) ** 2)
    # Blown-out highlights carry no colour.
    trust = trust * np.clip((0.97 - colour.max(1)) / 0.06, 0.02, 1)
    ratio = np.log(np.maximum(matt @ LUMINANCE, 1e-4) / np.maximum((reference * shading) @ LUMINANCE, 1e-4))
    return albedo, trust * shadow_weight(ratio, weight, plain, zone)


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
    result: Array = phi @ solution[:8]
    # Faces differ in redness and sallowness from place to place: tint is light only in part.
    luma = result.mean(1, keepdims=True)
    result = luma + _TINTED * (result - luma)
    return result - np.average(result, axis=0, weights=weight + 1e-9)
