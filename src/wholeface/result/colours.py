"""What a face's colours say: whether they are those of skin in one light, and how bright it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.srgb import LINEAR_OF_BYTE

__all__ = ["colour_spread", "seen_level"]

_CELLS = 24  # along the longer side of the face: noise and pores average out
_LEAST = 30  # cells with face in them, below which nothing is said
_DARK = 0.01  # linear light; darker cells have no colour to speak of


def colour_spread(pixels: NDArray[np.uint8], visible: NDArray[np.bool_]) -> float:
    """How much the hue differs over a face: 0 for grey, about 0.3 for skin in white light, 2 for false colours.

    The face is averaged over some 24 × 24 cells. Of each, the logarithms of red and of blue over green count; the
    result is the larger of their spreads, between the tenth and the ninetieth of a hundred cells.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        visible: (H, W) bool, face with nothing in front of it.

    Returns:
        The spread, natural logarithm; 0 where too little of the face is seen.
    """
    down, across = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    if len(down) == 0:
        return 0.0
    step = max(1, max(len(down), len(across)) // (8 * _CELLS))  # of a large photo some pixels will do
    part = (slice(down[0], down[-1] + 1, step), slice(across[0], across[-1] + 1, step))
    rows, columns = np.nonzero(visible[part])
    if len(rows) < _LEAST:
        return 0.0
    edge = max(visible[part].shape)
    cell = rows * _CELLS // edge * _CELLS + columns * _CELLS // edge
    linear = LINEAR_OF_BYTE[pixels[part][rows, columns]]
    count = np.bincount(cell, minlength=_CELLS**2)
    used = count > 0.5 * count.max()
    mean = np.stack(
        [np.bincount(cell, linear[:, c], _CELLS**2)[used] / count[used] for c in range(3)], axis=1
    )
    lit = mean[mean.max(axis=1) > _DARK]
    if len(lit) < _LEAST:
        return 0.0
    logs = np.log(lit + 0.02)  # the floor of what cameras and JPEG tell apart
    spreads = [np.ptp(np.quantile(logs[:, c] - logs[:, 1], (0.1, 0.9))) for c in (0, 2)]
    return float(max(spreads))


def seen_level(pixels: NDArray[np.uint8], visible: NDArray[np.bool_]) -> float:
    """Median brightness of a face, sRGB levels from 0 to 255; 128 where nothing of it is seen.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        visible: (H, W) bool, face with nothing in front of it.
    """
    rows, columns = np.nonzero(visible)
    if len(rows) == 0:
        return 128.0
    step = max(1, len(rows) // 20_000)
    return float(np.median(pixels[rows[::step], columns[::step]] @ np.array([0.299, 0.587, 0.114])))
