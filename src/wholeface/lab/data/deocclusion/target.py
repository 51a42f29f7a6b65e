"""What should become of a photo in which something hides the face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from ....perceive import OccluderKind

__all__ = ["target_of"]

_WORN = (OccluderKind.GLASSES, OccluderKind.SUNGLASSES, OccluderKind.MASK)


def target_of(
    image: NDArray[np.uint8], clean: NDArray[np.uint8], kind: NDArray[np.uint8], face: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What should become of a photo, and where it changes.

    Spectacles and masks, which are worn on the face, go as a whole. Of all else, what lies beside the face stays: a
    hand beside the cheek is then a hand behind it, a hat sits higher.

    Args:
        image: (S, S, 3) the photo.
        clean: (S, S, 3) the same without occluders.
        kind: (S, S) :class:`wholeface.perceive.OccluderKind`.
        face: (S, S) 1 on the whole face.

    Returns:
        (S, S, 3) target, and (S, S) 1 where it differs from the photo.
    """
    edge = max(1, len(image) // 40)
    worn = binary_dilation(np.isin(kind, _WORN), iterations=edge)
    inside = (face > 0) | worn
    target = np.where(inside[..., None], clean, image)
    changed = np.abs(target.astype(np.int16) - image).max(axis=2) > 8
    hole = binary_dilation(changed | (inside & (kind > 0)), iterations=1)
    return target, hole.astype(np.uint8)
