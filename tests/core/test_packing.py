"""Packed arrays come back bit for bit, and flat or smooth ones are small."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from numpy.typing import DTypeLike

from wholeface.core.packing import packed, unpacked


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float32, np.float64, ">i4"])
@pytest.mark.parametrize("shape", [(7,), (5, 9), (4, 6, 3), (0, 3), (3, 0), (0,), ()])
def test_arrays_come_back_bit_for_bit(dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    values = (np.random.default_rng(0).random(shape) * 300 - 20).astype(np.int64).astype(dtype)
    again = unpacked(packed(values))
    assert again.dtype == values.dtype
    assert again.shape == values.shape
    assert again.tobytes() == values.tobytes()
    assert again.flags.writeable


def test_nan_and_views_come_back() -> None:
    values = np.array([[np.nan, -0.0, np.inf], [1.0, 2.0, 3.0]], np.float32)
    assert unpacked(packed(values[:, ::-1])).tobytes() == np.ascontiguousarray(values[:, ::-1]).tobytes()


def test_smooth_images_pack_better_than_their_bytes() -> None:
    steps = np.random.default_rng(2).integers(-1, 2, (64, 2000))
    smooth = steps.cumsum(axis=1).astype(np.uint8)
    _, _, data = packed(smooth)
    assert len(data) < 0.7 * len(zlib.compress(smooth.tobytes(), 1))
