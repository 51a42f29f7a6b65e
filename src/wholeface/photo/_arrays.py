"""Arrays of any common type to 8-bit colour and alpha."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PhotoError

__all__ = ["array_to_uint8", "check_array_shape"]


def check_array_shape(array: NDArray[Any]) -> None:
    """Raises PhotoError unless the array is an image with 1 to 4 channels last."""
    shape = array.shape
    if array.ndim == 2 or (array.ndim == 3 and 1 <= shape[2] <= 4):
        return
    hint = "; move the channels last" if array.ndim == 3 and shape[0] in (1, 3, 4) else ""
    hint = "; give one image of the batch" if array.ndim == 4 else hint
    raise PhotoError(f"an array of shape {shape} is not an image; expected (H, W) or (H, W, 1 to 4){hint}")


def array_to_uint8(array: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Colour (H, W, 3) and alpha (H, W) or None, both uint8, of an image array.

    Raises:
        PhotoError: values outside the range of the type.
    """
    values = _to_uint8(array)
    if values.ndim == 2:
        values = values[..., None]
    channels = values.shape[2]
    alpha = values[..., -1].copy() if channels in (2, 4) else None
    colour = values[..., :3] if channels >= 3 else np.repeat(values[..., :1], 3, axis=2)
    return colour.copy(), alpha


def _to_uint8(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if array.size == 0:
        return np.zeros(array.shape, np.uint8)
    if np.issubdtype(array.dtype, np.integer):
        low, high = int(array.min()), int(array.max())
        if low < 0 or high > 255:
            raise PhotoError(f"an array of {array.dtype} must lie within 0…255, but it spans {low}…{high}")
        return array.astype(np.uint8)
    if not np.issubdtype(array.dtype, np.floating):
        raise PhotoError(f"an array of type {array.dtype} is not an image")
    low_f, high_f = float(array.min()), float(array.max())
    if not (np.isfinite(low_f) and np.isfinite(high_f)):
        raise PhotoError("the array contains NaN or infinite values")
    slack = 1e-3  # resampling overshoots a little
    if low_f < -slack or high_f > 1 + slack:
        raise PhotoError(
            f"a float array must lie within 0…1, not {low_f:g}…{high_f:g}; divide it by its white value"
        )
    result: NDArray[np.uint8] = np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)
    return result
