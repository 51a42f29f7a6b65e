"""Decoding images of datasets and shards, which may be damaged."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ....core.quiet import quiet

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MAX_PIXELS", "decoded"]

MAX_PIXELS = 100_000_000
"""Larger images are refused from their header alone."""


def decoded(
    data: bytes, formats: tuple[str, ...], *, mode: str | None = None, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """The first image of an encoded file, decoded completely and without a word, in ``mode`` or its own.

    Raises:
        ValueError: no such image, damaged or too large; Pillow itself raises almost any type then.
    """
    from PIL import Image

    with quiet:
        try:
            image = Image.open(io.BytesIO(data), formats=formats)
            width, height = image.size
            if width * height > max_pixels:
                raise ValueError(f"{width} × {height} pixels, at most {max_pixels} are read")
            image.load()
            return image if mode is None else image.convert(mode)
        except Exception as error:
            raise ValueError(str(error)[:120] or type(error).__name__) from error
