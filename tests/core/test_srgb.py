"""sRGB against the standard's own numbers, and the two twins against each other."""

from __future__ import annotations

import numpy as np
import torch

from wholeface.core.srgb import LINEAR_OF_BYTE, decode_slope, decode_srgb, encode_srgb
from wholeface.core.srgb_torch import linear_to_srgb, srgb_to_linear


def test_known_values_and_clipping() -> None:
    codes = np.array([-1.0, 0.0, 0.04045, 0.5, 1.0, 2.0])
    linear = np.array([0.0, 0.0, 0.04045 / 12.92, 0.21404114, 1.0, 1.0])
    np.testing.assert_allclose(decode_srgb(codes), linear, atol=1e-8)
    np.testing.assert_allclose(encode_srgb(linear)[1:-1], codes[1:-1], atol=2e-7)
    np.testing.assert_allclose(encode_srgb(np.array([-1.0, 9.0])), [0.0, 1.0], rtol=1e-15)


def test_every_byte_survives_the_way_there_and_back() -> None:
    assert LINEAR_OF_BYTE.dtype == np.float32
    assert (np.diff(LINEAR_OF_BYTE) > 0).all()
    np.testing.assert_array_equal(np.round(encode_srgb(LINEAR_OF_BYTE) * 255), np.arange(256))


def test_twins_agree() -> None:
    values = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(
        srgb_to_linear(torch.from_numpy(values)).numpy(), decode_srgb(values), rtol=1e-12
    )
    np.testing.assert_allclose(
        linear_to_srgb(torch.from_numpy(values)).numpy(), encode_srgb(values), rtol=1e-12
    )


def test_slope_is_the_difference_quotient() -> None:
    codes = np.array([0.01, 0.2, 0.7, 0.99])
    quotient = (decode_srgb(codes + 1e-6) - decode_srgb(codes - 1e-6)) / 2e-6
    np.testing.assert_allclose(decode_slope(codes), quotient, rtol=1e-6)
