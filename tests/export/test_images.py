import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wholeface.core.errors import UsageError
from wholeface.export import encode_jpeg, encode_png, write_png


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([None, 1, 2, 3, 4]),
    st.booleans(),
    st.integers(0, 99),
)
def test_png_round_trip(height, width, channels, compact, seed):
    shape = (height, width) if channels is None else (height, width, channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    image = Image.open(io.BytesIO(encode_png(pixels, compact=compact)))
    assert image.mode == {None: "L", 1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    np.testing.assert_array_equal(np.asarray(image), pixels[..., 0] if channels == 1 else pixels)


@given(st.integers(1, 40), st.integers(1, 40), st.booleans(), st.integers(0, 99))
def test_16_bit_grey_round_trip(height, width, compact, seed):
    pixels = np.random.default_rng(seed).integers(0, 65536, (height, width), dtype=np.uint16)
    image = Image.open(io.BytesIO(encode_png(pixels, compact=compact)))
    assert image.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(image), pixels)
    native = encode_png(np.ascontiguousarray(pixels[..., None]).astype("<u2"))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(native))), pixels)


def test_bool_is_black_and_white(tmp_path):
    mask = np.eye(5, dtype=bool)
    image = Image.open(write_png(tmp_path / "sub" / "mask.png", mask))
    np.testing.assert_array_equal(np.asarray(image), mask * 255)


def test_views_are_fine():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)[::-1, ::2]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))), pixels)


def test_palette_keeps_codes_and_shows_colours():
    codes = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3
    palette = np.array([[1, 2, 3], [200, 0, 9], [0, 255, 7]])
    image = Image.open(io.BytesIO(encode_png(codes, palette=palette)))
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), codes)
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), palette[codes])


def test_flat_images_are_small():
    assert len(encode_png(np.zeros((1024, 1024), np.uint8))) < 10_000


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (np.zeros((4, 4, 3)), {}),
        (np.zeros((4, 4, 5), np.uint8), {}),
        (np.zeros(4, np.uint8), {}),
        (np.zeros((0, 4), np.uint8), {}),
        (np.zeros((4, 4, 3), np.uint8), {"palette": [[0, 0, 0]]}),
        (np.zeros((4, 4, 3), np.uint16), {}),
        (np.zeros((4, 4), np.uint16), {"palette": [[0, 0, 0]]}),
        (np.ones((4, 4), np.uint8), {"palette": [[0, 0, 0]]}),
        (np.zeros((4, 4), np.uint8), {"palette": [[0, 0]]}),
    ],
)
def test_not_an_image(pixels, options):
    with pytest.raises(UsageError):
        encode_png(pixels, **options)


def test_jpeg_is_close():
    v, u = np.mgrid[:64, :64]
    pixels = np.stack([u * 4, v * 4, u + v], -1).astype(np.uint8)
    decoded = np.asarray(Image.open(io.BytesIO(encode_jpeg(pixels))))
    assert np.abs(decoded.astype(int) - pixels).mean() < 2


def test_strips_of_a_large_image_join():
    pixels = np.random.default_rng(1).integers(0, 256, (1400, 2100, 3), dtype=np.uint8)
    pixels[300:900] = 7
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))), pixels)
