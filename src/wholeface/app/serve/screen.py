"""Copies of photo, completed photo and mask that a browser loads quickly and lays over one another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["FOR_THE_SCREEN", "PHOTO", "write_screen_copies", "write_screen_photo"]

PHOTO = "photo.jpg"
_COMPLETED, _MASK = "screen_deoccluded.jpg", "screen_occluder.png"
FOR_THE_SCREEN = frozenset({_COMPLETED, _MASK})
"""Names of files that repeat others at a smaller size."""
_LONGEST = 1600  # pixels
_QUALITY = 90
_MASK_COLOUR = (235, 64, 52)


def write_screen_photo(target: Path, photo: Image.Image) -> None:
    """Writes a photo as JPEG of at most 1600 pixels, without anything that its file told besides."""
    _reduced(photo.convert("RGB")).save(target, "JPEG", quality=_QUALITY, exif=b"", icc_profile=None)


def write_screen_copies(target: Path, result: Path) -> list[str]:
    """Writes a face's completed photo and, as a red layer, its occluder; the names of what was written.

    Args:
        target: folder to write to.
        result: folder with ``deoccluded.png`` and ``occluder.png``; what is missing is left out.
    """
    from PIL import Image

    written = []
    if (result / "deoccluded.png").is_file():
        with Image.open(result / "deoccluded.png") as image:
            write_screen_photo(target / _COMPLETED, image)
        written.append(_COMPLETED)
    if (result / "occluder.png").is_file():
        with Image.open(result / "occluder.png") as image:
            weight = _reduced(image.convert("L"))
        layer = Image.new("RGBA", weight.size, (*_MASK_COLOUR, 0))
        layer.putalpha(weight.point([round(0.55 * level) for level in range(256)]))
        layer.save(target / _MASK, "PNG")
        written.append(_MASK)
    return written


def _reduced(image: Image.Image) -> Image.Image:
    from PIL import Image as images

    if max(image.size) <= _LONGEST:
        return image
    scale = _LONGEST / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, images.Resampling.LANCZOS, reducing_gap=3.0)
