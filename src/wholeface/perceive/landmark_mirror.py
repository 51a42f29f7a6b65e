"""The 668 points, and the shipped model's identity, under a mirror.

Entry ``i`` of :data:`MIRROR_668` is the point that ``i`` becomes in a mirrored photo. These are facts of the shipped
mesh, with which the tests compare them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .mediapipe.mirror import MIRROR_478

__all__ = ["IDENTITY_SIGNS", "MIRROR_668"]

# fmt: off
_MIRROR_68 = (
    16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 27, 28, 29, 30,
    35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56,
    55, 64, 63, 62, 61, 60, 67, 66, 65,
)
# fmt: on
_PAIRS = 61  # of the other points, whose left and right halves follow each other
_ODD = (17, 21, 28, 31, 38, 41, 43, 50, 55, 57, 61, 64, 66, 70, 72, 76)  # modes of lopsided faces

MIRROR_668: NDArray[np.int64] = np.concatenate(
    [np.array(_MIRROR_68), 68 + MIRROR_478, 546 + (np.arange(2 * _PAIRS) + _PAIRS) % (2 * _PAIRS)]
).astype(np.int64)
"""(668,) index."""

IDENTITY_SIGNS: NDArray[np.float32] = np.where(np.isin(np.arange(80), _ODD), -1.0, 1.0).astype(np.float32)
"""(80,) ±1, the factor of each of the first identity coefficients in a mirrored photo; the others do not change."""
