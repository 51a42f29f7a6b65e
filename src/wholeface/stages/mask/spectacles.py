"""Spectacles in the occluder mask: frames and dark lenses hide the face, clear lenses do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...perceive.eyewear import Eyewear
from ...photo import Patch
from ..state import Spectacles

__all__ = ["prior_with", "spectacles_of", "with_spectacles"]

_Map = NDArray[np.float32]


def spectacles_of(eyewear: Eyewear | None, height: int, width: int) -> Spectacles | None:
    """What the network found, at the pixels of a (height, width) photo; None where the face wears no spectacles."""
    if eyewear is None or not eyewear.worn:
        return None

    frame, lens, dark = (eyewear.patch(f, height, width) for f in (eyewear.frame, eyewear.lens, eyewear.dark))
    return Spectacles(frame, lens, dark, height, width, eyewear.presence)


def prior_with(network: Patch, spectacles: Spectacles) -> Patch:
    """The parsing network's occluder, corrected by what the finer look at the eyes found.

    Args:
        network: probabilities, NaN where the network does not look.
        spectacles: of the same photo.
    """
    part = network.slices
    hiding = spectacles.frame_patch.within(part) + spectacles.dark_patch.within(part)
    values = network.values * (1.0 - spectacles.lens_patch.within(part))
    return Patch(np.maximum(values, hiding).astype(np.float32), network.left, network.top)


def with_spectacles(occluder: _Map, face: NDArray[np.bool_], spectacles: Spectacles) -> _Map:
    """The mask with frames as thin as they are, dark lenses whole and clear lenses free.

    The mask is decided at a size at which a frame is thinner than a pixel; reflections and cast shadows on and
    behind clear lenses look like something in front of the face.

    Args:
        occluder: (H, W) probability.
        face: (H, W) where the mask may speak: the face, hidden parts included.
        spectacles: what the face wears.
    """
    part, lens = spectacles.slices, spectacles.lens_patch.values
    hiding = np.minimum(spectacles.frame_patch.values + spectacles.dark_patch.values, 1.0)
    lifted = np.where(lens > 0.5, np.minimum(occluder[part], 1.0 - lens), occluder[part])
    result = occluder.copy()
    result[part] = np.where(face[part], np.maximum(lifted, hiding), occluder[part])
    return result
