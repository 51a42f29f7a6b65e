"""What of all that hides a face the picture is to be without."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...core.smoothstep import smoothstep
from ...perceive import OccluderKind, ParsingClass
from ...photo import Similarity, warp
from ..state import FaceState

__all__ = ["REMOVE", "Remove", "hair_or_hat", "removed"]

Remove: TypeAlias = Literal["auto", "glasses", "none", "all"]
"""``auto``: everything but hair and hats, which people wear; ``glasses``: spectacles alone; ``all``: hair and hats as
far as they hang over the face, too; ``none``: the photo stays as it is."""

REMOVE: tuple[Remove, ...] = ("auto", "glasses", "none", "all")
_WORN_ON_HEAD = [OccluderKind.HAIR, OccluderKind.HAT]
_HEADGEAR = [ParsingClass.HAIR, ParsingClass.HAT]
_WORN_ON_NOSE = [OccluderKind.GLASSES, OccluderKind.SUNGLASSES]
_GROWN = 64  # of the crop's edge, one part by which spectacles are grown: their shadows go with them


def hair_or_hat(face: FaceState, crop: Similarity, size: int) -> NDArray[np.float32]:
    """(S, S) probability of hair or a hat, in front of the face or beside it; 0 without ``parsing``.

    Args:
        face: whose parsing.
        crop: from photo to crop pixels.
        size: S.
    """
    if face.parsing is None:
        return np.zeros((size, size), np.float32)
    onward = face.parsing.frame.inverse().then(crop)
    over, seen = face.parsing.kind[_WORN_ON_HEAD].sum(axis=0), face.parsing.parsing[_HEADGEAR].sum(axis=0)
    worn: NDArray[np.float32] = warp(np.maximum(over, seen), onward, (size, size))
    return worn


def removed(
    matte: NDArray[np.float32], face: FaceState, crop: Similarity, remove: Remove
) -> NDArray[np.float32]:
    """How far each pixel of a crop is replaced in the picture.

    Args:
        matte: (S, S) in [0, 1], how far a network would replace it.
        face: with ``mask``; without ``parsing`` kinds of occluders are not told apart.
        crop: from photo to crop pixels.
        remove: what is to go.

    Returns:
        (S, S) float32 in [0, 1], at most ``matte``.
    """
    if remove == "none":
        return np.zeros_like(matte)
    if remove == "all" or face.parsing is None:
        return matte
    edge = (len(matte), len(matte))
    from scipy.ndimage import maximum_filter, uniform_filter

    reach = max(1, len(matte) // _GROWN)
    glass = np.zeros_like(matte)
    found = None if face.mask is None else face.mask.spectacles
    if found is not None:
        for part in (found.frame_patch, found.lens_patch, found.dark_patch):
            glass = np.maximum(glass, part.seen(crop, edge))
    if remove == "auto":
        # A fringe over spectacles leaves no piece of them behind.
        clear = 1 - smoothstep(0.2, 0.5, maximum_filter(glass, 2 * reach + 1))
        worn = hair_or_hat(face, crop, len(matte)) * clear
        return np.asarray(matte * (1 - smoothstep(0.35, 0.65, worn)), np.float32)
    onward = face.parsing.frame.inverse().then(crop)
    worn = np.maximum(warp(face.parsing.kind[_WORN_ON_NOSE].sum(axis=0), onward, edge), glass)
    grown = uniform_filter(maximum_filter(worn, 2 * reach + 1), reach + 1)
    return np.asarray(matte * smoothstep(0.15, 0.4, grown), np.float32)
