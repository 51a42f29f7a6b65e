"""The picture that people share: photo, mask, completed photo, and the head from three sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from .reconstruction import Reconstruction

_TILE = 360
_GAP = 6
_MASK_COLOUR = np.array([235, 64, 52], dtype=np.float32)


def _crop_box(region: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Square box (left, top, right, bottom) around the face with room for the hair; may leave the photo."""
    rows, columns = np.nonzero(region)
    if len(rows) == 0:
        return (0, 0, region.shape[1], region.shape[0])
    centre_x, centre_y = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
    half = 0.85 * max(columns.max() - columns.min(), rows.max() - rows.min())
    left, top = round(centre_x - half), round(centre_y - 1.1 * half)
    return (left, top, left + round(2 * half), top + round(2 * half))


def _tile(pixels: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    picture = Image.fromarray(pixels).crop(box).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def preview(face: Reconstruction) -> NDArray[np.uint8]:
    """(H, W, 3): photo | mask | completed photo, then three textured and three grey views."""
    box = _crop_box(face.face_region)
    weight = 0.55 * face.occluder[..., None]
    masked = (face.photo.pixels * (1 - weight) + _MASK_COLOUR * weight).round().astype(np.uint8)
    views = ("right", "front", "left")
    rows = (
        [_tile(pixels, box) for pixels in (face.photo.pixels, masked, face.deoccluded)],
        [face.render(view, size=_TILE) for view in views],
        [face.render(view, size=_TILE, textured=False) for view in views],
    )
    edge = 3 * _TILE + 4 * _GAP
    sheet = np.full((edge, edge, 3), 255, dtype=np.uint8)
    for r, row in enumerate(rows):
        for c, tile in enumerate(row):
            y, x = _GAP + r * (_TILE + _GAP), _GAP + c * (_TILE + _GAP)
            sheet[y : y + _TILE, x : x + _TILE] = tile
    return sheet
