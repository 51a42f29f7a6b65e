"""Images that show at a glance whether samples are right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....perceive import IGNORE, OccluderKind, ParsingClass
from .sample import FaceSample

__all__ = ["OCCLUDER_COLOURS", "PARSING_COLOURS", "contact_sheet", "sample_panel"]

_GAP = 4
_VISIBLE, _OCCLUDED, _TURNED_AWAY = (60, 230, 90), (255, 70, 50), (90, 150, 255)
_OUTLINE = (255, 225, 60)


def _colours(named: dict[int, tuple[int, int, int]]) -> NDArray[np.uint8]:
    table = np.zeros((256, 3), dtype=np.uint8)
    table[len(named) :] = (255, 0, 255)  # no class: must not occur
    table[IGNORE] = (128, 128, 128)
    for value, colour in named.items():
        table[value] = colour
    table.setflags(write=False)
    return table


PARSING_COLOURS: NDArray[np.uint8] = _colours(
    {
        ParsingClass.BACKGROUND: (0, 0, 0),
        ParsingClass.SKIN: (236, 188, 150),
        ParsingClass.NOSE: (214, 138, 96),
        ParsingClass.EYEGLASSES: (0, 200, 220),
        ParsingClass.LEFT_EYE: (70, 110, 255),
        ParsingClass.RIGHT_EYE: (40, 60, 200),
        ParsingClass.LEFT_BROW: (150, 90, 40),
        ParsingClass.RIGHT_BROW: (110, 60, 20),
        ParsingClass.LEFT_EAR: (250, 150, 190),
        ParsingClass.RIGHT_EAR: (220, 110, 160),
        ParsingClass.INNER_MOUTH: (110, 0, 30),
        ParsingClass.UPPER_LIP: (230, 60, 80),
        ParsingClass.LOWER_LIP: (190, 30, 60),
        ParsingClass.HAIR: (90, 70, 110),
        ParsingClass.HAT: (120, 200, 70),
        ParsingClass.EARRING: (255, 215, 0),
        ParsingClass.NECKLACE: (200, 170, 0),
        ParsingClass.NECK: (170, 125, 100),
        ParsingClass.CLOTH: (60, 120, 110),
        ParsingClass.OBJECT: (255, 110, 0),
    }
)
"""(256, 3) uint8 colours of :class:`ParsingClass`; unknown is grey, values that are no class are magenta."""

OCCLUDER_COLOURS: NDArray[np.uint8] = _colours(
    {
        OccluderKind.NONE: (0, 0, 0),
        OccluderKind.GLASSES: (0, 200, 220),
        OccluderKind.SUNGLASSES: (0, 90, 200),
        OccluderKind.MASK: (90, 220, 160),
        OccluderKind.HAND: (255, 150, 60),
        OccluderKind.HAIR: (150, 100, 210),
        OccluderKind.SCARF: (230, 60, 80),
        OccluderKind.HAT: (120, 200, 70),
        OccluderKind.OBJECT: (255, 230, 60),
        OccluderKind.PATCH: (255, 255, 255),
    }
)
"""(256, 3) uint8 colours of :class:`OccluderKind`, as :data:`PARSING_COLOURS`."""


def sample_panel(sample: FaceSample, tile: int = 192) -> NDArray[np.uint8]:
    """One sample in a row of four tiles.

    1. the image with its 68 points: green = visible, red = occluded, blue = turned away;
    2. the same image without occluders;
    3. the parsing map (:data:`PARSING_COLOURS`) over the image;
    4. the occluders (:data:`OCCLUDER_COLOURS`) and the outline of the whole face (yellow) over the image.

    What the sample does not know (:attr:`FaceSample.known`) is left out.

    Args:
        sample: the sample.
        tile: edge of a tile in pixels.

    Returns:
        (tile, 4·tile, 3) uint8 sRGB.
    """
    image = _resized(sample.image, tile)
    at = _nearest(sample.size, tile)
    points = image.copy()
    if "landmarks" in sample.known:
        colours = np.full((68, 3), _TURNED_AWAY, dtype=np.uint8)
        colours[sample.facing_68] = _OCCLUDED
        colours[sample.visible_68()] = _VISIBLE
        scaled = (sample.landmarks_68 + 0.5) * (tile / sample.size) - 0.5
        _dots(points, scaled, colours, 1 if tile < 320 else 2)

    parsing, occluder = image.copy(), image.copy()
    if "parsing" in sample.known:
        parsing = _blend(image, PARSING_COLOURS[sample.parsing[at]], 0.6)
    if "occluder" in sample.known:
        labels, face = sample.occluder[at], sample.face[at]
        over = _blend(image, OCCLUDER_COLOURS[labels], 0.6)
        occluder = np.where((labels > 0)[..., None], over, image // 2)
        inner = np.zeros_like(face)
        inner[1:-1, 1:-1] = face[:-2, 1:-1] & face[2:, 1:-1] & face[1:-1, :-2] & face[1:-1, 2:]
        occluder[face & ~inner] = _OUTLINE
    return np.concatenate([points, _resized(sample.clean, tile), parsing, occluder], axis=1)


def contact_sheet(panels: Sequence[NDArray[np.uint8]], *, columns: int = 2) -> NDArray[np.uint8]:
    """Panels of one size on a white sheet, row by row.

    Args:
        panels: (h, w, 3) uint8 each, e.g. of :func:`sample_panel`.
        columns: panels in a row.

    Returns:
        (H, W, 3) uint8.

    Raises:
        UsageError: no panels, or panels of several sizes.
    """
    if not panels or columns < 1:
        raise UsageError("a contact sheet needs at least one image and one column")
    height, width = panels[0].shape[:2]
    if any(panel.shape != (height, width, 3) for panel in panels):
        raise UsageError("all images of a contact sheet must have the same size")
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    shape = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3)
    sheet = np.full(shape, 255, dtype=np.uint8)
    for i, panel in enumerate(panels):
        y, x = _GAP + i // columns * (height + _GAP), _GAP + i % columns * (width + _GAP)
        sheet[y : y + height, x : x + width] = panel
    return sheet


def _resized(pixels: NDArray[np.uint8], tile: int) -> NDArray[np.uint8]:
    from PIL import Image

    if pixels.shape[0] == tile:
        return pixels.copy()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.array(image.resize((tile, tile), Image.Resampling.BOX))


def _nearest(size: int, tile: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index that takes a (tile, tile) map from a (size, size) map."""
    rows = ((np.arange(tile) + 0.5) * size / tile).astype(np.int64)
    return rows[:, None], rows[None, :]


def _blend(image: NDArray[np.uint8], colours: NDArray[np.uint8], weight: float) -> NDArray[np.uint8]:
    return (image * np.float32(1 - weight) + colours * np.float32(weight)).astype(np.uint8)


def _dots(
    image: NDArray[np.uint8], points: NDArray[np.floating[Any]], colours: NDArray[np.uint8], radius: int
) -> None:
    """Squares of (2·radius + 1)² pixels, drawn into ``image`` where they lie inside it."""
    column, row = np.rint(points).astype(np.int64).T
    steps = np.arange(-radius, radius + 1)
    rows = row[:, None, None] + steps[:, None]  # (P, k, k)
    columns = column[:, None, None] + steps[None, :]
    rows, columns = np.broadcast_arrays(rows, columns)
    inside = (rows >= 0) & (rows < image.shape[0]) & (columns >= 0) & (columns < image.shape[1])
    image[rows[inside], columns[inside]] = np.broadcast_to(colours[:, None, None], (*rows.shape, 3))[inside]
