"""Fast PNG, and JPEG, from arrays."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import UsageError
from ..core.threads import run_ranges
from ._files import write_file

__all__ = ["encode_jpeg", "encode_png", "write_png"]

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_STRIP = 4 << 20  # bytes
_UP = 2  # PNG filter: difference to the row above


def encode_png(
    pixels: NDArray[Any],
    *,
    palette: Sequence[Sequence[int]] | NDArray[Any] | None = None,
    compact: bool = False,
) -> bytes:
    """PNG file of an image, three times faster than Pillow's fastest setting at the same size.

    All rows use the filter "up", and deflate looks for runs only, which suits the smooth textures and flat
    masks that are written here.

    Args:
        pixels: (H, W), (H, W, 1 to 4) uint8, or bool (written as 0 and 255). sRGB. (H, W) uint16 gives 16 bit grey.
        palette: (N ≤ 256, 3) colours of the values of a single-channel uint8 image, or None. Readers that
            show the image see the colours; readers that ask for the indices see the values.
        compact: search longer for a smaller file.

    Raises:
        UsageError: another shape or type, or values outside the palette.
    """
    values = np.asarray(pixels)
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    if values.ndim == 2:
        values = values[..., None]
    deep = values.dtype == np.uint16 and values.shape[2:] == (1,) and palette is None
    if (
        values.ndim != 3
        or values.shape[2] not in _COLOUR_TYPES
        or 0 in values.shape
        or (values.dtype != np.uint8 and not deep)
    ):
        raise UsageError(
            "a PNG needs (H, W) or (H, W, 1 to 4) uint8 or bool, or (H, W) uint16, "
            f"got {np.shape(pixels)} {values.dtype}"
        )
    height, width, channels = values.shape
    colour_type, chunks = _COLOUR_TYPES[channels], b""
    if deep:  # high byte first
        values = np.ascontiguousarray(values, dtype=">u2").view(np.uint8)
    if palette is not None:
        table = np.asarray(palette)
        if channels != 1 or table.ndim != 2 or table.shape[1] != 3 or not 0 < len(table) <= 256:
            raise UsageError("a palette needs one channel and (N ≤ 256, 3) colours")
        if int(values.max()) >= len(table):
            raise UsageError(f"value {int(values.max())} lies outside the palette of {len(table)} colours")
        colour_type, chunks = 3, _chunk(b"PLTE", table.astype(np.uint8).tobytes())
    rows = np.ascontiguousarray(values).reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    strategy = zlib.Z_FILTERED if compact else zlib.Z_RLE
    data = _deflate(filtered, 6 if compact else 1, strategy)
    header = struct.pack(">IIBBBBB", width, height, 16 if deep else 8, colour_type, 0, 0, 0)
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), chunks, _chunk(b"IDAT", data), _chunk(b"IEND", b""))
    )


def _deflate(rows: NDArray[np.uint8], level: int, strategy: int) -> bytes:
    """One zlib stream of (H, N) bytes; of large images strips are compressed side by side.

    Each strip but the last ends with an empty stored block, on a whole byte, so that they can be joined.
    """
    parts = max(1, min(rows.nbytes // _STRIP, len(rows)))
    edges = [len(rows) * part // parts for part in range(parts + 1)]
    pieces = [b""] * parts

    def compress(first: int, last: int) -> None:
        for part in range(first, last):
            deflate = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
            data = deflate.compress(rows[edges[part] : edges[part + 1]].data)
            pieces[part] = data + deflate.flush(zlib.Z_FINISH if part == parts - 1 else zlib.Z_SYNC_FLUSH)

    run_ranges(compress, parts, 1)
    return b"".join((b"\x78\x01", *pieces, struct.pack(">I", zlib.adler32(rows.data))))


def encode_jpeg(pixels: NDArray[np.uint8], *, quality: int = 92) -> bytes:
    """JPEG file of a (H, W, 3) or (H, W) uint8 image, without chroma subsampling."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def write_png(
    path: str | os.PathLike[str],
    pixels: NDArray[Any],
    *,
    palette: Sequence[Sequence[int]] | NDArray[Any] | None = None,
    compact: bool = False,
) -> Path:
    """Writes an image as PNG; see :func:`encode_png`.

    Raises:
        UsageError: not an image.
        OutputError: the file cannot be written.
    """
    return write_file(path, encode_png(pixels, palette=palette, compact=compact))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join(
        (struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))
    )
