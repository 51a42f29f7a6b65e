"""A map of a part of a photo, where the whole one would mostly be empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.packing import packed, unpacked
from ..core.short_repr import short_repr
from .similarity import Similarity

__all__ = ["Patch", "footprint", "patch_of_crop"]


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

    def seen(self, similarity: Similarity, size: tuple[int, int]) -> NDArray[np.float32]:
        """Through a similarity crop of the photo; 0 beyond the patch.

        Args:
            similarity: from photo to crop pixels.
            size: (width, height) of the crop.
        """
        from .crop import warp

        onward = Similarity(1.0, 0.0, float(self.left), float(self.top)).then(similarity)
        if 0 in self.values.shape:
            return np.zeros(size[::-1], np.float32)
        found: NDArray[np.float32] = warp(self.values, onward, size)
        return found

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the photo that it covers."""
        height, width = self.values.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def within(self, part: tuple[slice, slice]) -> NDArray[np.float32]:
        """The values over a part of the photo; 0 where the part reaches beyond the patch.

        Args:
            part: rows and columns, each from a start to a stop.
        """
        (rows, columns), (own_rows, own_columns) = part, self.slices
        result = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
        top, bottom = max(rows.start, own_rows.start), min(rows.stop, own_rows.stop)
        left, right = max(columns.start, own_columns.start), min(columns.stop, own_columns.stop)
        if top < bottom and left < right:
            result[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start] = (
                self.values[top - self.top : bottom - self.top, left - self.left : right - self.left]
            )
        return result

    def whole(self, height: int, width: int) -> NDArray[np.float32]:
        """(height, width) float32, the values over the whole photo; 0 beyond the patch."""
        return self.within((slice(0, height), slice(0, width)))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "values": packed(self.values)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, values=unpacked(state["values"]))


def footprint(
    crop: Similarity, box: tuple[float, float, float, float], height: int, width: int
) -> tuple[int, int, int, int]:
    """The photo's pixels that a box of a crop touches, as left, top, right, bottom; the last two are beyond it.

    Args:
        crop: from photo to crop pixels.
        box: left, top, right and bottom in crop pixels.
        height, width: of the photo; without any in common, right = left or bottom = top.
    """
    corners = np.array([[u, v, 1.0] for v in box[1::2] for u in box[::2]]) @ crop.inverse().matrix.T
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, (width, height))
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + 1, (x0, y0), (width, height))
    return int(x0), int(y0), int(x1), int(y1)


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
    x0, y0, x1, y1 = footprint(similarity, (-0.5, -0.5, columns - 0.5, rows - 0.5), height, width)
    values = np.full((y1 - y0, x1 - x0), outside, dtype=np.float32)
    matrix = np.array(similarity.matrix, dtype=np.float64)
    matrix[:, 2] += matrix[:, 0] * x0 + matrix[:, 1] * y0
    paste(np.ascontiguousarray(field, dtype=np.float32), matrix, values)
    return Patch(values, x0, y0)
