"""The parsing map that 68 landmarks imply: their points joined into regions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from .labels import ParsingClass

__all__ = ["landmark_map"]

_BROWS = {
    ParsingClass.LEFT_BROW: np.arange(17, 22),
    ParsingClass.RIGHT_BROW: np.arange(26, 21, -1),
}  # tail first
_EYES = {ParsingClass.LEFT_EYE: np.arange(36, 42), ParsingClass.RIGHT_EYE: np.arange(42, 48)}
_NOSE_HALVES = (
    ([27, 28, 29, 30, 33, 32, 31], 39),
    ([27, 28, 29, 30, 33, 34, 35], 42),
)  # and the eye's inner corner
_OUTLINE = np.array(
    [*range(0, 17), 27, *range(36, 60)]
)  # without the nose, which stands out of a turned face
_UPPER_LIP = np.array([48, 49, 50, 51, 52, 53, 54, 64, 63, 62, 61, 60])
_LOWER_LIP = np.array([54, 55, 56, 57, 58, 59, 48, 60, 67, 66, 65, 64])
_INNER_MOUTH = np.arange(60, 68)
_BRIDGE = 0.3  # half the width of the nose's root, as a share of the way to the eye's inner corner
_WING = 0.5  # how far a wing lies outside 31 or 35, as a share of their distance from 33
_BROW_WIDTH = np.array([0.08, 0.13, 0.15, 0.17, 0.14])  # from the tail inwards, in nose lengths
_BROW_ABOVE = 0.5  # share of the width that lies above the points


def landmark_map(
    points: NDArray[np.floating[Any]], height: int, width: int | None = None, *, forehead: float = 0.7
) -> NDArray[np.uint8]:
    """Joins 68 landmarks into the regions skin, brows, eyes, nose and lips: the map M_beta.

    Convention: pixel (0, 0) is the centre of the top-left pixel. A pixel belongs to a region whose outline winds
    around its centre, so neighbouring regions share no pixel and leave none out; there is no anti-aliasing.

    The regions, painted in this order:

    - skin: the convex hull of jaw line, eyes, mouth and a line above the brows; the tip of the nose, which stands
      out of a turned face, is left out. The 68 points say nothing about the forehead: the line of the brows is raised
      to a dome of ``forehead`` nose lengths. By the rule of thirds the hairline lies one nose length above the brows;
      the default stays below nearly every hairline. 0 ends the skin at the brow points, as the paper has it.
    - nose: both halves between the bridge (27–30) and the base (31–35), with the wings, which lie outside 31 and 35,
      and the root of the nose between the eyes' inner corners.
    - eyes: 36–41 and 42–47, between the lids; nothing where the lids touch or their points have crossed.
    - brows: five points make a line, not a region; it is widened to a band, up to a sixth of the nose's length.
    - lips: between the outer (48–59) and the inner (60–67) lip line, upper and lower lip apart. What an open mouth
      shows between them is INNER_MOUTH, a piece of the paper's part "lips" (see :data:`FEATURE_CLASSES`).

    ``LEFT_…`` is the image's left, as in :class:`ParsingClass`.

    Args:
        points: (…, 68, 2) pixels, x and y, iBUG order; may lie outside the image.
        height: of the map, pixels.
        width: of the map, pixels; None = square.
        forehead: height of the skin above the brows in nose lengths, >= 0.

    Returns:
        (…, height, width) uint8, :class:`ParsingClass`; BACKGROUND outside the face.

    Raises:
        UsageError: another shape, NaN or infinite points, an empty map, or a negative forehead.

    Source: Zhao and Qi 2021, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §3.2.
    """
    points = np.asarray(points, dtype=np.float64)
    width = height if width is None else width
    if points.shape[-2:] != (68, 2):
        raise UsageError(f"points must have shape (…, 68, 2), got {points.shape}")
    if not np.isfinite(points).all():
        raise UsageError("points must be finite; estimate the hidden ones, they are what the map is for")
    if height < 1 or width < 1:
        raise UsageError(f"the map must have at least one pixel, got {height} × {width}")
    if not (np.isfinite(forehead) and forehead >= 0):
        raise UsageError(f"forehead must be a number of nose lengths >= 0, got {forehead}")
    faces = np.asarray(points, dtype=np.float64).reshape(-1, 68, 2)
    maps = [_one_map(face, height, width, forehead) for face in faces]
    return np.array(maps, np.uint8).reshape(*points.shape[:-2], height, width)


def _one_map(p: NDArray[np.float64], height: int, width: int, forehead: float) -> NDArray[np.uint8]:
    up = p[17:27].mean(axis=0) - p[48:60].mean(axis=0)
    up = up / max(float(np.hypot(*up)), 1e-9)
    # The nose's length shrinks when the head nods, the distance of the eyes when it turns: the larger of the two.
    unit = max(float(np.hypot(*(p[33] - p[27]))), float(np.hypot(*(p[45] - p[36]))) / 1.8)

    labels = np.full((height, width), ParsingClass.BACKGROUND, dtype=np.uint8)
    dome = np.sin(np.linspace(0.15, 0.85, 10) * np.pi)
    dome /= dome.max()
    above = p[17:27] + forehead * unit * dome[:, None] * up
    _paint(labels, ParsingClass.SKIN, _hull(np.concatenate([p[_OUTLINE], above])))
    for half, corner in _NOSE_HALVES:
        bridge = p[27] + _BRIDGE * (p[corner] - p[27])
        wing = p[half[-1]] + _WING * (p[half[-1]] - p[33])
        _paint(labels, ParsingClass.NOSE, np.concatenate([p[half], [wing, bridge]]))
    for label, eye in _EYES.items():
        _paint(labels, label, p[eye], folded=False)
    for label, brow in _BROWS.items():
        band = unit * _BROW_WIDTH[:, None] * up  # (5, 2)
        upper, lower = p[brow] + _BROW_ABOVE * band, p[brow] - (1 - _BROW_ABOVE) * band
        _paint(labels, label, np.concatenate([upper, lower[::-1]]))
    _paint(labels, ParsingClass.UPPER_LIP, p[_UPPER_LIP])
    _paint(labels, ParsingClass.LOWER_LIP, p[_LOWER_LIP])
    _paint(labels, ParsingClass.INNER_MOUTH, p[_INNER_MOUTH], folded=False)
    return labels


def _hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(Q, 2) corners of the convex hull, in order (Andrew's monotone chain)."""
    ordered = sorted(map(tuple, points.tolist()))
    chains = []
    for sequence in (ordered, ordered[::-1]):
        chain: list[tuple[float, ...]] = []
        for x, y in sequence:
            while len(chain) > 1:
                (x0, y0), (x1, y1) = chain[-2], chain[-1]
                if (x1 - x0) * (y - y0) > (y1 - y0) * (x - x0):
                    break
                chain.pop()
            chain.append((x, y))
        chains += chain[:-1]
    return np.array(chains or ordered[:1])


def _paint(
    labels: NDArray[np.uint8], label: ParsingClass, outline: NDArray[np.float64], *, folded: bool = True
) -> None:
    """Writes ``label`` wherever the closed outline (P, 2) winds around the pixel's centre.

    Without ``folded`` only where it winds clockwise: noise in the points of a shut eye or mouth turns bits of the
    outline inside out, and these bits are not open.
    """
    height, width = labels.shape
    left, top = np.clip(np.ceil(outline.min(axis=0)), 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(outline.max(axis=0)), 0, (width, height)).astype(int)
    if bottom <= top or right <= left:
        return
    x0, y0 = outline.T  # (P,)
    x1, y1 = np.roll(outline, -1, axis=0).T
    rows = np.arange(top, bottom)[:, None]  # (R, 1)
    # Half-open edges: a corner that lies exactly on a row counts for one of its two edges.
    direction = ((y0 <= rows) & (rows < y1)).astype(np.int8) - ((y1 <= rows) & (rows < y0))  # (R, P)
    row, edge = np.nonzero(direction)
    share = (row + top - y0[edge]) / (y1 - y0)[edge]
    column = np.clip(np.ceil(x0[edge] + share * (x1 - x0)[edge]), left, right).astype(np.int64) - left
    crossings = np.zeros((bottom - top, right - left + 1), dtype=np.int8)
    np.add.at(crossings, (row, column), direction[row, edge])
    winding = crossings[:, :-1].cumsum(axis=1, dtype=np.int8)  # -1 = once clockwise, as y points down
    labels[top:bottom, left:right][winding != 0 if folded else winding < 0] = label
