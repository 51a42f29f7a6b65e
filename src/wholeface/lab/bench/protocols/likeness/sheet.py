"""Who was not recognised, to be looked at: the photo, what became of it, the right person, the one taken for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...heads.face_embedding import Box

__all__ = ["face_tile", "sheet"]

Pixels = NDArray[np.uint8]
_TILE, _GAP = 160, 4
_ROOM = 0.35  # of the box's size around it


def face_tile(pixels: Pixels, box: Box | None) -> Pixels:
    """(160, 160, 3): the face in the box with some room, or the whole image where there is none."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = (0, 0, width, height) if box is None else box
    half = (0.5 if box is None else 0.5 + _ROOM) * max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    area = (round(x - half), round(y - half), round(x + half), round(y + half))
    tile = Image.fromarray(pixels).crop(area).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
    return np.asarray(tile)


def sheet(rows: Sequence[Sequence[Pixels]]) -> Pixels:
    """Tiles of equal size, row by row, on white; all rows of one length.

    Args:
        rows: at least one.
    """
    across, step = len(rows[0]), _TILE + _GAP
    out = np.full((len(rows) * step + _GAP, across * step + _GAP, 3), 255, np.uint8)
    for r, row in enumerate(rows):
        for c, tile in enumerate(row):
            y, x = _GAP + r * step, _GAP + c * step
            out[y : y + _TILE, x : x + _TILE] = tile
    return out
