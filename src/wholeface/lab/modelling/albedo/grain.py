"""Skin's fine structure as statistics: how rough skin is, band by band and place by place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ....core.luminance import LUMINANCE
from ....morphable.model import MorphableModel
from .atlas import Atlas, pad_texture, texture_at_vertices, to_grid

__all__ = ["BAND_MM", "Grain", "learn_grain"]

Array = NDArray[Any]
Bools = NDArray[np.bool_]
BAND_MM = (0.6, 1.2, 2.4)
"""Scales of the bands: each is the difference of Gaussians of half and once this standard deviation, mm."""
_DARK = 2.5  # robust deviations: what differs more is a feature, not grain


@dataclass(frozen=True)
class Grain:
    """Roughness of skin.

    Args:
        level: (B, V) standard deviation of log luminance in each band at each vertex of the typical person; 0 on
            what is no skin of the face.
        spread: (B,) standard deviation of log roughness among people.
        skew: (B,) skewness: pores and hairs are dark.
    """

    level: Array
    spread: Array
    skew: Array


def learn_grain(model: MorphableModel, atlas: Atlas, zone: Bools, log_colour: Array, weight: Array) -> Grain:
    """Band energies of sharp photographs.

    In each photograph the bands of log luminance are divided by its own roughness on the cheeks, averaged over
    millimetres, and the median over people is taken: sharpness of cameras and noise of sensors drop out, what is left
    is where skin is rougher than elsewhere.

    Args:
        model: the geometry.
        atlas: fine atlas, S texels.
        zone: (S, S) bool, texels of the face.
        log_colour: (N, T, 3) logarithm of linear light on the zone.
        weight: (N, T) visibility in [0, 1].
    """
    texel_mm = float(np.sqrt(np.median(atlas.area[zone])))
    rows, columns = np.flatnonzero(zone.any(1)), np.flatnonzero(zone.any(0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    whole, zone = zone, zone[box]
    energy = np.full((len(BAND_MM), len(log_colour), int(zone.sum())), np.nan, dtype=np.float32)
    own = np.empty((len(BAND_MM), len(log_colour)))
    third = np.empty_like(own)
    for n in range(len(log_colour)):
        luma = to_grid(np.log(np.exp(log_colour[n].astype(np.float32)) @ LUMINANCE.astype(np.float32)), zone)
        seen = to_grid((weight[n] > 0.5).astype(np.float32), zone)
        inner = ndimage.binary_erosion(seen > 0, iterations=3)
        for b, scale in enumerate(BAND_MM):
            band = _blurred(luma, seen, 0.5 * scale / texel_mm) - _blurred(luma, seen, scale / texel_mm)
            robust = 1.4826 * float(np.median(np.abs(band[inner]))) if inner.any() else 1.0
            band = np.clip(band, -_DARK * 2 * robust, _DARK * 2 * robust)
            local = _blurred(band**2, inner.astype(np.float32), max(3.0 / texel_mm, 1.0))
            energy[b, n] = np.where(inner, local / robust**2, np.nan)[zone]
            own[b, n] = robust
            plain = band[inner] / robust
            third[b, n] = float((np.clip(plain, -4, 4) ** 3).mean()) if inner.any() else 0.0
    with np.errstate(all="ignore"):
        relative = np.nanmedian(energy, axis=1)  # (B, T)
    typical = np.median(own, axis=1)
    levels = []
    for b in range(len(BAND_MM)):
        value = np.sqrt(np.nan_to_num(relative[b], nan=1.0)) * typical[b]
        grid = to_grid(value, whole)
        grid = 0.5 * (grid + grid[:, ::-1])
        levels.append(texture_at_vertices(model, pad_texture(grid[..., None], whole))[:, 0])
    skin = model.regions["skin"].numpy()
    level = np.where(skin, np.stack(levels), 0).astype(np.float32)
    return Grain(level, np.log(own).std(axis=1), np.median(third, axis=1))


def _blurred(grid: Array, seen: Array, sigma: float) -> Array:
    total = ndimage.gaussian_filter(grid * seen, sigma)
    result: Array = total / np.maximum(ndimage.gaussian_filter(seen, sigma), 1e-3)
    return result
