"""One cut-out over another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .....core.jit import njit

__all__ = ["occluded_share", "over"]


def over(below: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Straight RGBA over straight RGBA, a new image."""
    return _over(below, above)


def occluded_share(rgba: NDArray[np.uint8], face: NDArray[np.bool_]) -> float:
    """Share of the face that lies under alpha > 127."""
    hidden, whole = _count(rgba, face)
    return hidden / max(whole, 1)


@njit(cache=True, nogil=True)
def _count(rgba, face):  # type: ignore[no-untyped-def]
    hidden = 0
    whole = 0
    for y in range(face.shape[0]):
        for x in range(face.shape[1]):
            if face[y, x]:
                whole += 1
                if rgba[y, x, 3] > 127:
                    hidden += 1
    return hidden, whole


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
