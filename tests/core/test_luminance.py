"""Luminance: white is 1, the primaries as BT.709 has them, and types stay."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.luminance import LUMINANCE, luminance


def test_white_is_one_and_primaries_add_up() -> None:
    assert luminance(np.ones(3)) == pytest.approx(1.0)
    np.testing.assert_allclose(luminance(np.eye(3)), [0.2126, 0.7152, 0.0722])
    assert not LUMINANCE.flags.writeable


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shape_and_type_follow_the_colours(dtype: type[np.floating]) -> None:
    found = luminance(np.full((2, 5, 3), 0.25, dtype))
    assert found.shape == (2, 5)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, 0.25, rtol=1e-6)
