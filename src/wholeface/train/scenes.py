"""Pictures with no, one or several faces of any size and roll, made of stored samples: food for a detector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ..perceive.frames import frame
from ..photo import Similarity, warp

__all__ = ["Scene", "SceneSettings", "five_points", "make_scene"]

Tile = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class SceneSettings:
    """What scenes look like.

    Args:
        size: edge in pixels.
        smallest: face size (root of the box's area) in pixels.
        largest: over the edge of the scene.
        turned: share of faces at any roll; the others are within about ±30°.
        most: faces in a scene at most.
        empty: share of scenes without a face.
    """

    size: int = 256
    smallest: float = 12.0
    largest: float = 0.95
    turned: float = 0.4
    most: int = 5
    empty: float = 0.12


@dataclass(frozen=True)
class Scene:
    """A picture and its faces.

    Args:
        image: (S, S, 3) uint8 sRGB.
        boxes: (F, 4) float32 x0, y0, x1, y1 around the 478 points; may leave the picture.
        points: (F, 5, 2) float32 right eye, left eye, nose tip, right and left mouth corner.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    points: NDArray[np.float32]


def five_points(landmarks_68: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(5, 2) right eye, left eye (the person's own), nose tip, right and left mouth corner from the 68 points."""
    p = np.asarray(landmarks_68, dtype=np.float64)
    return np.stack([p[36:42].mean(axis=0), p[42:48].mean(axis=0), p[30], p[48], p[54]])


def make_scene(
    tile: Callable[[int], Tile],
    count: int,
    rng: np.random.Generator,
    settings: SceneSettings,
    backdrop: Callable[[np.random.Generator, int], NDArray[np.uint8]],
) -> Scene:
    """One random scene.

    Args:
        tile: row -> stored sample (``image``, ``landmarks_68``, ``dense``).
        count: number of rows.
        rng: randomness.
        settings: see there.
        backdrop: (rng, size) -> (size, size, 3) uint8 without faces.
    """
    size = settings.size
    canvas = backdrop(rng, size).copy()
    for _ in range(int(rng.integers(0, 3))):  # things that are no faces, with the same borders as faces
        _paste_other(canvas, tile(int(rng.integers(count))), rng)
    boxes: list[NDArray[np.float64]] = []
    points: list[NDArray[np.float64]] = []
    number = 0 if rng.random() < settings.empty else int(np.clip(rng.geometric(0.5), 1, settings.most))
    largest = settings.largest * size / (1 if number == 1 else 1.6)
    sides = np.sort(np.exp(rng.uniform(np.log(settings.smallest), np.log(largest), number)))[::-1]
    for side in sides:
        sample = tile(int(rng.integers(count)))
        found = _paste_face(canvas, sample, float(side), boxes, rng, settings)
        if found is not None:
            boxes.append(found[0])
            points.append(found[1])
    if rng.random() < 0.15:
        canvas = np.repeat(canvas.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    scene = Scene(
        canvas,
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(points, dtype=np.float32).reshape(-1, 5, 2),
    )
    return _mirrored(scene) if rng.random() < 0.5 else scene


def _mirrored(scene: Scene) -> Scene:
    last = scene.image.shape[1] - 1
    boxes = scene.boxes[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32)
    boxes += np.array([last, 0, last, 0], np.float32)
    points = scene.points[:, [1, 0, 2, 4, 3]] * np.array([-1, 1], np.float32) + np.array(
        [last, 0], np.float32
    )
    return Scene(np.ascontiguousarray(scene.image[:, ::-1]), boxes, points)


def _paste_face(
    canvas: NDArray[np.uint8],
    sample: Tile,
    side: float,
    others: list[NDArray[np.float64]],
    rng: np.random.Generator,
    settings: SceneSettings,
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Lay a face over the canvas; its box and points, or None where it would hide another one."""
    size = settings.size
    dense = np.asarray(sample["dense"][:478], dtype=np.float64)
    low, high = dense.min(axis=0), dense.max(axis=0)
    scale = side / float(np.sqrt(np.prod(high - low)))
    angle = rng.uniform(-np.pi, np.pi) if rng.random() < settings.turned else rng.normal(0, 0.2)
    centre = (
        rng.uniform(0.1, 0.9, 2) * size if side < 0.4 * size else size / 2 + rng.normal(0, 0.12 * size, 2)
    )
    placed = frame((low + high) / 2, size / scale, angle, size)
    shift = centre - (size - 1) / 2
    move = Similarity(placed.scale, placed.rotation, placed.tx + shift[0], placed.ty + shift[1])
    points = move.apply(dense)
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    visible = np.prod(np.clip(np.minimum(box[2:], size) - np.maximum(box[:2], 0), 0, None))
    if visible < 0.6 * np.prod(box[2:] - box[:2]) or any(_covered(box, other) > 0.1 for other in others):
        return None
    image = np.asarray(sample["image"])
    _lay(canvas, image, move, rng)
    return box, move.apply(five_points(sample["landmarks_68"]))


def _lay(
    canvas: NDArray[np.uint8], image: NDArray[np.uint8], move: Similarity, rng: np.random.Generator
) -> None:
    """Blend a whole sample into the canvas, its border hard or feathered."""
    size = canvas.shape[0]
    edge = image.shape[0]
    alpha = np.zeros((edge, edge), dtype=np.float32)
    inset = int(rng.uniform(0.0, 0.08) * edge)
    alpha[inset : edge - inset, inset : edge - inset] = 1.0
    if rng.random() < 0.5:
        y, x = np.mgrid[-1 : 1 : edge * 1j, -1 : 1 : edge * 1j]
        alpha *= (np.abs(x) ** 4 + np.abs(y) ** 4 < 0.9).astype(np.float32)
    picture = warp(image, move, (size, size), fill="edge")
    cover = warp(alpha, move, (size, size))
    if rng.random() < 0.6:
        blurred = Image.fromarray((cover * 255).astype(np.uint8)).filter(
            ImageFilter.GaussianBlur(float(rng.uniform(0.5, 0.06 * edge * move.scale + 0.6)))
        )
        cover = np.minimum(cover, np.asarray(blurred, dtype=np.float32) / 255)
    mixed = canvas + cover[..., None] * (picture.astype(np.float32) - canvas)
    canvas[:] = (mixed + 0.5).astype(np.uint8)


def _paste_other(canvas: NDArray[np.uint8], sample: Tile, rng: np.random.Generator) -> None:
    """Lay something that is no face over the canvas: a corner of a sample, or a sample cut up and shuffled."""
    size = canvas.shape[0]
    image = np.asarray(sample["image"])
    edge = image.shape[0]
    if rng.random() < 0.5:
        parts = int(rng.integers(3, 6))
        cell = edge // parts
        cut = image[: cell * parts, : cell * parts].reshape(parts, cell, parts, cell, 3).swapaxes(1, 2)
        mixed = rng.permutation(cut.reshape(-1, cell, cell, 3)).reshape(parts, parts, cell, cell, 3)
        image = np.ascontiguousarray(mixed.swapaxes(1, 2).reshape(parts * cell, parts * cell, 3))
    else:
        third = edge // 4
        row, column = (0 if rng.random() < 0.5 else edge - third for _ in range(2))
        image = np.ascontiguousarray(image[row : row + third, column : column + third])
    side = float(np.exp(rng.uniform(np.log(16), np.log(0.8 * size))))
    half = (image.shape[0] - 1) / 2
    angle = float(rng.uniform(-np.pi, np.pi))
    placed = frame(np.array([half, half]), image.shape[0] * size / side, angle, size)
    shift = rng.uniform(-0.45, 0.45, 2) * size
    _lay(
        canvas,
        image,
        Similarity(placed.scale, placed.rotation, placed.tx + shift[0], placed.ty + shift[1]),
        rng,
    )


def _covered(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """How much of box ``b`` lies under box ``a``."""
    both = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    return float(both / max(np.prod(b[2:] - b[:2]), 1e-9))
