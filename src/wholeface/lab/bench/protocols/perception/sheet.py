"""A contact sheet of the real photos: box and landmarks, parsing map, occluder mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .....core.errors import UsageError, WholeFaceError
from .....perceive import FaceLandmarks
from .....photo import read_photo
from ....data.samples.contact_sheet import PARSING_COLOURS
from .context import Context, real_photos
from .parsing import annotated_face

__all__ = ["draw_landmarks", "refuse_docs", "write_sheet"]

_SEEN, _OCCLUDED, _BOX, _MASK = (60, 230, 90), (255, 60, 50), (255, 225, 60), (255, 0, 80)
_PANEL, _PER_ROW = 360, 2


def refuse_docs(path: Path) -> None:
    """The real photos may be looked at, not published.

    Raises:
        UsageError: the path leads into a folder ``docs``.
    """
    if "docs" in path.resolve().parts:
        raise UsageError(
            f"{path}: the real photos must not enter the documentation; write the sheet elsewhere"
        )


def write_sheet(context: Context, path: Path) -> None:
    """Three panels a photo: box and 478 points (green seen, red occluded), parsing map, mask as reconstruct uses it.

    Raises:
        UsageError: no photos, no system to show, or a path in the documentation.
    """
    refuse_docs(path)
    if context.data is None or not context.has("real_occluded"):
        raise UsageError("the contact sheet needs the folder real_occluded in the source material (--data)")
    systems = context.systems
    front = systems.front_end or systems.teacher
    if front is None:
        raise UsageError("the contact sheet needs a detector with landmarks")
    reconstructor = context.reconstructor(front)
    strips = []
    for _, pixels, marks in real_photos(context.data):
        face = annotated_face(front.detect(pixels), marks, context.model)
        parsed: NDArray[np.uint8] = pixels
        masked: NDArray[np.uint8] = pixels
        points = None if face is None else face.points_478
        if systems.parser is not None and points is not None:
            parsing = systems.parser.parse(pixels, points)
            labels = parsing.labels_in_photo(*pixels.shape[:2])
            parsed = _mixed(pixels, PARSING_COLOURS[labels], (labels > 0).astype(np.float32) * 0.6)
        try:
            mask = reconstructor(read_photo(pixels)).occluder
            masked = _mixed(pixels, np.array(_MASK, dtype=np.uint8), 0.65 * mask)
        except WholeFaceError:
            masked = _dark(pixels)
        shown = draw_landmarks(pixels, face, _PANEL) if face is not None else _panel(_dark(pixels))
        strips.append(np.concatenate([shown, _panel(parsed), _panel(masked)], axis=1))
    while len(strips) % _PER_ROW:
        strips.append(np.zeros_like(strips[0]))
    rows = [np.concatenate(strips[i : i + _PER_ROW], axis=1) for i in range(0, len(strips), _PER_ROW)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows, axis=0)).save(path)


def draw_landmarks(pixels: NDArray[np.uint8], face: FaceLandmarks, size: int) -> NDArray[np.uint8]:
    """(size, size, 3) the photo with the face's box and points, occluded ones in red.

    Args:
        pixels: (H, W, 3) uint8.
        face: its 478 points are drawn; or all, where the scheme has no such points.
        size: edge of the panel in pixels.
    """
    height, width = pixels.shape[:2]
    scale = size / max(height, width)
    offset = (np.array([size, size]) - scale * np.array([width, height])) / 2 + 0.5 * (scale - 1)
    image = Image.fromarray(_panel(pixels, size))
    draw = ImageDraw.Draw(image)
    low, high = face.box[:2] * scale + offset, face.box[2:] * scale + offset
    draw.rectangle([*map(float, low), *map(float, high)], outline=_BOX)
    part = slice(68, 546) if face.scheme == "wholeface668" else slice(None)
    occluded = np.zeros(len(face.points)) if face.occluded is None else face.occluded
    for (x, y), hidden in zip(face.points[part] * scale + offset, occluded[part]):
        draw.ellipse([x - 1, y - 1, x + 1, y + 1], fill=_OCCLUDED if hidden > 0.5 else _SEEN)
    return np.asarray(image)


def _dark(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Where nothing was found."""
    return (pixels // 3).astype(np.uint8)


def _mixed(
    pixels: NDArray[np.uint8], colours: NDArray[np.uint8], weight: NDArray[np.floating[Any]]
) -> NDArray[np.uint8]:
    mixed = (1 - weight[..., None]) * pixels + weight[..., None] * colours
    return np.rint(mixed).astype(np.uint8)


def _panel(pixels: NDArray[np.uint8], size: int = _PANEL) -> NDArray[np.uint8]:
    """(size, size, 3) the whole photo in the middle of a square."""
    height, width = pixels.shape[:2]
    scale = size / max(height, width)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    panel = Image.new("RGB", (size, size))
    shown = Image.fromarray(pixels).resize(shape, Image.Resampling.LANCZOS)
    panel.paste(shown, ((size - shape[0]) // 2, (size - shape[1]) // 2))
    return np.asarray(panel)
