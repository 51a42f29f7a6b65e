"""Inputs that are valid but odd: cut JPEGs, subclasses of arrays, wide number types, warnings of decoders."""

import io
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest
from PIL import Image

from wholeface.core.errors import PhotoError
from wholeface.photo import read_photo


def noise(height: int = 240, width: int = 160) -> np.ndarray:
    """Blocks of random colours, so that every JPEG block has something to say."""
    small = np.random.default_rng(3).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.kron(small, np.ones((8, 8, 1), np.uint8))


def jpeg(mode: str = "RGB", **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(noise()).convert(mode).save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 2}]
)
def test_a_jpeg_without_its_end_marker_is_whole(mode, options):
    if mode == "L" and "subsampling" in options:
        pytest.skip("grey has nothing to subsample")
    data = jpeg(mode, **options)
    photo = read_photo(data[:-2])
    np.testing.assert_array_equal(photo.pixels, read_photo(data).pixels)
    assert "the end of <bytes> is missing" in photo.warnings[0]


def test_a_jpeg_that_lacks_its_last_rows_is_read_with_a_warning():
    data = jpeg()
    photo, whole = read_photo(data[: -len(data) // 40]), read_photo(data)
    np.testing.assert_array_equal(photo.pixels[:208], whole.pixels[:208])
    assert "its last" in photo.warnings[0]
    assert "rows are grey" in photo.warnings[0]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_a_jpeg_that_lacks_more_is_refused_with_advice(mode, share):
    data = jpeg(mode)
    with pytest.raises(
        PhotoError, match=r"is truncated.*only the first .* of its 240 rows.*download it again"
    ):
        read_photo(data[: int(len(data) * share)])


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_a_progressive_jpeg_too_coarse_to_use_is_refused(share):
    data = jpeg(progressive=True)
    with pytest.raises(PhotoError, match=r"is truncated.*download it again"):
        read_photo(data[: int(len(data) * share)])


def _variants(plain: np.ndarray) -> dict[str, np.ndarray]:
    read_only = plain.copy()
    read_only.flags.writeable = False
    return {
        "masked": np.ma.masked_array(plain, mask=np.zeros_like(plain, bool)),
        "read-only": read_only,
        "fortran": np.asfortranarray(plain),
        "strided": np.repeat(plain, 2, axis=1)[:, ::2],
        "reversed": plain[::-1, ::-1].copy()[::-1, ::-1],
        "record": plain.view(np.recarray),
        "int64": plain.astype(np.int64),
        "big-endian": (plain.astype(np.uint16) * 257).astype(">u2"),
        "float16": (plain / np.float32(255)).astype(np.float16),
        "longdouble": plain.astype(np.longdouble) / 255,
    }


def test_every_kind_of_array_gives_the_same_pixels(tmp_path):
    plain = noise(64, 48)
    np.save(tmp_path / "a.npy", plain)
    kinds = {**_variants(plain), "memmap": np.load(tmp_path / "a.npy", mmap_mode="r")}
    for kind, array in kinds.items():
        pixels = read_photo(array).pixels
        assert type(pixels) is np.ndarray, kind
        np.testing.assert_allclose(
            pixels.astype(int), plain, atol=1 if kind == "float16" else 0, err_msg=kind
        )
        assert pixels.flags.writeable
        assert not np.shares_memory(pixels, array)


def test_a_matrix_is_a_grey_image():
    plain = noise(64, 48)[..., 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.asmatrix(plain)
    for _ in range(20):  # NumPy 2.4 crashed only now and then
        pixels = read_photo(matrix).pixels
    assert type(pixels) is np.ndarray
    np.testing.assert_array_equal(pixels, np.repeat(plain[..., None], 3, axis=2))


def test_masked_pixels_are_black():
    plain = noise(64, 48)
    hidden = np.zeros_like(plain, bool)
    hidden[:10] = True
    pixels = read_photo(np.ma.masked_array(plain, hidden)).pixels
    assert (pixels[:10] == 0).all()
    np.testing.assert_array_equal(pixels[10:], plain[10:])


@pytest.mark.parametrize(
    "array",
    [
        np.full((32, 32), None),
        np.full((32, 32, 3), "a"),
        np.zeros((32, 32), "M8[s]"),
        np.zeros((32, 32), "m8[s]"),
        np.zeros((32, 32), complex),
        np.zeros((32, 32), [("r", "u1"), ("g", "u1")]),
        np.full((32, 32), np.nan),
        np.full((32, 32, 3), np.inf, np.float16),
    ],
)
def test_what_is_no_image_is_refused(array):
    with pytest.raises(PhotoError):
        read_photo(array)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_wide_grey_takes_few_bytes_a_pixel(format, kind):
    if format == "PNG" and kind is np.float32:
        pytest.skip("PNG has no floats")
    grey = np.tile(np.linspace(0, 1, 2000), (2000, 1))
    stream = io.BytesIO()
    values = (grey * 65535).astype(np.uint16) if kind is np.uint16 else grey.astype(np.float32)
    Image.fromarray(values).save(stream, format, compress_level=1)
    data = stream.getvalue()
    del grey, values
    tracemalloc.start()
    try:
        pixels = read_photo(data).pixels
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert pixels.shape == (2000, 2000, 3)
    assert int(pixels[-1, -1, 0]) == 255
    # Outside NumPy Pillow keeps its own copy, at most 4 bytes a pixel.
    assert peak < 13 * 4e6


def test_arrays_and_transparency_are_converted_in_blocks():
    array = np.zeros((1500, 1500, 4), np.uint8)
    array[..., 3] = 128
    tracemalloc.start()
    try:
        photo = read_photo(array)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (photo.pixels == 64).all()
    assert peak < 20 * 2.25e6


def _with_exif(**changes) -> bytes:
    """A JPEG whose EXIF has an orientation of two values."""
    entries = changes.get("entries", [(0x0112, 3, 2, b"\x06\x00\x03\x00")])
    body = b"II*\x00\x08\x00\x00\x00" + len(entries).to_bytes(2, "little")
    for tag, kind, count, value in entries:
        body += tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + count.to_bytes(4, "little") + value
    body += bytes(4)
    exif = b"Exif\x00\x00" + body
    data = jpeg()
    return data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]


def _odd_files() -> dict[str, bytes]:
    files = {
        "orientation twice": _with_exif(),
        "orientation of no values": _with_exif(entries=[(0x0112, 3, 0, bytes(4))]),
        "tag beyond the end": _with_exif(entries=[(0x010F, 2, 5000, b"\xff\xff\x00\x00")]),
        "unknown kind": _with_exif(entries=[(0x0112, 99, 1, bytes(4))]),
    }
    stream = io.BytesIO()
    Image.fromarray(noise()).save(stream, "TIFF")
    tiff = bytearray(stream.getvalue())
    rng = np.random.default_rng(0)
    for number in range(60):
        odd = tiff.copy()
        for at in rng.integers(8, 200, 3):
            odd[at] = rng.integers(0, 256)
        files[f"tiff {number}"] = bytes(odd)
        odd = tiff.copy()
        for at in rng.integers(len(tiff) - 200, len(tiff), 3):
            odd[at] = rng.integers(0, 256)
        files[f"tiff tail {number}"] = bytes(odd)
    return files


def test_no_word_of_a_decoder_reaches_the_caller(caplog):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for data in _odd_files().values():
            try:
                read_photo(data, max_pixels=10**6)
            except PhotoError:
                continue
    assert [str(w.message) for w in seen] == []


def test_of_two_orientations_the_first_counts():
    turned = np.rot90(read_photo(jpeg()).pixels, -1)
    np.testing.assert_array_equal(read_photo(_with_exif()).pixels, turned)


def test_what_a_decoder_logs_is_not_printed(tmp_path):
    path = tmp_path / "odd.tif"
    stream = io.BytesIO()
    Image.fromarray(noise()).save(stream, "TIFF")
    data = bytearray(stream.getvalue())
    at = data.rindex((277).to_bytes(2, "little") + (3).to_bytes(2, "little"))
    data[at + 8 : at + 10] = (9).to_bytes(2, "little")  # samples per pixel, which Pillow logs as an error
    path.write_bytes(bytes(data))
    code = (
        "import sys\nfrom wholeface.photo import read_photo\nfrom wholeface.core.errors import PhotoError\n"
        "try:\n    read_photo(sys.argv[1])\nexcept PhotoError:\n    pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_photo_of_108_megapixels_is_within_the_limit():
    from wholeface.photo import DEFAULT_MAX_PIXELS

    assert DEFAULT_MAX_PIXELS >= 12032 * 9024
    stream = io.BytesIO()
    Image.new("L", (12000, 9000)).save(stream, "PNG", compress_level=1)
    with pytest.raises(PhotoError, match=r"raise max_pixels \(--max-pixels\)"):
        read_photo(stream.getvalue(), max_pixels=10**8)
