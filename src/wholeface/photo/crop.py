"""Resampling an image by a similarity, and pasting it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import UsageError
from .similarity import Similarity

__all__ = ["similarity_crop", "unwarp", "warp"]

_FILTERS = ("bilinear", "nearest")
_REACH = (
    3  # source pixels (after shrinking) that an interpolation kernel may read beyond the crop's footprint
)


def similarity_crop(
    pixels: NDArray[Any],
    box: Sequence[float],
    size: tuple[int, int],
    *,
    roll: float = 0.0,
    margin: float = 1.0,
    fill: int | float | str = 0,
) -> tuple[NDArray[Any], Similarity]:
    """Upright crop of a box, and the similarity from photo to crop pixels.

    See :meth:`Similarity.from_box` and :func:`warp` for the arguments.
    """
    similarity = Similarity.from_box(box, size, roll=roll, margin=margin)
    return warp(pixels, similarity, size, fill=fill), similarity


def warp(
    pixels: NDArray[Any],
    similarity: Similarity,
    size: tuple[int, int],
    *,
    fill: int | float | str = 0,
    filter: str = "bilinear",
) -> NDArray[Any]:
    """Image as seen through a similarity, antialiased when it shrinks.

    Shrinking happens first, by an area-aware filter along the source axes; a rotation at scale close to one
    follows.

    Args:
        pixels: (H, W) or (H, W, C); uint8, bool (resampled as coverage, cut at ½) or float (float32
            precision); any type with ``filter="nearest"``.
        similarity: from source to target pixels.
        size: (width, height) of the result.
        fill: value outside the source, or ``"edge"`` to repeat its border pixels.
        filter: ``bilinear``, or ``nearest`` (for labels; never antialiased).

    Returns:
        (height, width) or (height, width, C), the dtype of ``pixels``.

    Raises:
        UsageError: unknown filter, empty image or size, unsupported dtype.
    """
    if filter not in _FILTERS:
        raise UsageError(f"unknown filter {filter!r}; choose {' or '.join(_FILTERS)}")
    if isinstance(fill, str) and fill != "edge":
        raise UsageError(f"fill must be a number or 'edge', got {fill!r}")
    if pixels.ndim not in (2, 3) or 0 in pixels.shape or min(size) < 1:
        raise UsageError(f"cannot warp an image of shape {pixels.shape} to size {tuple(size)}")
    if filter == "nearest":
        return _nearest(pixels, similarity, size, fill)
    if pixels.dtype == bool:
        grey = pixels.astype(np.uint8) * np.uint8(255)
        around = fill if isinstance(fill, str) else 255 * bool(fill)
        coverage: NDArray[Any] = warp(grey, similarity, size, fill=around, filter=filter) >= 128
        return coverage
    if not (pixels.dtype == np.uint8 or np.issubdtype(pixels.dtype, np.floating)):
        raise UsageError(
            f"cannot interpolate pixels of type {pixels.dtype}; convert them to uint8, bool or float"
        )
    back = similarity.inverse()
    part, to_part = _shrunk_part(pixels, similarity, back, size)
    footprint = _corners(size) @ (to_part @ _homogeneous(back))[:2].T
    have = np.array([part.shape[1], part.shape[0]])
    before, after = np.full(2, _REACH), np.full(2, _REACH)
    if isinstance(fill, str):
        before = np.maximum(np.ceil(_REACH - footprint.min(0)), 0).astype(int)
        after = np.maximum(np.ceil(footprint.max(0) + _REACH + 1 - have), 0).astype(int)
        if (
            max(before.max(), after.max()) > 4 * sum(size) + 16
        ):  # so far outside that only border pixels are seen
            return _nearest(pixels, similarity, size, fill)
    pad = [(int(before[1]), int(after[1])), (int(before[0]), int(after[0]))] + [(0, 0)] * (part.ndim - 2)
    if isinstance(fill, str):
        part = np.pad(part, pad, mode="edge")
    else:
        part = np.pad(part, pad, constant_values=np.asarray(fill).astype(part.dtype))
    to_part[:2, 2] += before
    # Pillow's coefficients map target corners to source corners: centre + ½.
    data = tuple((_shift(0.5) @ to_part @ _homogeneous(back) @ _shift(-0.5))[:2].ravel())
    outside = 0.0 if isinstance(fill, str) else fill

    def operate(image: Image.Image) -> Image.Image:
        colour: Any = {"RGB": (int(outside),) * 3, "L": int(outside)}.get(image.mode, outside)
        method, resample = Image.Transform.AFFINE, Image.Resampling.BILINEAR
        return image.transform(size, method, data, resample=resample, fillcolor=colour)

    return _per_image(part, operate).astype(pixels.dtype, copy=False)


def unwarp(
    crop: NDArray[Any],
    similarity: Similarity,
    onto: NDArray[Any],
    *,
    mask: NDArray[Any] | None = None,
    filter: str = "bilinear",
) -> NDArray[Any]:
    """Pastes a crop back to where it came from.

    Args:
        crop: (h, w) or (h, w, C), the dtype of ``onto``.
        similarity: from photo to crop pixels, as :func:`similarity_crop` returned it.
        onto: (H, W) or (H, W, C); a copy of it receives the crop.
        mask: (h, w) bool or float in [0, 1], how much of each crop pixel to paste; None for all.
        filter: see :func:`warp`.

    Returns:
        A new array like ``onto``; pixels whose centres the crop does not cover are unchanged.

    Raises:
        UsageError: shapes that do not belong together.
    """
    if crop.shape[2:] != onto.shape[2:] or crop.dtype != onto.dtype:
        raise UsageError(
            f"a {crop.dtype} crop of shape {crop.shape} cannot go onto a {onto.dtype} image of {onto.shape}"
        )
    if mask is not None and mask.shape != crop.shape[:2]:
        raise UsageError(f"mask of shape {mask.shape} does not fit a crop of shape {crop.shape}")
    back = similarity.inverse()
    h, w = crop.shape[:2]
    result = onto.copy()
    corners = _corners((w, h)) @ back.matrix.T
    x0, y0 = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, (onto.shape[1], onto.shape[0]))
    if x1 <= x0 or y1 <= y0:
        return result
    local = back.then(Similarity(tx=-float(x0), ty=-float(y0)))
    size = (int(x1 - x0), int(y1 - y0))
    patch = warp(crop, local, size, fill="edge", filter=filter)
    grid = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), -1)
    at = similarity.apply(grid)
    slack = 1e-6  # rounding of the similarity must not lose the outermost row
    inside = ((at >= -0.5 - slack) & (at <= np.array([w, h]) - 0.5 + slack)).all(-1)
    target = result[y0:y1, x0:x1]
    if mask is None or filter == "nearest" or onto.dtype == bool:
        keep = (
            inside
            if mask is None
            else inside & (warp(mask.astype(np.float32), local, size, filter=filter) >= 0.5)
        )
        target[keep] = patch[keep]
        return result
    weight = np.clip(warp(mask.astype(np.float32), local, size, fill="edge", filter=filter), 0, 1) * inside
    weight = weight.reshape(weight.shape + (1,) * (onto.ndim - 2))
    mixed = weight * patch + (1 - weight) * target
    target[...] = np.rint(mixed) if onto.dtype == np.uint8 else mixed
    return result


def _nearest(
    pixels: NDArray[Any], similarity: Similarity, size: tuple[int, int], fill: int | float | str
) -> NDArray[Any]:
    """Each target pixel copies the source pixel under its centre."""
    at = similarity.inverse().apply(np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), -1))
    limit = np.array([pixels.shape[1], pixels.shape[0]]) - 1
    column, row = np.moveaxis(np.clip(np.floor(at + 0.5), 0, limit).astype(np.int64), -1, 0)
    result: NDArray[Any] = pixels[row, column]
    if not isinstance(fill, str):
        result[((at < -0.5) | (at >= limit + 0.5)).any(-1)] = fill
    return result


def _shrunk_part(
    pixels: NDArray[Any], similarity: Similarity, back: Similarity, size: tuple[int, int]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The part of the source that the target shows, at no more than the target's resolution.

    Returns:
        The cut-out and the (3, 3) matrix from source pixels to cut-out pixels.
    """
    corners = _corners(size) @ back.matrix.T
    step = max(1.0, 1.0 / similarity.scale)  # source pixels per cut-out pixel
    limit = np.array([pixels.shape[1], pixels.shape[0]])
    reach = _REACH * step
    low = np.floor(np.clip(corners.min(0) - reach, 0, limit - 1)).astype(int)
    high = np.ceil(np.clip(corners.max(0) + reach + 1, low + 1, limit)).astype(int)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    factor = np.ones(2)
    if step > 1.0:
        small = np.maximum(np.rint((high - low) / step), 1).astype(int)
        factor = small / (high - low)
        to_size = (int(small[0]), int(small[1]))
        part = _per_image(part, lambda im: im.resize(to_size, Image.Resampling.BILINEAR, reducing_gap=3.0))
    # centre u -> (u + ½ - low) * factor - ½
    shift = (0.5 - low) * factor - 0.5
    return part, np.array([[factor[0], 0, shift[0]], [0, factor[1], shift[1]], [0, 0, 1]])


def _corners(size: tuple[int, int]) -> NDArray[np.float64]:
    """(4, 3) homogeneous outer corners of an image, pixel-centre convention."""
    width, height = size
    return np.array([[u, v, 1.0] for v in (-0.5, height - 0.5) for u in (-0.5, width - 0.5)])


def _per_image(pixels: NDArray[Any], operate: Callable[[Image.Image], Image.Image]) -> NDArray[Any]:
    """Runs a Pillow operation on an array, channel by channel where Pillow has no such image type."""
    if pixels.dtype == np.uint8 and (pixels.ndim == 2 or pixels.shape[2] == 3):
        return np.asarray(operate(Image.fromarray(np.ascontiguousarray(pixels))))
    if pixels.ndim == 3:
        planes = [_per_image(pixels[..., c], operate) for c in range(pixels.shape[2])]
        return np.stack(planes, axis=-1)
    return np.asarray(operate(Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))))


def _homogeneous(similarity: Similarity) -> NDArray[np.float64]:
    return np.vstack([similarity.matrix, [0.0, 0.0, 1.0]])


def _shift(by: float) -> NDArray[np.float64]:
    return np.array([[1.0, 0.0, by], [0.0, 1.0, by], [0.0, 0.0, 1.0]])
