"""What a generator made in the parsing network's crop, and its way into the photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, uniform_filter

from ...core.provenance import Provenance
from ...core.short_repr import short_repr
from ...photo import Similarity, warp
from ..state import DeoccludedImage

__all__ = ["FilledCrop", "laid_into", "soft_matte"]

_NOTHING = 0.02  # of the matte, below which the photo stays bit for bit
_GROWN = 64  # of the crop's edge, one part by which a hole grows: rims and cast shadows go with the occluder


@dataclass(frozen=True)
class FilledCrop:
    """A face without what hides it.

    Args:
        crop: from photo to crop pixels.
        pixels: (S, S, 3) uint8 sRGB.
        matte: (S, S) float32 in [0, 1], how far ``pixels`` take the photo's place.
    """

    crop: Similarity
    pixels: NDArray[np.uint8]
    matte: NDArray[np.float32]

    __repr__ = short_repr


def soft_matte(hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A hole with a soft border outside of it.

    Args:
        hidden: (S, S) bool, what was filled.

    Returns:
        (S, S) float32: 1 in the hole, falling to 0 around it.
    """
    reach = max(1, len(hidden) // _GROWN)
    grown = maximum_filter(hidden.astype(np.float32), 4 * reach + 1)
    soft: NDArray[np.float32] = uniform_filter(grown, 2 * reach + 1, mode="nearest")
    return np.maximum(np.clip(soft, 0, 1), hidden).astype(np.float32)


def laid_into(photo: NDArray[np.uint8], filled: FilledCrop) -> DeoccludedImage:
    """The photo with the filled pixels; they are ``GENERATED`` where they make up half of a pixel or more.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        filled: of one of its faces.
    """
    height, width = photo.shape[:2]
    provenance = np.full((height, width), Provenance.OBSERVED, np.uint8)
    pixels = photo.copy()
    rows, columns = (np.flatnonzero((filled.matte >= _NOTHING).any(axis=a)) for a in (1, 0))
    if len(rows) == 0:
        return DeoccludedImage(pixels, provenance)
    corners = [(u, v) for u in (columns[0] - 1, columns[-1] + 1) for v in (rows[0] - 1, rows[-1] + 1)]
    placed = filled.crop.inverse().apply(np.array(corners, dtype=np.float64))
    left, top = (int(v) for v in np.clip(np.floor(placed.min(axis=0)), 0, (width, height)))
    right, bottom = (int(v) for v in np.clip(np.ceil(placed.max(axis=0)) + 1, 0, (width, height)))
    if right <= left or bottom <= top:
        return DeoccludedImage(pixels, provenance)
    there = filled.crop.inverse().then(Similarity(1.0, 0.0, -left, -top))
    part, size = (slice(top, bottom), slice(left, right)), (right - left, bottom - top)
    matte = np.clip(warp(filled.matte, there, size), 0, 1)
    matte[matte < _NOTHING] = 0
    face = warp(filled.pixels, there, size, fill="edge").astype(np.float32)
    here = photo[part].astype(np.float32)
    pixels[part] = np.rint(here + matte[..., None] * (face - here)).astype(np.uint8)
    provenance[part][matte >= 0.5] = Provenance.GENERATED
    return DeoccludedImage(pixels, provenance)
