"""One cut-out over another."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["over"]


def over(below: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Straight RGBA over straight RGBA, a new picture."""
    return _over(below, above)


@njit(cache=True, nogil=True)
def _over(below, above):  # type: ignore[no-untyped-def]
    out = above.copy()
    height, width = above.shape[0], above.shape[1]
    for y in range(height):
        for x in range(width):
            if above[y, x, 3] == 255 or below[y, x, 3] == 0:
                continue
            if above[y, x, 3] == 0:
                for c in range(4):
                    out[y, x, c] = below[y, x, c]
                continue
            a = above[y, x, 3] / 255.0
            b = below[y, x, 3] / 255.0 * (1.0 - a)
            for c in range(3):
                out[y, x, c] = np.uint8((above[y, x, c] * a + below[y, x, c] * b) / (a + b) + 0.5)
            out[y, x, 3] = np.uint8((a + b) * 255.0 + 0.5)
    return out
