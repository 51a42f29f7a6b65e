"""What a photo shows beyond the fitted rendering, and where that may be relief."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from ....core.luminance import LUMINANCE, luminance
from ....core.short_repr import short_repr
from ....core.smoothstep import smoothstep
from ....core.srgb import LINEAR_OF_BYTE
from ....morphable import MorphableModel
from ...mask.synthesis.zones import ZONES, face_zones
from ...upright import UprightFace
from ..inputs import ReliefInput
from .geometry import Array, Ground, ground_of

__all__ = ["ShadingEvidence", "beard_probability", "blurred_within", "shading_evidence"]

_DARK = 0.004  # linear light added before logs are taken: black says little
_EDGE_MM = (0.7, 2.5)  # from what is no skin: no trust up to the first, full from the second on
_FACING = (0.2, 0.45)  # cosine towards the eye, likewise
_CUT = 0.5  # log luminance beyond which a pixel is something else than a slope
_GLOSS = (0.12, 0.35)  # log luminance above its surroundings where a highlight begins and is sure
_BLEACHED = (0.95, 1.0)  # sRGB of the brightest channel where the sensor's scale ends
_ROUGH = (0.06, 0.13)  # standard deviation of the finest log luminance, of skin and of beard
_DIM = (0.05, 0.45)  # log luminance by which a beard is darker than skin


@dataclass(frozen=True)
class ShadingEvidence:
    """What shape from shading works on, in a crop of S × S pixels.

    Args:
        log_ratio: (S, S) float32, log luminance of the photo over that of the rendering, high-passed; 0 off the skin.
        weight: (S, S) float32 in [0, 1], how far a pixel's brightness tells of its slope; 0 off the skin.
        light: (9,) float32, luminance of the light on the face's mean albedo, in the crop's camera space.
        surface: the foundation.
        beard: (S, S) float32 in [0, 1].
        gloss: (S, S) float32 in [0, 1].
    """

    log_ratio: Array
    weight: Array
    light: Array
    surface: Ground
    beard: Array
    gloss: Array

    __repr__ = short_repr


def blurred_within(values: Array, weight: Array, sigma: float) -> Array:
    """Gaussian mean of those values that count: blurred values · weight over blurred weight; 0 where none is near.

    Args:
        values: (H, W).
        weight: (H, W), at least 0.
        sigma: standard deviation in pixels.
    """
    of = gaussian_filter(weight.astype(np.float32, copy=False), sigma, truncate=3)
    mean = gaussian_filter((values * weight).astype(np.float32, copy=False), sigma, truncate=3)
    return np.asarray(np.where(of > 1e-3, mean / np.maximum(of, 1e-3), 0), np.float32)


def shading_evidence(given: ReliefInput, where: UprightFace, high_pass_mm: float = 3.0) -> ShadingEvidence:
    """What shape from shading is given of a face.

    The weight falls towards everything that is no skin (hair, brows, eyes, lips, occluders, the silhouette), towards
    surfaces seen edge-on, and where gloss or a beard explain the brightness.

    Args:
        given: maps of the face.
        where: its frame, as :func:`wholeface.stages.relief.relief_input` returns both.
        high_pass_mm: standard deviation of the blur that is taken from the log ratio.
    """
    surface = ground_of(where)
    pixel = surface.pixel_mm
    linear = LINEAR_OF_BYTE[given.image]
    bright = np.log(luminance(linear) + np.float32(_DARK))
    rendered = np.log(luminance(LINEAR_OF_BYTE[given.rendering]) + np.float32(_DARK))
    seen = given.visible.astype(np.float32) / 255
    skin = seen > 0.5
    inset = distance_transform_edt(skin).astype(np.float32) * pixel
    trusted = smoothstep(*_EDGE_MM, inset) * smoothstep(*_FACING, surface.facing)
    trusted = np.where(skin, trusted, 0).astype(np.float32)
    ratio: Array = np.where(skin, bright - rendered, 0).astype(np.float32)
    usual = blurred_within(ratio, np.where(skin, seen, 0).astype(np.float32), high_pass_mm / pixel)
    fine: Array = np.where(skin, ratio - usual, 0).astype(np.float32)
    beard = beard_probability(ratio, fine, trusted, _zone(where, "beard"), pixel)
    gloss = _gloss(given.image, fine, beard)
    calm = 1 - np.minimum(_zone(where, "nostrils") + _zone(where, "eyes"), 1)
    weight = trusted * (1 - 0.9 * beard) * (1 - gloss) * calm
    limit = np.float32(_CUT)
    return ShadingEvidence(
        np.clip(fine, -limit, limit),
        np.asarray(weight, np.float32),
        _light(given, where),
        surface,
        beard,
        gloss,
    )


def beard_probability(ratio: Array, fine: Array, weight: Array, zone: Array, pixel_mm: float) -> Array:
    """Where the chin, the jaw and the upper lip carry hair: darker than the other skin, or rough.

    Args:
        ratio: (H, W) log luminance of the photo over the rendering's.
        fine: (H, W) the same, high-passed.
        weight: (H, W) in [0, 1], of skin.
        zone: (H, W) in [0, 1], where beards grow.
        pixel_mm: mm that a pixel spans.

    Returns:
        (H, W) float32 in [0, 1].
    """
    elsewhere = weight * (zone < 0.1)
    if not (elsewhere > 0.5).any() or not (zone > 0.5).any():
        return np.zeros_like(weight)
    level = np.float32(np.median(ratio[elsewhere > 0.5]))
    reach = 4.0 / pixel_mm
    dim = level - blurred_within(ratio, weight + 1e-3, reach)
    finest = fine - blurred_within(fine, weight + 1e-3, 1.0 / pixel_mm)
    rough = np.sqrt(np.maximum(blurred_within(finest * finest, weight + 1e-3, reach), 0))
    usual = np.float32(np.median(rough[elsewhere > 0.5]))
    found = smoothstep(_ROUGH[0], _ROUGH[1], rough - 0.5 * usual) * 0.5 + smoothstep(*_DIM, dim)
    return np.asarray(np.clip(found, 0, 1) * zone, np.float32)


def _gloss(image: NDArray[np.uint8], fine: Array, beard: Array) -> Array:
    """Highlights: brighter and greyer than the skin around them, or beyond the sensor's scale."""
    most = image.max(axis=2).astype(np.float32) / 255
    least = image.min(axis=2).astype(np.float32) / 255
    pale = 1 - smoothstep(0.35, 0.6, 1 - least / np.maximum(most, 1e-3))
    shine = smoothstep(*_GLOSS, fine) * pale * (1 - beard)
    return np.asarray(np.maximum(shine, smoothstep(*_BLEACHED, most)), np.float32)


def _light(given: ReliefInput, where: UprightFace) -> Array:
    """(9,) the light as luminance over skin of the rendering's mean colour."""
    light = where.parameters.light.detach().cpu().double().numpy()
    seen = given.visible > 127
    colour = np.ones(3)
    if seen.any():
        colour = LINEAR_OF_BYTE[given.rendering[seen]].astype(np.float64).mean(axis=0)
        # Albedo = colour over shading; its scale does not matter, for only ratios of shading are compared.
        facing = where.posed.normals.double().cpu().numpy()
        from ....core.spherical_harmonics import sh_basis_array

        shade = (sh_basis_array(facing[facing[:, 2] > 0.3]) @ light).mean(axis=0)
        colour = colour / np.maximum(shade, 1e-3)
    return np.asarray(light @ (colour * LUMINANCE), np.float32)


def _zone(where: UprightFace, name: str) -> Array:
    """(S, S) one of the face's soft zones at the pixels of a crop; 0 beside the head."""
    model = where.posed.model
    values = model.table("face zones by name", _zones)[name]
    fragments = where.posed.seen(where.camera)
    triangle = fragments.triangle[0].numpy()
    shown = triangle >= 0
    out = np.zeros(triangle.shape, np.float32)
    corners = model.triangles.cpu().numpy()[triangle[shown]]
    out[shown] = (values[corners] * fragments.barycentric[0].numpy()[shown]).sum(axis=1)
    return out


def _zones(model: MorphableModel) -> dict[str, Array]:
    """Name of each zone -> (V,); none of a model without landmarks."""
    if model.landmarks_68 is None:
        return {name: np.zeros(model.vertex_count, np.float32) for name in ZONES}
    found = face_zones(model).attributes.numpy()
    return {name: np.ascontiguousarray(found[:, i]) for i, name in enumerate(ZONES)}
