"""Hands cut out of photos on a light background."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...compositing.warp import Pyramid, pyramid

__all__ = ["HandCut", "cut_hand", "hand_files", "load_hand"]

_LOG = np.log((np.arange(256) / 255.0) ** 2.2 + 0.004).astype(np.float32)
_NAME = re.compile(r"^(\d)_IMG_(\d+)$")


@dataclass(frozen=True)
class HandCut:
    """A hand that comes in from below.

    Convention: pixels of the first level; the wrist leaves the image at its lower edge.

    Args:
        cutout: the hand.
        palm: (2,) centre of its broadest part.
        radius: half breadth there.
        tip: (2,) the point farthest from the wrist.
        wrist: (2, 2) left and right end of the cut through the wrist.
        mean: (3,) mean of log linear colour.
        spread: deviation of log luminance.
    """

    cutout: Pyramid
    palm: NDArray[np.float32]
    radius: float
    tip: NDArray[np.float32]
    wrist: NDArray[np.float32]
    mean: NDArray[np.float32]
    spread: float


@lru_cache(maxsize=2)
def hand_files(folder: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Photos for training and held-out photos; every tenth person is held out.

    The photos of one person are numbered one after the other, in the order of the digits that they show: the number
    less the digit tells the person.
    """
    found = []
    for path in sorted(folder.iterdir()):
        match = _NAME.match(path.stem)
        if match and path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            found.append((int(match[2]) - int(match[1]), path))
    train: list[Path] = []
    held_out: list[Path] = []
    person, last = -1, -100
    for start, path in sorted(found):
        if start - last > 4:  # retakes shift the numbers a little
            person += 1
        last = start
        (held_out if person % 10 == 9 else train).append(path)
    return tuple(train), tuple(held_out)


@lru_cache(maxsize=1200)
def load_hand(path: Path) -> HandCut | None:
    """A hand cut out of its photo, or None where the background cannot be told from it."""
    from PIL import Image

    with Image.open(path) as image:
        return cut_hand(np.asarray(image.convert("RGB")))


def cut_hand(photo: NDArray[np.uint8]) -> HandCut | None:
    """Cut a hand out of a light, smooth background and enlarge it twice.

    Skin is redder than the wall, also in the shade: the wall's colour is a smooth quadratic of the place, fitted to
    the border and refitted to what lies close to it.

    Args:
        photo: (H, W, 3) uint8, the wrist at the lower edge.

    Returns:
        None where the result has not the form of a hand: too small or large, in pieces, or not from below.
    """
    from PIL import Image
    from scipy import ndimage

    height, width = photo.shape[:2]
    pixels = photo.astype(np.float32)
    luminance = pixels.mean(axis=-1)
    warm = pixels[..., 0] - pixels[..., 2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    basis = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1).reshape(-1, 6)
    wall = np.zeros((height, width), bool)
    wall[: height // 6] = wall[: height * 2 // 3, : width // 8] = wall[: height * 2 // 3, -width // 8 :] = (
        True
    )
    wall &= luminance > np.quantile(luminance[wall], 0.2)
    distance = np.zeros((height, width), np.float32)
    for _ in range(3):
        rows = np.flatnonzero(wall)
        if len(rows) < 200:
            return None
        level = _fitted(basis, luminance.reshape(-1), rows)
        tint = _fitted(basis[:, :3], warm.reshape(-1), rows)
        redder = warm - tint.reshape(height, width)
        darker = level.reshape(height, width) - luminance
        # Shadows on the wall are darker but hardly redder.
        # The camera's sharpening leaves a rim brighter than the wall around the hand.
        distance = (
            redder / 26.0
            + np.clip(darker - 25.0, 0.0, 120.0) / 220.0
            + np.clip(darker - 14.0, -40.0, 0.0) / 22.0
        )
        wall = (distance < 0.25) & (np.abs(darker) < 45)
    distance = ndimage.gaussian_filter(distance, 0.5)
    solid = distance > 0.55
    pieces, count = ndimage.label(solid)
    if count == 0:
        return None
    sizes = ndimage.sum_labels(solid, pieces, np.arange(1, count + 1))
    hand = pieces == 1 + int(np.argmax(sizes))
    filled = ndimage.binary_fill_holes(hand)
    holes, hole_count = ndimage.label(filled & ~hand)
    for k in range(1, hole_count + 1):  # small holes are highlights; large ones lie between fingers
        hole = holes == k
        if hole.sum() < 14 and float(darker[hole].mean()) > 8:
            hand |= hole
    area = float(hand.mean())
    base = np.flatnonzero(hand[-2])
    if not 0.07 < area < 0.6 or len(base) < 8 or np.ptp(base) > 0.7 * width or hand[:3].any():
        return None
    edge = hand.copy()
    edge[4:-4, 4:-4] = False
    edge[-6:] = False
    if edge.sum() > 25:  # touches the sides
        return None
    soft = np.clip((distance - 0.2) / 0.6, 0.0, 1.0)
    near = ndimage.binary_dilation(hand, iterations=2)
    core = ndimage.binary_erosion(hand, iterations=2, border_value=1)
    alpha = np.where(core, 1.0, np.where(near, soft, 0.0)).astype(np.float32)
    # The rim carries the wall's colour and the camera's sharpening: take colours from inside, smoothed.
    deep = ndimage.binary_erosion(hand & (alpha > 0.9), iterations=2, border_value=1)
    inner = ndimage.binary_erosion(hand & (alpha > 0.9), iterations=1, border_value=1)
    inner = np.where(
        ndimage.binary_dilation(deep, iterations=3), deep, inner
    )  # thin fingers have no deep inside
    if not inner.any():
        return None
    index = ndimage.distance_transform_edt(~inner, return_distances=False, return_indices=True)
    colours = photo[index[0], index[1]]
    blurred = ndimage.uniform_filter(colours, (3, 3, 1))
    colours = np.where(inner[..., None], colours, blurred)
    size = (2 * width, 2 * height)
    wide = np.asarray(Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC))
    matte = np.asarray(Image.fromarray((255 * alpha).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC))
    matte = np.clip((matte.astype(np.float32) - 130.0) * (255.0 / 100.0), 0, 255).astype(np.uint8)
    rgba = np.dstack([wide, matte])
    rows, columns = np.flatnonzero((matte > 20).any(axis=1)), np.flatnonzero((matte > 20).any(axis=0))
    top, left, right = max(0, rows[0] - 2), max(0, columns[0] - 2), columns[-1] + 3
    rgba = np.ascontiguousarray(rgba[top : 2 * height - 2, left:right])
    return _measured(rgba)


def _fitted(
    basis: NDArray[np.float32], values: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Least squares on some rows, evaluated on all."""
    part = basis[rows]
    normal = part.T @ part + 1e-3 * np.eye(part.shape[1], dtype=np.float32)
    return basis @ np.linalg.solve(normal, part.T @ values[rows])


def _measured(rgba: NDArray[np.uint8]) -> HandCut | None:
    from scipy import ndimage

    cover = rgba[..., 3] > 127
    padded = np.pad(cover[::2, ::2], ((1, 0), (1, 1)))
    inside = ndimage.distance_transform_edt(padded)[1:, 1:-1]
    inside[int(0.8 * len(inside)) :] = 0  # not the wrist
    row, column = np.unravel_index(int(np.argmax(inside)), inside.shape)
    base = np.flatnonzero(cover[-2])
    if len(base) < 8:
        return None
    wrist = np.array([[base[0], len(rgba) - 2], [base[-1], len(rgba) - 2]], np.float32)
    rows, columns = np.nonzero(cover)
    far = np.hypot(columns - wrist[:, 0].mean(), rows - wrist[0, 1])
    tip = int(np.argmax(far))
    log = _LOG[rgba[::2, ::2][cover[::2, ::2]][:, :3]]
    return HandCut(
        pyramid(rgba, 16),
        np.array([2 * column, 2 * row], np.float32),
        2.0 * float(inside[row, column]),
        np.array([columns[tip], rows[tip]], np.float32),
        wrist,
        log.mean(axis=0).astype(np.float32),
        float(log.mean(axis=1).std()),
    )
