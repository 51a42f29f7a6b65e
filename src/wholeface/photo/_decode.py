"""From encoded bytes to upright 8-bit sRGB."""

from __future__ import annotations

import importlib
import io
import threading
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from ..errors import PhotoError
from ._arrays import array_to_uint8

__all__ = ["Decoded", "decode", "open_image", "quiet"]

# Formats that people keep photos in. EPS and its like start other programs and stay out.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_pillow_limit = threading.Lock()


class _Quiet:
    """Silences warnings while any thread decodes.

    Pillow warns about each odd tag; what matters to a caller becomes an error or one of our own warnings. The
    warning filters belong to the whole process, so the first thread in saves them and the last one out
    restores.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved: warnings.catch_warnings[None] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._saved is not None:
                self._saved.__exit__(None, None, None)
                self._saved = None


quiet = _Quiet()


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
            raise PhotoError(f"{name} is damaged: {_sentence(error)}") from error
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


def decode(image: Image.Image, name: str) -> Decoded:
    """Decodes an opened image completely, or not at all.

    Raises:
        PhotoError: truncated or damaged.
    """
    try:
        with quiet:
            image.load()
            exif = _exif(image)
            colour, alpha, notes = _to_rgb(image, name)
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError(f"{name} does not fit into memory; shrink it") from error
    except Exception as error:  # Pillow's decoders raise many types on malformed data
        what = "is truncated" if "truncat" in str(error).lower() else "is damaged"
        raise PhotoError(f"{name} {what}: {_sentence(error)}") from error
    # TIFF and HEIF readers turn the image themselves and drop the tag.
    orientation = exif.get(ExifTags.Base.Orientation, 1)
    return Decoded(
        _upright(colour, orientation),
        None if alpha is None else _upright(alpha, orientation),
        exif,
        image.format or "image",
        notes,
    )


def _to_rgb(
    image: Image.Image, name: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, tuple[str, ...]]:
    """Colour, alpha and warnings of a loaded image, not yet turned."""
    notes: tuple[str, ...] = ()
    alpha = None
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        values = _high_range(np.asarray(image), image)
        image = Image.fromarray(values)
    elif image.has_transparency_data:
        # palettes with transparency, LA, La, RGBa, and colour keys
        image = image.convert("RGBA" if image.mode not in ("LA", "La") else "LA")
        alpha = np.asarray(image.getchannel("A"))
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
    colour, _ = array_to_uint8(np.asarray(image))
    return colour, alpha, notes


def _high_range(values: NDArray[Any], image: Image.Image) -> NDArray[np.uint8]:
    """16-bit, 32-bit and float grey to 8 bits.

    Integers span 16 bits unless the file says otherwise (TIFF BitsPerSample) or holds more; floats span
    0…1, else the first of 0…255, 0…65535 that holds them, else their own range.
    """
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    high = float(numbers.max(initial=0.0))
    if np.issubdtype(values.dtype, np.floating):
        white = next((w for w in (1.0, 255.0, 65535.0) if high <= w * 1.001), high)
    else:
        bits = getattr(image, "tag_v2", {}).get(258, (16,))
        bits = int(bits[0] if isinstance(bits, tuple) else bits)
        white = float(2 ** (bits if 8 < bits < 16 else 16) - 1)
        white = white if high <= white else high
    result: NDArray[np.uint8] = np.rint(np.clip(numbers / white, 0, 1) * 255).astype(np.uint8)
    return result


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
