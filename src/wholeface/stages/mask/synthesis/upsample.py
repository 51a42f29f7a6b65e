"""From working size back to the photo, along the photo's own edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ....core.jit import njit
from ....core.luminance import LUMINANCE, luminance
from ....core.srgb import LINEAR_OF_BYTE
from ....core.threads import run_ranges
from ....photo import Patch
from .view import FaceView, Window

__all__ = ["to_photo", "to_window"]

_F32 = NDArray[np.float32]
_Bool = NDArray[np.bool_]
_RADIUS = 2  # of the guided filter, working pixels
_EPSILON = 0.02**2


def to_photo(pixels: NDArray[np.uint8], view: FaceView, occluder: _F32) -> tuple[_F32, _Bool]:
    """Mask and face region at photo size.

    The fast guided filter: local linear maps from the photo's brightness to the mask are found at working
    size and applied to the full photo.

    Args:
        pixels: (H, W, 3) uint8.
        view: the working crop.
        occluder: (h, w) in [0, 1], 1 also where the photo has no pixels.

    Returns:
        (H, W) float32 probability, 0 outside the face, and (H, W) bool face region.

    Source: He & Sun 2015, "Fast Guided Filter".
    """
    window = view.window
    x0, y0 = max(window.left, 0), max(window.top, 0)
    x1, y1 = min(window.right, pixels.shape[1]), min(window.bottom, pixels.shape[0])
    guide = np.sqrt(luminance(view.linear))  # close to what the eye, and sRGB, encode
    size = 2 * _RADIUS + 1

    def mean(values: _F32) -> _F32:
        averaged: _F32 = ndimage.uniform_filter(values, size, mode="nearest")
        return averaged

    mean_guide, mean_mask = mean(guide), mean(occluder)
    slope = (mean(guide * occluder) - mean_guide * mean_mask) / (mean(guide**2) - mean_guide**2 + _EPSILON)
    offset = mean_mask - slope * mean_guide
    distance = np.where(view.region, view.zones["region"], np.minimum(view.zones["region"], -0.5)).astype(
        np.float32
    )
    distance = np.where(view.region, np.maximum(distance, 0.5), distance).astype(np.float32)

    probability = np.zeros(pixels.shape[:2], dtype=np.float32)
    region = np.zeros(pixels.shape[:2], dtype=bool)
    maps = np.stack([mean(slope), mean(offset), occluder, distance, view.content], axis=-1, dtype=np.float32)
    run_ranges(
        _apply,
        y1 - y0,
        64,
        pixels[y0:y1, x0:x1],
        maps,
        (window.width / (window.right - window.left), window.height / (window.bottom - window.top)),
        (x0 - window.left, y0 - window.top),
        LINEAR_OF_BYTE[:, None] * LUMINANCE.astype(np.float32),
        probability[y0:y1, x0:x1],
        region[y0:y1, x0:x1],
    )
    return probability, region


@njit(cache=True, nogil=True)
def _apply(
    start: Any,
    stop: Any,
    pixels: Any,
    maps: Any,
    scale: Any,
    shift: Any,
    weights: Any,
    probability: Any,
    region: Any,
) -> None:
    """Rows ``start`` to ``stop`` of the mask: bilinear samples of the maps, and the guide from the photo.

    Reads pixels (H, W, 3) uint8, maps (h, w, 5): slope, offset, mask, distance, content; ``weights`` (256, 3) is the
    linear luminance of each byte. Beyond the outermost centres of the maps their border is repeated.
    """
    height, width = maps.shape[0], maps.shape[1]
    values = np.empty(5, np.float32)
    for row in range(start, stop):
        v = min(max((row + shift[1] + 0.5) * scale[1] - 0.5, 0.0), height - 1.0)
        top = int(v)
        bottom = min(top + 1, height - 1)
        fv = np.float32(v - top)
        for column in range(pixels.shape[1]):
            u = min(max((column + shift[0] + 0.5) * scale[0] - 0.5, 0.0), width - 1.0)
            left = int(u)
            right = min(left + 1, width - 1)
            fu = np.float32(u - left)
            above = maps[top, left, 3] + fu * (maps[top, right, 3] - maps[top, left, 3])
            below = maps[bottom, left, 3] + fu * (maps[bottom, right, 3] - maps[bottom, left, 3])
            if above + fv * (below - above) <= 0:
                continue
            for m in range(5):
                above = maps[top, left, m] + fu * (maps[top, right, m] - maps[top, left, m])
                below = maps[bottom, left, m] + fu * (maps[bottom, right, m] - maps[bottom, left, m])
                values[m] = above + fv * (below - above)
            guide = np.sqrt(
                weights[pixels[row, column, 0], 0]
                + weights[pixels[row, column, 1], 1]
                + weights[pixels[row, column, 2], 2]
            )
            # Where the photo's detail contradicts the crop's, the plain enlargement bounds the filter.
            plain = values[2]
            sharp = min(max(values[0] * guide + values[1], plain - np.float32(0.5)), plain + np.float32(0.5))
            region[row, column] = True
            probability[row, column] = min(max(sharp, np.float32(0)), np.float32(1))
            if values[4] <= np.float32(0.5):
                probability[row, column] = 1


def to_window(field: _F32 | Patch, window: Window, shape: tuple[int, int]) -> _F32:
    """A map of the photo at the window's pixels, averaged where they are larger; NaN beyond the photo.

    Args:
        field: (H, W), or a patch of it, NaN around it.
        window: where to.
        shape: H, W.
    """
    height, width = shape
    x0, y0 = max(window.left, 0), max(window.top, 0)
    x1, y1 = min(window.right, width), min(window.bottom, height)
    f = window.factor
    if isinstance(field, Patch):
        values = np.full((y1 - y0, x1 - x0), np.nan, dtype=np.float32)
        rows, columns = field.slices
        ya, yb = max(rows.start, y0), min(rows.stop, y1)
        xa, xb = max(columns.start, x0), min(columns.stop, x1)
        if yb > ya and xb > xa:
            values[ya - y0 : yb - y0, xa - x0 : xb - x0] = field.values[
                ya - field.top : yb - field.top, xa - field.left : xb - field.left
            ]
    else:
        values = np.ascontiguousarray(field[y0:y1, x0:x1], dtype=np.float32)
    part = Image.fromarray(values, mode="F")
    left, top = round((x0 - window.left) * f), round((y0 - window.top) * f)
    size = (
        max(1, min(round((x1 - window.left) * f), window.width) - left),
        max(1, min(round((y1 - window.top) * f), window.height) - top),
    )
    result = np.full((window.height, window.width), np.nan, dtype=np.float32)
    filter_ = Image.Resampling.BOX if f < 1 else Image.Resampling.BILINEAR
    result[top : top + size[1], left : left + size[0]] = np.asarray(part.resize(size, filter_))
    return result
