"""Safe reading of a photo from a file, bytes or an array."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Union

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import PhotoError
from ..core.packing import packed, unpacked
from ..core.quiet import quiet
from ..core.short_repr import short_repr
from ._arrays import array_to_uint8, check_array_shape, plain_array, row_blocks
from ._decode import decode, open_image
from ._exif import focal_length_px

__all__ = ["DEFAULT_MAX_PIXELS", "DEFAULT_MIN_SIDE", "NEUTRAL_GREY", "Photo", "PhotoSource", "read_photo"]

DEFAULT_MAX_PIXELS = 200_000_000
"""Photos with more pixels are refused before they are decoded."""
DEFAULT_MIN_SIDE = 16
"""Photos with a shorter side cannot show a face."""
NEUTRAL_GREY = (128, 128, 128)
"""sRGB colour that transparent pixels are laid on."""
_MAX_BYTES = 1 << 30

PhotoSource = Union[
    str, "os.PathLike[str]", bytes, bytearray, memoryview, IO[bytes], Image.Image, NDArray[Any]
]


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as every room sees it: upright, sRGB, opaque.

    Args:
        pixels: (H, W, 3) uint8 sRGB, laid on ``NEUTRAL_GREY`` where the file is transparent.
        focal_px: focal length in pixels of ``pixels``, from EXIF, or None where it is absent or implausible.
        alpha: (H, W) uint8, 255 = opaque, or None for a photo that is opaque everywhere.
        source: the path, or ``<bytes>``, ``<file>``, ``<image>``, ``<array>``.
        format: ``JPEG``, ``PNG``, … or ``array``.
        warnings: sentences about what could not be honoured, such as a broken colour profile.
        sha256: of the encoded file, hexadecimal, or None for arrays and opened images.
    """

    pixels: NDArray[np.uint8]
    focal_px: float | None = None
    alpha: NDArray[np.uint8] | None = None
    source: str = "<array>"
    format: str = "array"
    warnings: tuple[str, ...] = ()
    sha256: str | None = None

    __repr__ = short_repr

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "pixels": packed(self.pixels)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, pixels=unpacked(state["pixels"]))


def read_photo(
    source: PhotoSource, *, max_pixels: int = DEFAULT_MAX_PIXELS, min_side: int = DEFAULT_MIN_SIDE
) -> Photo:
    """Reads a photo: turned upright by EXIF, converted to 8-bit sRGB, its focal length noted.

    JPEG, PNG, WebP, TIFF, BMP, GIF and AVIF are read by Pillow, HEIC with the extra ``wholeface[heic]``;
    the first frame of animations. A JPEG whose end is missing is read, with a warning, where nearly every row is
    there. Grey, palette, CMYK, Lab, 16-bit and float files are converted; embedded
    ICC profiles are applied. Arrays are (H, W), (H, W, 1), (H, W, 2: grey and alpha), (H, W, 3) or (H, W,
    4) in sRGB: uint8, uint16 over its full range, bool, other integers within 0…255, or floats within 0…1;
    subclasses (``np.matrix``, masked arrays, memory maps) count as the plain array, masked values as 0.

    Args:
        source: path, encoded bytes, binary file object, Pillow image or array.
        max_pixels: photos with more pixels are refused from their header alone.
        min_side: photos with a shorter side are refused, pixels.

    Raises:
        PhotoError: missing, directory, empty, truncated, not an image, too large or too small.

    Example:
        >>> photo = read_photo("holiday.jpg")
        >>> photo.pixels.shape
        (1080, 1920, 3)
    """
    if isinstance(source, np.ndarray):
        array = plain_array(source)
        check_array_shape(array)
        _check_size("<array>", array.shape[1], array.shape[0], max_pixels, min_side)
        colour, alpha = array_to_uint8(array)
        return _photo(colour, alpha, None, "<array>", "array", ())
    name, data, digest = "<image>", b"", None
    if isinstance(source, Image.Image):
        image = source
    else:
        name, data = _bytes_of(source)
        digest = hashlib.sha256(data).hexdigest()
        image = open_image(data, name)
    _check_size(name, *image.size, max_pixels, min_side)
    decoded = decode(image, name, data)
    # A lying header must not get past the limits either.
    _check_size(name, decoded.colour.shape[1], decoded.colour.shape[0], max_pixels, min_side)
    with quiet:
        focal = focal_length_px(decoded.exif, decoded.colour.shape[1], decoded.colour.shape[0])
    photo = _photo(decoded.colour, decoded.alpha, focal, name, decoded.format, decoded.warnings)
    return replace(photo, sha256=digest)


def _photo(
    colour: NDArray[np.uint8],
    alpha: NDArray[np.uint8] | None,
    focal: float | None,
    source: str,
    format: str,
    warnings: tuple[str, ...],
) -> Photo:
    if alpha is not None and (alpha == 255).all():
        alpha = None
    if alpha is not None:
        # out = (c·a + n·(255 − a)) / 255, in sRGB as image editors do
        ground = np.array(NEUTRAL_GREY, np.uint16)
        for rows in row_blocks(*alpha.shape):
            a = alpha[rows, :, None].astype(np.uint16)
            colour[rows] = (colour[rows] * a + ground * (255 - a) + 127) // 255
    return Photo(np.ascontiguousarray(colour), focal, alpha, source, format, warnings)


def _check_size(name: str, width: int, height: int, max_pixels: int, min_side: int) -> None:
    if width * height > max_pixels:
        raise PhotoError(
            f"{name} is too large: {width} × {height} pixels, the limit is {max_pixels / 1e6:g} million; "
            "shrink it or raise max_pixels (--max-pixels)"
        )
    if min(width, height) < min_side:
        raise PhotoError(
            f"{name} is too small: {width} × {height} pixels, at least {min_side} on each side are needed"
        )


def _bytes_of(source: Any) -> tuple[str, bytes]:
    """Name and content of anything that is or has bytes."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        name, data = "<bytes>", bytes(source)
    elif isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        data = _file_bytes(name)
    elif hasattr(source, "read"):
        name = "<file>"
        try:
            data = source.read(_MAX_BYTES + 1)
        except Exception as error:  # a caller's file object may raise anything
            raise PhotoError(f"the given file object cannot be read: {error}") from error
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise PhotoError("the given file object yields text; open it in binary mode ('rb')")
        data = bytes(data)
    else:
        raise PhotoError(
            f"cannot read a photo from {type(source).__name__}; give a path, bytes, file, image or array"
        )
    if not data:
        raise PhotoError(f"{name} is empty")
    if len(data) > _MAX_BYTES:
        raise PhotoError(f"{name} is too large: more than {_MAX_BYTES >> 20} MiB")
    return name, data


def _file_bytes(name: str) -> bytes:
    try:
        status = os.stat(name)
        if stat.S_ISDIR(status.st_mode):
            raise PhotoError(f"{name} is a folder; give the photos inside it")
        if not stat.S_ISREG(status.st_mode):
            raise PhotoError(f"{name} is not a regular file")
        if status.st_size > _MAX_BYTES:
            raise PhotoError(
                f"{name} is too large: {status.st_size >> 20} MiB, the limit is {_MAX_BYTES >> 20} MiB"
            )
        return Path(name).read_bytes()
    except FileNotFoundError as error:
        raise PhotoError(f"{name} does not exist; check the path") from error
    except (OSError, ValueError) as error:
        raise PhotoError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from error
