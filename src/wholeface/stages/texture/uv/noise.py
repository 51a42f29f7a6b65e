"""Fine structure on the texture, so that texels from the model are not smoother than skin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ....core.luminance import luminance
from ....core.threads import side_by_side
from ....morphable import MorphableModel
from .atlas import FACE, Array, Atlas, Surface
from .view import View

__all__ = ["SkinNoise", "matched_noise", "skin_noise"]

_ENOUGH = 400  # reliable pixels from which the photo tells how rough its skin is
_NARROWEST = 0.6  # photo pixels of the wider Gaussian, below which a photo shows nothing of a band
_ROUGHEST = 0.06  # log units; beyond that it is a spoilt photo
_LIMIT = 3.0
_ELSEWHERE = 0.6  # scalp, ears and neck are stretched on the atlas
_GRAIN_MM, _COARSE_SHARE = 1.5, 0.25  # of what is coarser, most is wrinkles and spots, no grain
_UNEVEN = (0.6, 1.4)  # roughness of places beside the face's median


@dataclass(frozen=True)
class SkinNoise:
    """Noise with the statistics of skin, constant for a model, a texture size and a seed.

    Args:
        scale: (B,) mm; band b lies between Gaussians of ``scale[b] / 2`` and ``scale[b]``.
        level: (B, V) roughness of the vertices beside the face's median.
        values: (B, T) float32 noise at the texels, of that standard deviation.
        plain: for a model without such statistics, (T,) noise of unit variance; else None.
    """

    scale: Array
    level: Array
    values: Array
    plain: Array | None = None


def skin_noise(model: MorphableModel, surface: Surface, atlas: Atlas, seed: int) -> SkinNoise:
    """The noise of a model, made once and kept with it.

    The face model's extras ``grain`` (B, V), ``grain_mm`` (B,) and ``grain_skew`` (B,) say how rough skin is where,
    at which scales, and how much darker than brighter its grains are (pores, stubble). A model without them gets
    noise of one strength everywhere; one coloured at its vertices, wider apart than pores, gets none.
    """
    return model.table(
        "skin noise", lambda m: _skin_noise(m, surface, atlas, seed), key=(atlas.size, len(atlas.texel), seed)
    )


def _skin_noise(model: MorphableModel, surface: Surface, atlas: Atlas, seed: int) -> SkinNoise:
    none = np.zeros((0, len(atlas.texel)), np.float32)
    if atlas.size == 0:
        return SkinNoise(np.zeros(0), none, none, np.zeros(len(atlas.texel), np.float32))
    if "grain" not in model.extras:
        return SkinNoise(np.zeros(0), none, none, np.asarray(_noise(atlas.size, seed).ravel()[atlas.texel]))
    grain, scale, skew = (model.extras[n].double().numpy() for n in ("grain", "grain_mm", "grain_skew"))
    level = _relative(grain, model)
    corners = surface.triangles[atlas.triangle]
    texel_mm = _texel_mm(model, surface, atlas)
    values = np.empty((len(level), len(atlas.texel)), np.float32)

    def fill(b: int) -> None:
        band = _band(atlas.size, seed + 1000 * b, float(scale[b]) / texel_mm, float(skew[b]))
        here = np.einsum("tj,tj->t", atlas.barycentric, level[b].astype(np.float32)[corners])
        values[b] = band.ravel()[atlas.texel] * here

    side_by_side(fill, range(len(level)))
    return SkinNoise(scale, level, values)


def _relative(grain: Array, model: MorphableModel) -> Array:
    """(B, V) roughness beside the face's median; what is much rougher has features, which are no grain."""
    face = model.regions["face"].numpy() if "face" in model.regions else np.ones(grain.shape[1], bool)
    typical = np.median(grain[:, face], axis=1, keepdims=True)
    low, high = _UNEVEN
    return np.where(face, np.clip(grain / np.maximum(typical, 1e-6), low, high), _ELSEWHERE)


def matched_noise(noise: SkinNoise, view: View, weight: Array, surface: Surface, plain_grain: float) -> Array:
    """(T,) noise in log units, as rough as the skin that the photo shows.

    Each band is measured on the photo's reliable pixels; one that the photo is too coarse or too blurred to show is
    weak on the texture, too.

    Args:
        noise: of the model.
        view: the photo around the face.
        weight: (h, w) in [0, 1], confidence in its pixels.
        surface: of the model.
        plain_grain: standard deviation of the photo's finest structure, for a model without statistics.
    """
    if noise.plain is not None:
        return np.asarray(noise.plain * np.float32(plain_grain))
    reliable = weight > 0.7
    if reliable.sum() < _ENOUGH:
        return np.zeros(noise.values.shape[1], np.float32)
    from scipy.optimize import nnls

    found, typical = _roughness(noise, view, reliable, surface).T
    # Neighbouring bands overlap: what the photo shows in each is the sum of what all of them put there.
    variance, _ = nnls(_overlap(noise.scale), found**2)
    variance[noise.scale > _GRAIN_MM] *= _COARSE_SHARE
    shares = (np.sqrt(variance) / np.maximum(typical, 1e-4)).astype(np.float32)
    # n_t = sum_b r_b n_bt
    return np.asarray(shares @ noise.values)


def _overlap(scale: Array) -> Array:
    r"""(B, B) variance that band b sees of noise of unit variance in band c.

    .. math:: M_{bc} = \int G_b^2 G_c^2 f\, df \Big/ \int G_c^2 f\, df
    """
    frequency = np.geomspace(1e-3, 1e2, 4000) / float(scale.max())
    squared = 2 * (np.pi * frequency[None] * scale[:, None]) ** 2
    power = (np.exp(-0.25 * squared) - np.exp(-squared)) ** 2  # (B, F)
    measure = frequency * np.gradient(frequency)
    joint = np.einsum("bf,cf,f->bc", power, power, measure)
    result: Array = joint / (power @ measure)[None, :]
    return result


def _roughness(noise: SkinNoise, view: View, reliable: Array, surface: Surface) -> Array:
    """(B, 2) standard deviation of the photo's skin in each band, and the model's median roughness where it was
    measured; (0, 1) of a band that is not measured."""
    result = np.tile((0.0, 1.0), (len(noise.scale), 1))
    widths = noise.scale * view.pixels_per_mm
    bands = np.flatnonzero(widths >= _NARROWEST)
    face = reliable & (view.triangle >= 0)
    face &= surface.kind[np.maximum(view.triangle, 0)] == FACE
    if face.sum() < _ENOUGH or len(bands) == 0:
        return result
    soft = _softened(view, reliable, face, sorted({float(s) for b in bands for s in _sigmas(widths[b])}))
    corners = surface.triangles[view.triangle[face]]
    for b in bands:
        fine, coarse = (soft[sigma] for sigma in _sigmas(widths[b]))
        found = 1.4826 * float(np.median(np.abs(fine - coarse)))
        typical = float(np.median((view.barycentric[face] * noise.level[b][corners]).sum(axis=1)))
        result[b] = min(found, _ROUGHEST), typical
    return result


def _sigmas(width: float) -> tuple[float, float]:
    """Of the Gaussians between which a band lies."""
    return 0.5 * float(width), float(width)


def _softened(view: View, reliable: Array, face: Array, sigmas: Sequence[float]) -> dict[float, Array]:
    """The photo's log luminance at the face's pixels (P,), blurred within what is reliable, by each sigma."""
    from scipy.ndimage import gaussian_filter

    seen = reliable.astype(np.float32)
    log = np.log(luminance(view.linear) + 0.003) * seen

    def blurred(sigma: float) -> Array:
        return np.asarray(
            gaussian_filter(log, sigma)[face] / np.maximum(gaussian_filter(seen, sigma)[face], 1e-3)
        )

    return dict(zip(sigmas, side_by_side(blurred, sigmas)))


def _texel_mm(model: MorphableModel, surface: Surface, atlas: Atlas) -> float:
    """Edge of the face's median texel on the mean face, mm."""
    face = surface.kind == FACE
    p = model.mean.double().numpy()[surface.triangles[face]]
    area = 0.5 * np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1)
    return float(np.sqrt(np.median(area / np.maximum(atlas.uv_area[face], 1e-3))))


def _band(size: int, seed: int, sigma: float, skew: float) -> Array:
    """(S, S) float32 noise of unit variance between Gaussians of sigma / 2 and sigma texels."""
    from scipy.ndimage import gaussian_filter

    white = np.random.default_rng(seed).standard_normal((size, size), np.float32)
    band = gaussian_filter(white, 0.5 * sigma, mode="wrap") - gaussian_filter(white, sigma, mode="wrap")
    if float(band.std()) < 1e-6:  # finer than the texels
        return np.zeros((size, size), np.float32)
    band /= band.std()
    # The second-order Cornish-Fisher expansion gives noise a skewness.
    band = band + np.clip(skew, -1.5, 1.5) / 6 * (band**2 - 1)
    return np.asarray(np.clip((band - band.mean()) / band.std(), -_LIMIT, _LIMIT), np.float32)


@lru_cache(maxsize=4)
def _noise(size: int, seed: int) -> Array:
    """(S, S) float32 of unit variance: pores of about one texel in 1024 and a weaker, coarser octave."""
    from scipy.ndimage import gaussian_filter

    generator = np.random.default_rng(seed)
    total = np.zeros((size, size), np.float32)
    for width, share in ((1.0, 1.0), (2.6, 0.6)):
        octave = gaussian_filter(
            generator.standard_normal((size, size), np.float32), width * size / 1024, mode="wrap"
        )
        total += share * octave / octave.std()
    return np.asarray(np.clip(total / total.std(), -2.5, 2.5))
