"""From encoded bytes to upright 8-bit sRGB."""

from __future__ import annotations

import importlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from ..core.errors import PhotoError
from ..core.quiet import quiet
from ._arrays import row_blocks
from ._cut_jpeg import mended, missing_rows

__all__ = ["Decoded", "decode", "open_image"]

# Formats that people keep photos in. EPS and its like start other programs and stay out.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_pillow_limit = threading.Lock()
_MOST_MISSING = 0.05
"""Share of the rows that a JPEG may lack at its end, but a block row at least, which is lost as one."""
_BLOCK_ROW = 16
_AGAIN = "copy or download it again, or save it anew in a photo program"


@dataclass(frozen=True, eq=False)
class Decoded:
    """Upright pixels: colour (H, W, 3) and alpha (H, W) or None, uint8."""

    colour: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    exif: Image.Exif
    format: str
    warnings: tuple[str, ...]


def open_image(data: bytes, name: str) -> Image.Image:
    """Opens an image without decoding it: only its header is read.

    Raises:
        PhotoError: not an image, or HEIC without its library.
    """
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and b"avif" not in data[8:32]:
        return _open_heif(data, name)
    Image.init()
    formats = [f for f in _FORMATS if f in Image.OPEN]
    # Pillow's own bomb guard is a process-wide constant below limits that a caller may ask for; ours
    # replaces it.
    with _pillow_limit, quiet:
        guard, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data), formats=formats)
        except UnidentifiedImageError as error:
            raise PhotoError(f"{name} is not an image that can be read, or its beginning is damaged; "
                             "give a JPEG, PNG, WebP, TIFF or HEIC file") from error  # fmt: skip
        except Exception as error:  # Pillow's readers raise many types on malformed headers
            what = "truncated" if "truncat" in str(error).lower() else "damaged"
            raise PhotoError(f"{name} is {what}: {_sentence(error)}; {_AGAIN}") from error
        finally:
            Image.MAX_IMAGE_PIXELS = guard


def _open_heif(data: bytes, name: str) -> Image.Image:
    try:
        heif: Any = importlib.import_module("pillow_heif")
    except ImportError as error:
        raise PhotoError(
            f"{name} is a HEIC photo, which needs another library; run: pip install 'wholeface[heic]'"
        ) from error
    try:
        image: Image.Image = heif.HeifImageFile(io.BytesIO(data))
    except Exception as error:  # the library raises many types on malformed files
        raise PhotoError(f"{name} is damaged: {_sentence(error)}") from error
    return image


def decode(image: Image.Image, name: str, data: bytes = b"") -> Decoded:
    """Decodes an opened image completely; of a JPEG with a lost end at least nearly every row.

    Args:
        image: from :func:`open_image`, or a caller's own.
        name: for messages.
        data: the encoded bytes, where they are known.

    Raises:
        PhotoError: truncated or damaged.
    """
    try:
        return _decode(image, name)
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError(f"{name} does not fit into memory; shrink it") from error
    except Exception as error:  # Pillow's decoders raise many types on malformed data
        if "truncat" not in str(error).lower():
            raise PhotoError(f"{name} is damaged: {_sentence(error)}; {_AGAIN}") from error
        whole = _decode_cut(data, name) if image.format in ("JPEG", "MPO") and data else None
        if whole is None:
            raise PhotoError(f"{name} is truncated: {_sentence(error)}; {_AGAIN}") from error
        return whole


def _decode(image: Image.Image, name: str) -> Decoded:
    with quiet:
        image.load()
        exif = _exif(image)
        colour, alpha, notes = _to_rgb(image, name)
        # TIFF and HEIF readers turn the image themselves and drop the tag.
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        return Decoded(
            _upright(colour, orientation),
            None if alpha is None else _upright(alpha, orientation),
            exif,
            image.format or "image",
            notes,
        )


def _decode_cut(data: bytes, name: str) -> Decoded | None:
    """A JPEG that lacks its end; None where it cannot be decoded or too much is missing."""
    again = mended(data)
    if again is None:
        return None
    image = open_image(again, name)
    try:
        with quiet:
            image.load()
            missing = missing_rows(image)
        decoded = _decode(image, name)
    except Exception:  # the caller's own error says what is wrong
        return None
    if missing > max(_MOST_MISSING * image.height, _BLOCK_ROW):
        there = f"only the first {image.height - missing} of its {image.height} rows are there"
        raise PhotoError(f"{name} is truncated: {there}; {_AGAIN}")
    lost = f"its last {missing} rows are grey" if missing else "what is there was read"
    return replace(decoded, warnings=(*decoded.warnings, f"the end of {name} is missing; {lost}"))


def _to_rgb(
    image: Image.Image, name: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, tuple[str, ...]]:
    """Colour, alpha and warnings of a loaded image, not yet turned."""
    notes: tuple[str, ...] = ()
    alpha = None
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        values = _high_range(image)
        if not profile:
            return _three(values), None, notes
        image = Image.fromarray(values)
    elif image.has_transparency_data:
        # palettes with transparency, LA, La, RGBa, and colour keys
        image = image.convert("RGBA" if image.mode not in ("LA", "La") else "LA")
        alpha = _pixels(image.getchannel("A"))
        image = image.convert("RGB" if image.mode == "RGBA" else "L")
    elif image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if profile or image.mode == "LAB":
        converted = _to_srgb(image, profile)
        if converted is None:
            notes = (f"the colour profile of {name} could not be used; its colours are taken as sRGB",)
        else:
            image = converted
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    pixels = _pixels(image)
    return _three(pixels) if pixels.ndim == 2 else pixels, alpha, notes


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3) of an 8-bit image, without the copies that Pillow makes of a whole image."""
    out = np.empty((image.height, image.width, *([3] if image.mode == "RGB" else [])), np.uint8)
    for rows in row_blocks(image.height, image.width):
        out[rows] = np.asarray(image.crop((0, rows.start, image.width, rows.stop)))
    return out


def _three(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    out = np.empty((*grey.shape, 3), np.uint8)
    out[...] = grey[..., None]
    return out


def _high_range(image: Image.Image) -> NDArray[np.uint8]:
    """16-bit, 32-bit and float grey to 8 bits.

    Integers span 16 bits unless the file says otherwise (TIFF BitsPerSample) or holds more; floats span
    0…1, else the first of 0…255, 0…65535 that holds them, else their own range.
    """

    def blocks() -> Iterator[tuple[slice, NDArray[Any]]]:
        for rows in row_blocks(image.height, image.width):
            values = np.asarray(image.crop((0, rows.start, image.width, rows.stop)))
            yield rows, values

    high = max((float(_finite(values).max(initial=0)) for _, values in blocks()), default=0.0)
    if image.mode == "F":
        white = next((w for w in (1.0, 255.0, 65535.0) if high <= w * 1.001), high)
    else:
        bits = getattr(image, "tag_v2", {}).get(258, (16,))
        bits = int(bits[0] if isinstance(bits, tuple) else bits)
        white = float(2 ** (bits if 8 < bits < 16 else 16) - 1)
        white = white if high <= white else high
    out = np.empty((image.height, image.width), np.uint8)
    for rows, values in blocks():
        out[rows] = np.rint(np.clip(_finite(values).astype(np.float64) / white, 0, 1) * 255)
    return out


def _finite(values: NDArray[Any]) -> NDArray[Any]:
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0) if values.dtype.kind == "f" else values


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """The image in sRGB, or None where its profile is broken or belongs to another colour model."""
    from PIL import ImageCms

    try:
        source: Any = ImageCms.createProfile("LAB")
        if image.mode != "LAB":
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
            if image.mode == "RGB" and "srgb" in ImageCms.getProfileDescription(source).lower():
                return image
        result = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return result


def _exif(image: Image.Image) -> Image.Exif:
    try:
        return image.getexif()
    except Exception:  # malformed EXIF is no reason to refuse the photo
        return Image.Exif()


def _upright(pixels: NDArray[np.uint8], orientation: Any) -> NDArray[np.uint8]:
    """Applies EXIF orientation 1 to 8; anything else counts as 1."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    flip_columns = orientation in (2, 3, 6, 7)
    flip_rows = orientation in (3, 4, 7, 8)
    pixels = pixels[:, ::-1] if flip_columns else pixels
    pixels = pixels[::-1] if flip_rows else pixels
    return np.ascontiguousarray(pixels)


def _sentence(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
