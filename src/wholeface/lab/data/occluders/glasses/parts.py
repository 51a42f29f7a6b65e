"""Which part of spectacles each pixel shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....perceive import EyewearPart

__all__ = ["eyewear_map"]

Array = NDArray[np.float32]
_LEVEL = 0.55  # brightness that the renderer gives a surface under no light
_GLASS = 0.5  # opacity with which lenses are drawn here, so that frames are seen through them
_OF_FRAME, _OF_LENS = 0.35, 0.5  # coverage from which a pixel is called so; thin metal covers no pixel whole
_DARK = 0.35  # opacity, with reflections, from which a lens is no clear one


def eyewear_map(
    drawn: Callable[[Array, Array, Array], Array], opacity: NDArray[np.integer[Any]]
) -> NDArray[np.uint8]:
    """(S, S) :class:`EyewearPart` of spectacles.

    Args:
        drawn: draws them onto a premultiplied canvas (S, S, 4), from materials, light and surroundings as
            ``draw_mesh`` takes them.
        opacity: (S, S) in 0…255, of the spectacles as the image shows them.
    """
    # Frames all red, lenses half-transparent green, nothing lit or mirrored: coverage by part.
    plain = [0.0] * 11
    frame, lens = list(plain), list(plain)
    frame[0] = frame[3] = frame[6] = 1.0
    lens[1] = 1.0
    lens[3] = lens[6] = _GLASS
    materials = np.array([frame, lens, frame], np.float32)
    canvas = drawn(materials, np.zeros(3, np.float32), np.zeros((2, 2, 3), np.float32))
    of_lens = canvas[..., 1] / (_LEVEL * _GLASS)
    of_frame = canvas[..., 0] / _LEVEL / np.maximum(1.0 - _GLASS * of_lens, 1e-3)
    dark = opacity > 255 * _DARK
    parts = np.where(dark, np.uint8(EyewearPart.DARK_LENS), np.uint8(EyewearPart.CLEAR_LENS))
    parts[of_lens < _OF_LENS] = EyewearPart.NONE
    parts[of_frame >= _OF_FRAME] = EyewearPart.FRAME
    edge = (parts == EyewearPart.NONE) & (opacity > 127)  # a little of both
    parts[edge] = np.where(of_frame > of_lens, EyewearPart.FRAME, EyewearPart.DARK_LENS)[edge]
    return parts
