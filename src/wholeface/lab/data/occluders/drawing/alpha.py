"""From premultiplied canvases to images with straight alpha."""

from __future__ import annotations

from typing import Any

import numpy as np

from .....core.jit import njit

__all__ = [
    "unpremultiply",
]


@njit(cache=True, nogil=True, fastmath=True)
def unpremultiply(canvas: Any, out: Any) -> float:
    """Straight (S, S, 4) uint8 of a premultiplied float canvas; returns the sum of its alpha."""
    total = 0.0
    for row in range(canvas.shape[0]):
        for column in range(canvas.shape[1]):
            alpha = min(canvas[row, column, 3], 1.0)
            if alpha < 0.002:
                out[row, column, :] = 0
                continue
            total += alpha
            factor = 255.0 / alpha
            for k in range(3):
                out[row, column, k] = np.uint8(min(255.0, max(0.0, canvas[row, column, k] * factor + 0.5)))
            out[row, column, 3] = np.uint8(alpha * 255.0 + 0.5)
    return total
