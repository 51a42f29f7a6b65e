"""The compiled loop of :func:`wholeface.photo.patch_of_crop`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.jit import njit

__all__ = ["paste"]


@njit(cache=True, nogil=True)
def paste(field: Any, matrix: Any, values: Any) -> None:
    """Bilinear samples of ``field`` at matrix · (column, row, 1), its border repeated for half a pixel."""
    height, width = field.shape
    slack = 1e-6  # rounding of the similarity must not lose the outermost row
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            u = matrix[0, 0] * column + matrix[0, 1] * row + matrix[0, 2]
            v = matrix[1, 0] * column + matrix[1, 1] * row + matrix[1, 2]
            if not (-0.5 - slack <= u <= width - 0.5 + slack and -0.5 - slack <= v <= height - 0.5 + slack):
                continue
            u = min(max(u, 0.0), width - 1.0)
            v = min(max(v, 0.0), height - 1.0)
            left, top = int(u), int(v)
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            fu, fv = np.float32(u - left), np.float32(v - top)
            above = field[top, left] + fu * (field[top, right] - field[top, left])
            below = field[bottom, left] + fu * (field[bottom, right] - field[bottom, left])
            values[row, column] = above + fv * (below - above)
