"""Crops of stored samples as the networks will meet them: placed by the face, with the errors of placing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.jit import njit
from ....perceive.frames import band_pose, face_pose

__all__ = [
    "NO_JITTER",
    "CropJitter",
    "band_matrices",
    "crop_images",
    "crop_labels",
    "crop_matrices",
    "empty_crops",
    "move_points",
    "shuffle_tiles",
]


_Place = tuple[NDArray[np.float64], float, float]
"""Image point that comes to the middle of a crop, crop pixels per image pixel, roll in radians."""


@dataclass(frozen=True)
class CropJitter:
    """How far a crop misses the face.

    Args:
        scale: standard deviation of log scale.
        shift: standard deviation over the edge of the crop.
        roll: standard deviation in radians.
        wild: share of crops that miss five times as far in roll and twice in the rest.
        mirror: share of mirrored crops.
    """

    scale: float = 0.08
    shift: float = 0.04
    roll: float = 0.08
    wild: float = 0.15
    mirror: float = 0.5

    def scaled(self, factor: float) -> CropJitter:
        """The same with its distances multiplied."""
        return replace(self, scale=factor * self.scale, shift=factor * self.shift, roll=factor * self.roll)


NO_JITTER = CropJitter(0.0, 0.0, 0.0, 0.0, 0.0)


def crop_matrices(
    dense: NDArray[np.floating[Any]],
    size: int,
    margin: float,
    rng: np.random.Generator,
    jitter: CropJitter = NO_JITTER,
) -> tuple[Tensor, Tensor]:
    """Random crops about faces.

    Args:
        dense: (N, ≥478, 2) image pixels, the 478 points first.
        size: edge of the crop in pixels.
        margin: edge of the crop over the longer side of the face; see :mod:`wholeface.perceive.frames`.
        rng: randomness.
        jitter: how far they miss.

    Returns:
        (N, 2, 3) float32 from image to crop pixels, and (N,) bool, which are mirrored.
    """

    def place(points: NDArray[np.floating[Any]]) -> _Place:
        centre, side, angle = face_pose(points)
        return centre, size / (margin * side), angle

    return _missed([place(points[:478]) for points in dense], size, size, rng, jitter)


def band_matrices(
    dense: NDArray[np.floating[Any]],
    width: int,
    height: int,
    rng: np.random.Generator,
    jitter: CropJitter = NO_JITTER,
) -> tuple[Tensor, Tensor]:
    """Random bands about the eyes, as :func:`wholeface.perceive.frames.eye_band` places them.

    Args:
        dense: (N, ≥478, 2) image pixels, the 478 points first.
        width, height: of the bands in pixels.
        rng: randomness.
        jitter: how far they miss; shifts over the width.

    Returns:
        (N, 2, 3) float32 from image to crop pixels, and (N,) bool, which are mirrored.
    """

    def place(points: NDArray[np.floating[Any]]) -> _Place:
        centre, scale, angle = band_pose(points)
        return centre, scale * width, angle

    return _missed([place(points[:478]) for points in dense], width, height, rng, jitter)


def _missed(
    places: Sequence[_Place], width: int, height: int, rng: np.random.Generator, jitter: CropJitter
) -> tuple[Tensor, Tensor]:
    """Crops of (width, height) pixels that miss their places at random; shifts over the width."""
    matrices = np.zeros((len(places), 2, 3))
    mirrored = rng.random(len(places)) < jitter.mirror
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    for i, (centre, scale, angle) in enumerate(places):
        wild = rng.random() < jitter.wild
        missed = scale * np.exp(rng.normal(0, jitter.scale * (2 if wild else 1)))
        turned = angle + rng.normal(0, jitter.roll * (5 if wild else 1))
        shift = rng.normal(0, jitter.shift * width * (2 if wild else 1), 2)
        cos, sin = missed * np.cos(-turned), missed * np.sin(-turned)
        turn = np.array([[cos, -sin], [sin, cos]])
        matrices[i, :, :2] = turn
        matrices[i, :, 2] = middle + shift - turn @ centre
        if mirrored[i]:
            matrices[i, 0] = -matrices[i, 0]
            matrices[i, 0, 2] += width - 1
    return torch.from_numpy(matrices).float(), torch.from_numpy(mirrored)


def move_points(points: Tensor, matrices: Tensor) -> Tensor:
    """(N, L, 2) image pixels -> crop pixels by (N, 2, 3)."""
    return points @ matrices[:, :, :2].transpose(1, 2) + matrices[:, None, :, 2]


def empty_crops(matrices: Tensor, chosen: NDArray[np.bool_], size: int, rng: np.random.Generator) -> Tensor:
    """Some crops moved to where they show no whole face.

    Half show a part of it (two and a half to six times enlarged, about anywhere), a quarter lie beside it, a quarter
    show it at a third of its size or less.

    Args:
        matrices: (N, 2, 3) from image to crop pixels, each placed on a face.
        chosen: (N,) which to move.
        size: edge of the crop.
        rng: randomness.

    Returns:
        (N, 2, 3).
    """
    moved = matrices.clone()
    middle = (size - 1) / 2
    for i in np.flatnonzero(chosen):
        kind = rng.random()
        shift = rng.uniform(-0.5, 0.5, 2) * size
        if kind < 0.5:
            factor = float(np.exp(rng.uniform(np.log(2.5), np.log(6.0))))
            shift *= factor
        elif kind < 0.75:
            factor = float(np.exp(rng.uniform(np.log(0.7), np.log(2.0))))
            side = rng.uniform(-np.pi, np.pi)
            shift = 0.75 * max(factor, 1.0) * size * np.array([np.cos(side), np.sin(side)])
        else:
            factor = float(np.exp(rng.uniform(np.log(0.15), np.log(0.35))))
        moved[i] *= factor
        moved[i, :, 2] += torch.from_numpy((1 - factor) * middle + shift).float()
    return moved


def shuffle_tiles(images: Tensor, chosen: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Cut the chosen images of (N, 3, S, S) into 2 × 2 to 5 × 5 tiles and shuffle those, in place."""
    size = images.shape[-1]
    for i in np.flatnonzero(chosen):
        parts = int(rng.integers(2, 6))
        cell, count = size // parts, parts**2
        order = rng.permutation(count)
        if (order == np.arange(count)).mean() > 0.25:  # nearly the face as it was
            order = np.roll(np.arange(count), int(rng.integers(1, count)))
        inner = images[i, :, : cell * parts, : cell * parts]
        tiles = inner.reshape(3, parts, cell, parts, cell).permute(1, 3, 0, 2, 4).reshape(-1, 3, cell, cell)
        mixed = tiles[torch.from_numpy(order)].reshape(parts, parts, 3, cell, cell).permute(2, 0, 3, 1, 4)
        inner.copy_(mixed.reshape(3, cell * parts, cell * parts))


def crop_images(images: Sequence[NDArray[np.uint8]], matrices: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Bilinear crops, averaged over 2 × 2 or 3 × 3 samples where they shrink; the border is repeated outside.

    Args:
        images: N images (S, S, 3) uint8.
        matrices: (N, 2, 3) from image to crop pixels.
        size: edge of the crop, or its height and width.

    Returns:
        (N, 3, height, width) float32 in [0, 1].
    """
    result = np.empty((len(images), 3, *_shape(size)), dtype=np.float32)
    for image, inverse, target in zip(images, _inverse(matrices), result):
        step = float(np.hypot(inverse[0, 0], inverse[1, 0]))  # image pixels per crop pixel
        _crop_image(image, inverse, 1 if step < 1.3 else 2 if step < 2.6 else 3, target)
    return torch.from_numpy(result)


def _shape(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def crop_labels(
    labels: Sequence[NDArray[Any]], matrices: Tensor, size: int | tuple[int, int], outside: int
) -> Tensor:
    """Nearest-pixel crops of label maps.

    Args:
        labels: N maps (S, S) uint8 or bool.
        matrices: (N, 2, 3) from image to crop pixels.
        size: edge of the crop, or its height and width.
        outside: label where the image ends.

    Returns:
        (N, height, width) int64.
    """
    result = np.empty((len(labels), *_shape(size)), dtype=np.int64)
    for label, inverse, target in zip(labels, _inverse(matrices), result):
        _crop_label(label.view(np.uint8) if label.dtype == bool else label, inverse, outside, target)
    return torch.from_numpy(result)


def _inverse(matrices: Tensor) -> NDArray[np.float64]:
    """(N, 2, 3) from crop to image pixels."""
    forward = matrices.double().numpy()
    linear = np.linalg.inv(forward[:, :, :2])
    return np.concatenate([linear, -linear @ forward[:, :, 2:]], axis=2)


@njit(cache=True, nogil=True, fastmath=True)
def _crop_image(image, inverse, samples, out):  # type: ignore[no-untyped-def]
    height, width = image.shape[0], image.shape[1]
    rows, columns = out.shape[1], out.shape[2]
    a, b, c = inverse[0, 0], inverse[0, 1], inverse[0, 2]
    d, e, f = inverse[1, 0], inverse[1, 1], inverse[1, 2]
    norm = np.float32(1.0 / (255.0 * samples * samples))
    for y in range(rows):
        for x in range(columns):
            red = np.float32(0.0)
            green = np.float32(0.0)
            blue = np.float32(0.0)
            for j in range(samples):
                v = y + (j + 0.5) / samples - 0.5
                for i in range(samples):
                    u = x + (i + 0.5) / samples - 0.5
                    px = min(max(a * u + b * v + c, 0.0), width - 1.0)
                    py = min(max(d * u + e * v + f, 0.0), height - 1.0)
                    x0, y0 = int(px), int(py)
                    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
                    fx, fy = np.float32(px - x0), np.float32(py - y0)
                    w11 = fx * fy
                    w10 = fy - w11
                    w01 = fx - w11
                    w00 = np.float32(1.0) - fx - fy + w11
                    red += (
                        w00 * image[y0, x0, 0]
                        + w01 * image[y0, x1, 0]
                        + w10 * image[y1, x0, 0]
                        + w11 * image[y1, x1, 0]
                    )
                    green += (
                        w00 * image[y0, x0, 1]
                        + w01 * image[y0, x1, 1]
                        + w10 * image[y1, x0, 1]
                        + w11 * image[y1, x1, 1]
                    )
                    blue += (
                        w00 * image[y0, x0, 2]
                        + w01 * image[y0, x1, 2]
                        + w10 * image[y1, x0, 2]
                        + w11 * image[y1, x1, 2]
                    )
            out[0, y, x] = red * norm
            out[1, y, x] = green * norm
            out[2, y, x] = blue * norm


@njit(cache=True, nogil=True)
def _crop_label(label, inverse, outside, out):  # type: ignore[no-untyped-def]
    height, width = label.shape
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            px = int(np.floor(inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2] + 0.5))
            py = int(np.floor(inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2] + 0.5))
            inside = 0 <= px < width and 0 <= py < height
            out[y, x] = label[py, px] if inside else outside
