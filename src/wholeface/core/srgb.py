"""sRGB codes and linear light (IEC 61966-2-1), on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BYTE_OF_ROOT", "LINEAR_OF_BYTE", "decode_slope", "decode_srgb", "encode_srgb"]

_CODE, _LIGHT = 0.04045, 0.0031308  # where the straight part ends


def decode_srgb(codes: NDArray[Any]) -> NDArray[Any]:
    """Linear light from sRGB codes in [0, 1], any shape; what lies outside is clipped."""
    codes = np.clip(codes, 0, 1)
    return np.where(codes <= _CODE, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def encode_srgb(light: NDArray[Any]) -> NDArray[Any]:
    """sRGB codes from linear light in [0, 1], any shape; what lies outside is clipped."""
    light = np.clip(light, 0, 1)
    return np.where(light <= _LIGHT, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def decode_slope(codes: NDArray[Any]) -> NDArray[Any]:
    """Derivative of :func:`decode_srgb` at codes in [0, 1]."""
    return np.where(
        codes <= _CODE, 1 / 12.92, 2.4 / 1.055 * ((np.maximum(codes, _CODE) + 0.055) / 1.055) ** 1.4
    )


LINEAR_OF_BYTE: NDArray[np.float32] = decode_srgb(np.arange(256) / 255).astype(np.float32)
"""(256,) linear light in [0, 1] of each byte."""
LINEAR_OF_BYTE.flags.writeable = False

BYTE_OF_ROOT: NDArray[np.uint8] = np.round(255 * encode_srgb((np.arange(4096) / 4095.0) ** 2)).astype(
    np.uint8
)
"""(4096,) sRGB byte of linear light (i / 4095)²: evenly fine for the eye."""
BYTE_OF_ROOT.flags.writeable = False
