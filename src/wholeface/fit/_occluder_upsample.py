"""From working size back to the photo, along the photo's own edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ._occluder_light import LUMINANCE
from ._occluder_view import FaceView, Window, to_linear

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
    guide = np.sqrt(view.linear @ LUMINANCE)  # close to what the eye, and sRGB, encode
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

    def enlarged(values: _F32) -> _F32:
        return _enlarge(values, window, (x0, y0, x1, y1))

    full_guide = np.sqrt(_linear_luminance(pixels[y0:y1, x0:x1]))
    # Where the photo's detail contradicts the crop's, the plain enlargement bounds the filter.
    plain = enlarged(occluder)
    sharp = np.clip(enlarged(mean(slope)) * full_guide + enlarged(mean(offset)), plain - 0.5, plain + 0.5)
    face = enlarged(distance) > 0
    probability = np.zeros(pixels.shape[:2], dtype=np.float32)
    region = np.zeros(pixels.shape[:2], dtype=bool)
    region[y0:y1, x0:x1] = face
    probability[y0:y1, x0:x1] = np.where(face, np.clip(sharp, 0, 1), 0)
    probability[y0:y1, x0:x1][face & ~_content(view, window, (x0, y0, x1, y1))] = 1.0
    return probability, region


def _linear_luminance(pixels: NDArray[np.uint8]) -> _F32:
    luminance: _F32 = to_linear(pixels) @ LUMINANCE
    return luminance


def _enlarge(values: _F32, window: Window, box: tuple[int, int, int, int]) -> _F32:
    """Bilinear interpolation of a working-size map at the photo pixels of ``box``."""
    fx, fy = window.width / (window.right - window.left), window.height / (window.bottom - window.top)
    image = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32), mode="F")
    x0, y0, x1, y1 = box
    data = (
        fx,
        0.0,
        (x0 - window.left) * fx,
        0.0,
        fy,
        (y0 - window.top) * fy,
    )
    return np.asarray(
        image.transform((x1 - x0, y1 - y0), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR),
        dtype=np.float32,
    )


def _content(view: FaceView, window: Window, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    return _enlarge(view.content.astype(np.float32), window, box) > 0.5


def to_window(field: _F32, window: Window) -> _F32:
    """A map of the photo (H, W) at the window's pixels, averaged where they are larger; NaN beyond the photo."""
    height, width = field.shape
    x0, y0 = max(window.left, 0), max(window.top, 0)
    x1, y1 = min(window.right, width), min(window.bottom, height)
    f = window.factor
    part = Image.fromarray(np.ascontiguousarray(field[y0:y1, x0:x1], dtype=np.float32), mode="F")
    left, top = round((x0 - window.left) * f), round((y0 - window.top) * f)
    size = (
        max(1, min(round((x1 - window.left) * f), window.width) - left),
        max(1, min(round((y1 - window.top) * f), window.height) - top),
    )
    result = np.full((window.height, window.width), np.nan, dtype=np.float32)
    filter_ = Image.Resampling.BOX if f < 1 else Image.Resampling.BILINEAR
    result[top : top + size[1], left : left + size[0]] = np.asarray(part.resize(size, filter_))
    return result
