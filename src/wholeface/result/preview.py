"""The image that people share: photo, mask, completed photo, and the head from three sides."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.threads import one_thread, side_by_side

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


def _tile(values: NDArray[Any], box: tuple[int, int, int, int]) -> NDArray[Any]:
    """The box of an image or a map at the tile's size; black, or 0, beyond the photo."""
    left, top, right, bottom = box
    inside = np.ascontiguousarray(values[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)])
    shift = min(left, 0), min(top, 0)
    part = Image.fromarray(inside).crop((*shift, shift[0] + right - left, shift[1] + bottom - top))
    return np.asarray(part.resize((_TILE, _TILE), Image.Resampling.LANCZOS, reducing_gap=3.0))


def _masked(tile: NDArray[np.uint8], occluder: NDArray[np.float32]) -> NDArray[np.uint8]:
    weight = np.float32(0.55) * np.clip(occluder, 0, 1)[..., None]
    mixed: NDArray[np.uint8] = (tile * (1 - weight) + _MASK_COLOUR * weight).round().astype(np.uint8)
    return mixed


@one_thread()
def preview(face: Reconstruction) -> NDArray[np.uint8]:
    """(H, W, 3): photo | mask | completed photo, then three textured and three grey views."""
    box = _crop_box(face.face_region)
    colours, bumps, _ = face.colours(), face.bumps(), face.normals  # which all views share

    def top() -> tuple[NDArray[np.uint8], ...]:
        photo = _tile(face.photo.pixels, box)
        return photo, _masked(photo, _tile(face.occluder, box)), _tile(face.deoccluded, box)

    def looks(name: str) -> tuple[NDArray[np.uint8], ...]:
        view = face.head_view(name, size=_TILE)
        return view.draw(**{**bumps, **colours}), view.draw(**bumps)

    jobs: list[Callable[[], tuple[NDArray[np.uint8], ...]]] = [
        top,
        *(partial(looks, name) for name in ("right", "front", "left")),
    ]
    first, *drawn = side_by_side(lambda job: job(), jobs)
    rows = (first, *zip(*drawn))
    edge = 3 * _TILE + 4 * _GAP
    sheet = np.full((edge, edge, 3), 255, dtype=np.uint8)
    for r, row in enumerate(rows):
        for c, tile in enumerate(row):
            y, x = _GAP + r * (_TILE + _GAP), _GAP + c * (_TILE + _GAP)
            sheet[y : y + _TILE, x : x + _TILE] = tile
    return sheet
