"""Real files of every kind, made here, whole and broken."""

import contextlib
import io
import struct
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

import wholeface.photo
from wholeface.core.errors import PhotoError
from wholeface.photo import NEUTRAL_GREY, Photo, read_photo


def smooth_image(height: int = 60, width: int = 80) -> np.ndarray:
    """A smooth image without symmetry, so that turns are seen and JPEG stays close."""
    v, u = np.mgrid[:height, :width]
    channels = [u * 255 / width, v * 255 / height, 128 + 100 * np.sin(u / 9 + v / 23)]
    return np.stack(channels, -1).astype(np.uint8)


def encoded(image: Image.Image | np.ndarray, format: str, **options) -> bytes:
    stream = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(stream, format, **options)
    return stream.getvalue()


def close(a: np.ndarray, b: np.ndarray, mean: float = 3.0) -> bool:
    return a.shape == b.shape and bool(np.abs(a.astype(int) - b.astype(int)).mean() < mean)


def png16(values: np.ndarray) -> bytes:
    """A 16-bit RGB(A) PNG, which Pillow cannot write."""
    height, width, channels = values.shape
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


LOSSLESS = {
    "PNG": {},
    "TIFF": {},
    "BMP": {},
    "WEBP": {"lossless": True},
}


@pytest.mark.parametrize("format", LOSSLESS)
def test_lossless_formats_are_exact(format):
    photo = read_photo(encoded(smooth_image(), format, **LOSSLESS[format]))
    np.testing.assert_array_equal(photo.pixels, smooth_image())
    assert (photo.format, photo.alpha, photo.focal_px, photo.source) == (format, None, None, "<bytes>")
    assert (photo.width, photo.height) == (80, 60)
    assert photo.pixels.flags.c_contiguous
    assert photo.pixels.flags.writeable


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"optimize": True}])
def test_jpeg(options):
    assert close(read_photo(encoded(smooth_image(), "JPEG", quality=95, **options)).pixels, smooth_image())


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
def test_compressed_tiff(compression):
    np.testing.assert_array_equal(
        read_photo(encoded(smooth_image(), "TIFF", compression=compression)).pixels, smooth_image()
    )


def test_every_kind_of_source_gives_the_same(tmp_path):
    data = encoded(smooth_image(), "PNG")
    path = tmp_path / "Größe 1.png"
    path.write_bytes(data)
    with path.open("rb") as stream:
        photos = [read_photo(s) for s in (path, str(path), data, bytearray(data), memoryview(data), stream)]
    photos += [read_photo(Image.open(io.BytesIO(data))), read_photo(smooth_image())]
    for photo in photos:
        np.testing.assert_array_equal(photo.pixels, smooth_image())
    sources = [str(path), str(path), "<bytes>", "<bytes>", "<bytes>", "<file>", "<image>", "<array>"]
    assert [photo.source for photo in photos] == sources


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(format, orientation):
    upright = smooth_image()
    stored = {  # how a camera held that way stores the upright image
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = LOSSLESS.get(format, {"quality": 95})
    photo = read_photo(encoded(np.ascontiguousarray(stored), format, exif=exif, **options))
    assert close(photo.pixels, upright)


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_meaningless_orientation_is_ignored(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(
        read_photo(encoded(smooth_image(), "PNG", exif=exif)).pixels, smooth_image()
    )


def test_grey_and_bilevel():
    grey = smooth_image()[..., 0]
    np.testing.assert_array_equal(read_photo(encoded(grey, "PNG")).pixels, grey[..., None].repeat(3, 2))
    bilevel = Image.fromarray(grey).convert("1")
    photo = read_photo(encoded(bilevel, "PNG"))
    np.testing.assert_array_equal(photo.pixels[..., 0], np.asarray(bilevel) * 255)


def test_cmyk_jpeg():
    assert close(
        read_photo(encoded(Image.fromarray(smooth_image()).convert("CMYK"), "JPEG", quality=95)).pixels,
        smooth_image(),
    )


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey(format):
    values = np.linspace(0, 65535, 60 * 80).reshape(60, 80).astype(np.uint16)
    photo = read_photo(encoded(values, format))
    np.testing.assert_array_equal(photo.pixels[..., 1], np.rint(values / 257.0))


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_png(channels):
    values = np.random.default_rng(0).integers(0, 65536, (30, 40, channels))
    values[..., 3:] = 65535
    photo = read_photo(png16(values))
    assert np.abs(photo.pixels - values[..., :3] / 257).max() <= 1
    assert photo.alpha is None


def test_float_tiff():
    values = np.linspace(0, 1, 60 * 80, dtype=np.float32).reshape(60, 80)
    np.testing.assert_array_equal(read_photo(encoded(values, "TIFF")).pixels[..., 0], np.rint(values * 255))


def over_grey(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    a = alpha[..., None] / 255
    return np.rint(colour * a + np.array(NEUTRAL_GREY) * (1 - a))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_kept_and_laid_on_grey(mode):
    alpha = smooth_image()[..., 1]
    colour = smooth_image() if mode == "RGBA" else smooth_image()[..., :1]
    photo = read_photo(encoded(Image.fromarray(np.concatenate([colour, alpha[..., None]], -1)), "PNG"))
    np.testing.assert_array_equal(photo.alpha, alpha)
    expected = over_grey(colour.repeat(3 // colour.shape[2], 2), alpha)
    assert np.abs(photo.pixels - expected).max() <= 1


def test_palette_with_transparency():
    image = Image.fromarray(smooth_image()).quantize(16)
    opaque = read_photo(encoded(image, "PNG"))
    np.testing.assert_array_equal(opaque.pixels, np.asarray(image.convert("RGB")))
    index = int(np.asarray(image)[0, 0])
    photo = read_photo(encoded(image, "PNG", transparency=index))
    hole = np.asarray(image) == index
    np.testing.assert_array_equal(photo.alpha, np.where(hole, 0, 255))
    assert (photo.pixels[hole] == NEUTRAL_GREY).all()
    np.testing.assert_array_equal(photo.pixels[~hole], opaque.pixels[~hole])


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_animations(format):
    frames = [Image.fromarray(np.full((40, 40, 3), c, np.uint8)) for c in (200, 20, 90)]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=50)
    assert abs(int(read_photo(data).pixels.mean()) - 200) <= 2


def wide_gamut_profile() -> bytes:
    """An RGB profile whose red and blue are swapped: nobody can overlook that it was applied."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    for i in range(count):
        at = 132 + 12 * i
        tag = bytes(profile[at : at + 4])
        if tag in (b"rXYZ", b"bXYZ"):
            profile[at : at + 4] = b"bXYZ" if tag == b"rXYZ" else b"rXYZ"
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "Test".encode("utf-16-be"))


def test_colour_profile_is_applied():
    photo = read_photo(encoded(smooth_image(), "PNG", icc_profile=wide_gamut_profile()))
    assert close(photo.pixels, smooth_image()[..., ::-1], 1.0)
    assert photo.warnings == ()


def test_srgb_profile_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = read_photo(encoded(smooth_image(), "PNG", icc_profile=profile))
    np.testing.assert_array_equal(photo.pixels, smooth_image())


@pytest.mark.parametrize("profile", [b"nonsense", wide_gamut_profile()[:200]])
def test_broken_profile_warns(profile):
    photo = read_photo(encoded(smooth_image(), "PNG", icc_profile=profile))
    np.testing.assert_array_equal(photo.pixels, smooth_image())
    assert "colour profile" in photo.warnings[0]


def test_profile_of_another_colour_model_warns():
    photo = read_photo(encoded(smooth_image()[..., 0], "PNG", icc_profile=wide_gamut_profile()))
    np.testing.assert_array_equal(photo.pixels[..., 0], smooth_image()[..., 0])
    assert photo.warnings


def jpeg_with_exif(size=(80, 60), **tags) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({int(k[1:], 16): v for k, v in tags.items()})
    return encoded(smooth_image(size[1], size[0]), "JPEG", exif=exif)


DIAGONAL = 100.0  # of 80 × 60


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"xA405": 50}, 50 * DIAGONAL / np.hypot(36, 24)),
        ({"xA405": 28, "xA002": 4000, "xA003": 3000}, 28 * DIAGONAL / np.hypot(36, 24)),
        ({"xA405": 28, "xA002": 3000, "xA003": 4000}, 28 * DIAGONAL / np.hypot(36, 24)),  # stored turned
        ({"xA405": 28, "xA002": 4000, "xA003": 4000}, None),  # cropped since
        ({"xA405": 0}, None),
        ({"xA405": 1}, None),
        ({"xA405": 60000}, None),
        # 10 mm, 1000 px/cm (10 µm pixels) -> 1000 px in a photo 800 px wide
        ({"x920A": 10.0, "xA20E": 1000.0, "xA210": 3, "xA002": 800, "xA003": 600}, 100.0),
        ({"x920A": 10.0, "xA20E": 2540.0, "xA210": 2, "xA002": 800, "xA003": 600}, 100.0),
        ({"x920A": 10.0, "xA20E": 1000.0, "xA210": 3}, None),
        ({"x920A": 10.0}, None),
        ({}, None),
    ],
)
def test_focal_length_from_exif(tags, expected):
    assert read_photo(jpeg_with_exif(**tags)).focal_px == (
        None if expected is None else pytest.approx(expected)
    )


def test_focal_length_survives_a_turn():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({0xA405: 50, 0xA002: 80, 0xA003: 60})
    photo = read_photo(encoded(smooth_image(), "JPEG", exif=exif))
    assert (photo.width, photo.height) == (60, 80)
    assert photo.focal_px == pytest.approx(50 * DIAGONAL / np.hypot(36, 24))


@pytest.mark.parametrize(
    "garbage", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x09"]
)
def test_broken_exif_is_no_reason_to_refuse(garbage):
    photo = read_photo(encoded(smooth_image(), "JPEG", quality=95, exif=garbage))
    assert close(photo.pixels, smooth_image())
    assert photo.focal_px is None


@pytest.mark.parametrize(
    ("array", "first"),
    [
        (np.full((20, 20), 10, np.uint8), (10, 10, 10)),
        (np.full((20, 20, 1), 10, np.uint8), (10, 10, 10)),
        (np.full((20, 20), True), (255, 255, 255)),
        (np.full((20, 20, 3), 65535, np.uint16), (255, 255, 255)),
        (np.full((20, 20, 3), 257 * 7, np.uint16), (7, 7, 7)),
        (np.full((20, 20, 3), 0.5), (128, 128, 128)),
        (np.full((20, 20, 3), 1.0005, np.float32), (255, 255, 255)),
        (np.full((20, 20, 3), 200, np.int64), (200, 200, 200)),
        (np.full((20, 20, 2), (90, 0), np.uint8), NEUTRAL_GREY),
        (np.full((20, 20, 4), (1, 2, 3, 255), np.uint8), (1, 2, 3)),
        (np.full((20, 20, 4), (1.0, 0, 0, 0)), NEUTRAL_GREY),
    ],
)
def test_arrays(array, first):
    photo = read_photo(array)
    assert photo.pixels.shape == (20, 20, 3)
    assert tuple(photo.pixels[0, 0]) == first


def test_an_array_is_not_shared():
    array = smooth_image()
    photo = read_photo(array)
    array[:] = 0
    np.testing.assert_array_equal(photo.pixels, smooth_image())


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 20, 20)), "channels last"),
        (np.zeros((1, 20, 20, 3)), "batch"),
        (np.zeros(20), "not an image"),
        (np.zeros(()), "not an image"),
        (np.zeros((20, 20, 3)) + 200.0, "0…1"),
        (np.zeros((20, 20, 3)) - 1.0, "0…1"),
        (np.full((20, 20), np.nan), "NaN"),
        (np.full((20, 20), 256), "0…255"),
        (np.full((20, 20), -1), "0…255"),
        (np.full((20, 20), "x"), "type"),
        (np.full((20, 20), 1j), "type"),
        (np.zeros((0, 20, 3)), "too small"),
        (np.zeros((15, 20, 3)), "too small"),
    ],
)
def test_bad_arrays(array, words):
    with pytest.raises(PhotoError, match=words):
        read_photo(array)


def test_missing_folder_empty_and_strange_files(tmp_path):
    cases = {
        "missing.jpg": "does not exist",
        "folder": "is a folder",
        "empty.jpg": "is empty",
        "text.jpg": "not an image",
        "zeros.png": "not an image",
        "drawing.eps": "not an image",
    }
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello, I am no photo")
    (tmp_path / "zeros.png").write_bytes(bytes(4096))
    (tmp_path / "drawing.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n")
    for name, words in cases.items():
        with pytest.raises(PhotoError, match=words) as caught:
            read_photo(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["", "a\0b", b"", io.BytesIO(b""), io.StringIO("text"), 7, None, [1, 2]])
def test_bad_sources(source):
    with pytest.raises(PhotoError):
        read_photo(source)


def test_pixel_limit_is_checked_before_decoding():
    """The header promises 40000 × 40000 pixels; the file has none of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0))
    bomb += chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    guard = Image.MAX_IMAGE_PIXELS
    with pytest.raises(PhotoError, match="40000 × 40000"):
        read_photo(bomb)
    assert guard == Image.MAX_IMAGE_PIXELS


def test_threads_leave_the_process_as_it_was():
    import warnings
    from concurrent.futures import ThreadPoolExecutor

    data = encoded(smooth_image(), "TIFF")
    state = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        sums = set(pool.map(lambda _: int(read_photo(data).pixels.sum()), range(200)))
    assert sums == {int(smooth_image().sum())}
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == state


def test_multi_image_jpeg_gives_the_first():
    images = [Image.fromarray(np.full((40, 40, 3), c, np.uint8)) for c in (200, 20)]
    data = encoded(images[0], "MPO", save_all=True, append_images=images[1:])
    assert (read_photo(data).pixels == 200).all()


def test_lab_tiff():
    to_lab = (ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"))
    lab = ImageCms.profileToProfile(Image.fromarray(smooth_image()), *to_lab, outputMode="LAB")
    assert close(read_photo(encoded(lab, "TIFF")).pixels, smooth_image(), 2.0)


def test_limits_are_parameters():
    data = encoded(smooth_image(), "PNG")
    with pytest.raises(PhotoError, match="too large"):
        read_photo(data, max_pixels=4799)
    assert read_photo(data, max_pixels=4800).width == 80
    with pytest.raises(PhotoError, match="too small"):
        read_photo(data, min_side=61)
    with pytest.raises(PhotoError, match="too large"):
        read_photo(smooth_image(), max_pixels=4799)
    with pytest.raises(PhotoError, match="too large"):
        read_photo(Image.fromarray(smooth_image()), max_pixels=4799)


def heic(**options) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(smooth_image(64, 96))).save(stream, quality=90, **options)
    return stream.getvalue()


@pytest.mark.parametrize("orientation", [1, 6])
def test_heic(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({0xA405: 26})
    photo = read_photo(heic(exif=exif.tobytes()))
    expected = smooth_image(64, 96) if orientation == 1 else np.rot90(smooth_image(64, 96), -1)
    assert close(photo.pixels, expected, 4.0)
    assert photo.focal_px == pytest.approx(26 * np.hypot(64, 96) / np.hypot(36, 24))
    assert "HEIF" in photo.format


def test_heic_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    header = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    with pytest.raises(PhotoError, match=r"wholeface\[heic\]"):
        read_photo(header)


def broken_samples() -> dict[str, tuple[bytes, np.ndarray]]:
    rgba = np.concatenate([smooth_image(), smooth_image()[..., :1]], -1)
    files = {
        "jpeg": encoded(smooth_image(), "JPEG", quality=95),
        "progressive": encoded(smooth_image(), "JPEG", progressive=True),
        "exif": jpeg_with_exif(xA405=50, xA002=80, xA003=60),
        "png": encoded(smooth_image(), "PNG"),
        "png-noise": encoded(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8), "PNG"),
        "png-alpha": encoded(rgba, "PNG"),
        "png-icc": encoded(smooth_image(), "PNG", icc_profile=wide_gamut_profile()),
        "tiff": encoded(smooth_image(), "TIFF"),
        "tiff-lzw": encoded(smooth_image(), "TIFF", compression="tiff_lzw"),
        "tiff-jpeg": encoded(smooth_image(), "TIFF", compression="jpeg"),
        "webp": encoded(smooth_image(), "WEBP"),
        "webp-lossless": encoded(rgba, "WEBP", lossless=True),
        "gif": encoded(Image.fromarray(smooth_image()).quantize(64), "GIF"),
        "bmp": encoded(smooth_image(), "BMP"),
        "cmyk": encoded(Image.fromarray(smooth_image()).convert("CMYK"), "JPEG"),
    }
    with contextlib.suppress(OSError, KeyError, ValueError):
        files["avif"] = encoded(smooth_image(), "AVIF")
    with contextlib.suppress(pytest.skip.Exception):
        files["heic"] = heic()
    return {name: (data, read_photo(data).pixels) for name, data in files.items()}


SAMPLES = broken_samples()
# no stray words from the decoders either
pytestmark = pytest.mark.filterwarnings("error::UserWarning")


@pytest.mark.parametrize("name", SAMPLES)
def test_truncated_files_are_refused_or_whole(name):
    """At any length: a PhotoError, or every pixel as in the whole file, never a half-grey image.

    Of a JPEG the last few rows (95 % are there, and the block row that was being read) may be wrong, or, where it
    is progressive, fine detail; it says so.
    """
    data, whole = SAMPLES[name]
    lengths = sorted(
        {*range(0, 64), *np.linspace(0, len(data) - 1, 120).astype(int), *range(len(data) - 40, len(data))}
    )
    refused = 0
    for length in lengths:
        try:
            photo = read_photo(data[:length])
        except PhotoError:
            refused += 1
            continue
        if photo.warnings:
            assert name in ("jpeg", "progressive", "exif", "cmyk")
            assert "the end of" in photo.warnings[0]
            if name == "progressive":
                assert close(photo.pixels, whole, 4.0)
                continue
            rows = len(whole) - 33  # the block row that is missing and the one that was being read
            np.testing.assert_array_equal(photo.pixels[:rows], whole[:rows])
            continue
        np.testing.assert_array_equal(
            photo.pixels, whole, err_msg=f"{name} cut to {length} of {len(data)} bytes"
        )
    assert refused > len(lengths) // 2


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_damaged_files_raise_nothing_else(name, data):
    """Bytes overwritten anywhere: a photo or a PhotoError."""
    content = bytearray(SAMPLES[name][0])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(content) - 1, data.draw(st.sampled_from([64, 1024, 10**6])))))
        patch = data.draw(st.binary(min_size=1, max_size=8))
        content[at : at + len(patch)] = patch
    try:
        photo = read_photo(bytes(content), max_pixels=10**6)
    except PhotoError:
        return
    assert isinstance(photo, Photo)
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.shape == (photo.height, photo.width, 3)


def test_public_names_exist():
    assert wholeface.photo.__all__ == sorted(wholeface.photo.__all__)
    assert all(hasattr(wholeface.photo, name) for name in wholeface.photo.__all__)


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(content):
    with pytest.raises(PhotoError):
        read_photo(content)
