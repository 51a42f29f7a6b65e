"""A map of a part of a photo, where the whole one would mostly be empty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.short_repr import short_repr
from .similarity import Similarity

__all__ = ["Patch", "patch_of_crop"]


@dataclass(frozen=True, eq=False)
class Patch:
    """Values of the photo's pixels from (left, top) on.

    Args:
        values: (h, w) float32; NaN or 0, as the maker says, where nothing is known.
        left: column of the first.
        top: row of the first.
    """

    values: NDArray[np.float32]
    left: int
    top: int

    __repr__ = short_repr

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the photo that it covers."""
        height, width = self.values.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def patch_of_crop(
    field: NDArray[np.float32], similarity: Similarity, height: int, width: int, *, outside: float
) -> Patch:
    """What :func:`unwarp` pastes of a field that is no finer than the photo, as a patch around the crop.

    Args:
        field: (h, w) values of a crop.
        similarity: from photo to crop pixels.
        height, width: of the photo.
        outside: value where the patch reaches beyond the crop.
    """
    from ._paste import paste  # numba: only where something is pasted

    rows, columns = field.shape
    corners = (
        np.array([[u, v, 1.0] for v in (-0.5, rows - 0.5) for u in (-0.5, columns - 0.5)])
        @ similarity.inverse().matrix.T
    )
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, (width, height))
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + 1, (x0, y0), (width, height))
    values = np.full((y1 - y0, x1 - x0), outside, dtype=np.float32)
    matrix = np.array(similarity.matrix, dtype=np.float64)
    matrix[:, 2] += matrix[:, 0] * x0 + matrix[:, 1] * y0
    paste(np.ascontiguousarray(field, dtype=np.float32), matrix, values)
    return Patch(values, int(x0), int(y0))
