"""What the published generators leave behind: a face for the texture, and the picture without occluders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, uniform_filter

from ...photo import Similarity
from ..state import FaceState, GeneratedFace
from .generator.compose import compose
from .remove import Remove, removed

__all__ = ["filled", "soft_matte"]

_GROWN = 64  # of the crop's edge, one part by which a hole grows: rims and cast shadows go with the occluder


def soft_matte(hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A hole with a soft border outside of it.

    Args:
        hidden: (S, S) bool, what was filled.

    Returns:
        (S, S) float32: 1 in the hole, falling to 0 around it.
    """
    reach = max(1, len(hidden) // _GROWN)
    grown = maximum_filter(hidden.astype(np.float32), 2 * reach + 1)
    soft: NDArray[np.float32] = uniform_filter(grown, 2 * max(1, reach // 2) + 1, mode="nearest")
    return np.maximum(np.clip(soft, 0, 1), hidden).astype(np.float32)


def filled(
    face: FaceState,
    crop: Similarity,
    pixels: NDArray[np.uint8],
    hidden: NDArray[np.bool_],
    remove: Remove,
    error: float,
) -> FaceState:
    """A state with ``generated`` and ``image``.

    Args:
        face: of which it is.
        crop: from photo to crop pixels.
        pixels: (S, S, 3) uint8 sRGB, what the generator made of the crop.
        hidden: (S, S) bool, where it takes the photo's place; a soft border around it, too.
        remove: what the picture is to be without.
        error: mean absolute error that is expected of ``pixels``, sRGB of [0, 1].
    """
    matte = soft_matte(hidden)
    made = GeneratedFace(
        crop,
        np.ascontiguousarray(pixels),
        matte,
        removed(matte, face, crop, remove),
        np.full(matte.shape, error, np.float32),
    )
    return face.with_(generated=made, image=compose(face.photo.pixels, made))
