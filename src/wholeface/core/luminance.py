"""Relative luminance of linear-light colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLUE", "GREEN", "LUMINANCE", "RED", "luminance"]

RED, GREEN, BLUE = 0.2126, 0.7152, 0.0722
"""What the channels of sRGB's primaries contribute. Source: ITU-R BT.709."""
LUMINANCE = np.array((RED, GREEN, BLUE))
"""(3,) float64, the same."""
LUMINANCE.setflags(write=False)


def luminance(linear: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """(…) luminance of linear-light colours (…, 3), in their floating type."""
    result: NDArray[Any] = linear @ LUMINANCE.astype(linear.dtype)
    return result
