"""Arrays of any common type to 8-bit colour and alpha."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import PhotoError

__all__ = ["array_to_uint8", "check_array_shape", "plain_array", "row_blocks"]

_BLOCK = 1 << 20
"""Pixels that are converted at once, so that wide number types do not multiply the memory of a large photo."""


def plain_array(array: NDArray[Any]) -> NDArray[Any]:
    """The array without its subclass; masked values become 0.

    ``np.matrix`` and its like keep two dimensions through every operation, which breaks (in some versions of
    NumPy: crashes) whatever expects an array.
    """
    if isinstance(array, np.ma.MaskedArray):
        masked: Any = array  # its methods have no types
        return np.asarray(masked.filled(0))
    return np.asarray(array)


def row_blocks(height: int, width: int) -> Iterator[slice]:
    """Slices of rows, about a million pixels each."""
    step = max(1, _BLOCK // max(width, 1))
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def check_array_shape(array: NDArray[Any]) -> None:
    """Raises PhotoError unless the array is an image with 1 to 4 channels last."""
    shape = array.shape
    if array.ndim == 2 or (array.ndim == 3 and 1 <= shape[2] <= 4):
        return
    hint = "; move the channels last" if array.ndim == 3 and shape[0] in (1, 3, 4) else ""
    hint = "; give one image of the batch" if array.ndim == 4 else hint
    raise PhotoError(f"an array of shape {shape} is not an image; expected (H, W) or (H, W, 1 to 4){hint}")


def array_to_uint8(array: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Colour (H, W, 3) and alpha (H, W) or None, both uint8 and of their own memory, of an image array.

    Raises:
        PhotoError: values outside the range of the type, or a type that is no image.
    """
    white = _white(array)
    values = array[..., None] if array.ndim == 2 else array
    height, width, channels = values.shape
    colour = np.empty((height, width, 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if channels in (2, 4) else None
    for rows in row_blocks(height, width):
        block = _block_to_uint8(values[rows], white)
        colour[rows] = block[..., :3] if channels >= 3 else block[..., :1]
        if alpha is not None:
            alpha[rows] = block[..., -1]
    return colour, alpha


def _white(array: NDArray[Any]) -> float:
    """The value that means white; the range of the whole array is checked."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        return 1.0
    if kind == "u" and size <= 2:
        return 255.0 if size == 1 else 65535.0
    if kind not in "iuf":
        raise PhotoError(f"an array of type {array.dtype} is not an image; give numbers")
    white = 1.0 if kind == "f" else 255.0
    if array.size == 0:
        return white
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise PhotoError("the array contains NaN or infinite values")
    if kind != "f" and (low < 0 or high > white):
        raise PhotoError(f"an array of {array.dtype} must lie within 0…255, but it spans {low:g}…{high:g}")
    slack = 1e-3  # resampling overshoots a little
    if kind == "f" and (low < -slack or high > 1 + slack):
        raise PhotoError(
            f"a float array must lie within 0…1, not {low:g}…{high:g}; divide it by its white value"
        )
    return white


def _block_to_uint8(block: NDArray[Any], white: float) -> NDArray[np.uint8]:
    kind = block.dtype.kind
    if kind == "b":
        return block.astype(np.uint8) * np.uint8(255)
    if kind == "f":
        return np.asarray(np.rint(np.clip(block, 0, 1) * 255), dtype=np.uint8)
    if white > 255:
        return np.asarray((block.astype(np.uint32) * 255 + 32767) // 65535, dtype=np.uint8)
    return block.astype(np.uint8)
