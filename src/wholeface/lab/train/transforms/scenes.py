"""Images with no, one or several faces of any size and roll, made of stored samples: food for a detector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.jit import njit
from ....perceive import IGNORE, ParsingClass
from ....perceive.frames import frame
from ....photo import Similarity

__all__ = ["Scene", "SceneSettings", "five_points", "make_scene", "mirrored", "quarter_turned"]

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
        others: objects that are no faces, laid over a backdrop, at most.
        window: share of scenes that are a part of one sample as it is; in the others samples lie on a backdrop.
        cut: share of the faces laid over a backdrop that are cut out along the person's outline, where the sample
            has a parsing map; the others bring a square or rounded piece of their surroundings.
    """

    size: int = 256
    smallest: float = 12.0
    largest: float = 0.95
    turned: float = 0.4
    most: int = 5
    empty: float = 0.12
    others: int = 3
    window: float = 0.5
    cut: float = 0.6


@dataclass(frozen=True)
class Scene:
    """An image and its faces.

    Args:
        image: (S, S, 3) uint8 sRGB.
        boxes: (F, 4) float32 x0, y0, x1, y1 around the 478 points; may leave the image.
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
        tile: row -> stored sample (``image``, ``landmarks_68``, ``dense`` and perhaps ``parsing``).
        count: number of rows.
        rng: randomness.
        settings: see there.
        backdrop: (rng, size) -> (size, size, 3) uint8 without faces.
    """
    size = settings.size
    boxes: list[NDArray[np.float64]] = []
    points: list[NDArray[np.float64]] = []
    empty = rng.random() < settings.empty
    window = None
    if rng.random() < settings.window:
        window = _window(tile(int(rng.integers(count))), rng, settings, empty)
    if window is None:
        canvas = backdrop(rng, size).copy()
        for _ in range(int(rng.integers(0, settings.others + 1))):  # no faces, with the same borders as faces
            _paste_other(canvas, tile(int(rng.integers(count))), rng)
        number = 0 if empty else int(np.clip(rng.geometric(0.5), 1, settings.most))
    else:
        canvas, found_first = window
        if found_first is not None:
            boxes.append(found_first[0])
            points.append(found_first[1])
        number = 0 if empty or rng.random() < 0.75 else 1
    largest = settings.largest * size / (1 if number == 1 and not boxes else 1.6)
    sides = np.sort(np.exp(rng.uniform(np.log(settings.smallest), np.log(largest), number)))[::-1]
    for side in sides:
        sample = tile(int(rng.integers(count)))
        found = _paste_face(canvas, sample, float(side), boxes, points, rng, settings)
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
    return scene


def mirrored(scene: Scene) -> Scene:
    """The scene in a mirror; left and right points change places."""
    last = scene.image.shape[1] - 1
    boxes = scene.boxes[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32)
    boxes += np.array([last, 0, last, 0], np.float32)
    points = scene.points[:, [1, 0, 2, 4, 3]] * np.array([-1, 1], np.float32) + np.array(
        [last, 0], np.float32
    )
    return Scene(np.ascontiguousarray(scene.image[:, ::-1]), boxes, points)


def quarter_turned(scene: Scene) -> Scene:
    """The scene turned by a quarter, counter-clockwise as seen."""
    last = scene.image.shape[1] - 1
    x0, y0, x1, y1 = scene.boxes.T
    x, y = scene.points[..., 0], scene.points[..., 1]
    return Scene(
        np.ascontiguousarray(np.rot90(scene.image)),
        np.stack([y0, last - x1, y1, last - x0], axis=1),
        np.stack([y, last - x], axis=2),
    )


def _paste_face(
    canvas: NDArray[np.uint8],
    sample: Tile,
    side: float,
    others: list[NDArray[np.float64]],
    their_points: list[NDArray[np.float64]],
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
    placed = frame((low + high) / 2, scale, angle, size, size)
    shift = centre - (size - 1) / 2
    move = Similarity(placed.scale, placed.rotation, placed.tx + shift[0], placed.ty + shift[1])
    points = move.apply(dense)
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    visible = np.prod(np.clip(np.minimum(box[2:], size) - np.maximum(box[:2], 0), 0, None))
    if visible < 0.6 * np.prod(box[2:] - box[:2]) or any(_share_within(box, other) > 0.1 for other in others):
        return None
    image = np.asarray(sample["image"])
    outline = "parsing" in sample and rng.random() < settings.cut
    parsing = np.asarray(sample["parsing"]) if outline else None
    if any(_hides(move, image.shape[0], parsing, five) for five in their_points):
        return None
    _lay(canvas, image, move, rng, parsing)
    return box, move.apply(five_points(sample["landmarks_68"]))


def _hides(
    move: Similarity, edge: int, parsing: NDArray[np.uint8] | None, points: NDArray[np.float64]
) -> bool:
    """Whether a sample laid there covers any of these points of the canvas."""
    inside = move.inverse().apply(points)
    place = np.rint(inside).astype(np.int64)
    place = place[((place >= 0) & (place < edge)).all(axis=1)]
    if parsing is None:
        return len(place) > 0
    return bool((parsing[place[:, 1], place[:, 0]] != ParsingClass.BACKGROUND).any())


def _window(
    sample: Tile, rng: np.random.Generator, settings: SceneSettings, empty: bool
) -> tuple[NDArray[np.uint8], tuple[NDArray[np.float64], NDArray[np.float64]] | None] | None:
    """A part of a sample that fills the whole image: with its face, or (``empty``) beside or within it.

    No border of anything laid over anything else gives the face or its size away. None when nothing fits.
    """
    size = settings.size
    image = np.asarray(sample["image"])
    edge = image.shape[0]
    dense = np.asarray(sample["dense"][:478], dtype=np.float64)
    low, high = dense.min(axis=0), dense.max(axis=0)
    side = float(np.sqrt(np.prod(high - low)))
    angle = float(rng.uniform(-np.pi, np.pi) if rng.random() < settings.turned else rng.normal(0, 0.15))
    # A turned sample must be larger to leave no corner of the image open.
    cover = size / edge * (abs(np.cos(angle)) + abs(np.sin(angle)))
    most = settings.largest * size / side
    if empty:
        most = max(cover, 6.0 * size / side)
    elif most < cover:
        angle = float(rng.normal(0, 0.1))
        cover = 1.05 * size / edge
        most = max(most, cover)
    scale = float(np.exp(rng.uniform(np.log(cover), np.log(most))))  # canvas pixels per sample pixel
    for _ in range(12):
        if empty:
            scale = float(np.exp(rng.uniform(np.log(cover), np.log(most))))
        # The middle of the image, in the sample; the image's corners stay inside where that is possible.
        reach = size / scale * (abs(np.cos(angle)) + abs(np.sin(angle))) / 2
        free = max(edge / 2 - reach, 0.0)
        middle = (edge - 1) / 2 + rng.uniform(-free, free, 2)
        if not empty:  # and the face is in it
            pull = float(rng.uniform(0.0, 1.0))
            middle = middle + pull * (np.clip((low + high) / 2, middle - free, middle + free) - middle)
        move = frame(middle, scale, angle, size, size)
        points = move.apply(dense)
        box = np.concatenate([points.min(axis=0), points.max(axis=0)])
        inside = np.prod(np.clip(np.minimum(box[2:], size) - np.maximum(box[:2], 0), 0, None))
        share = float(inside / np.prod(box[2:] - box[:2]))
        whole = np.sqrt(np.prod(box[2:] - box[:2])) <= 1.6 * size
        # Without a face: it lies aside, or a part of it fills the image.
        gone = share < 0.1 or (share < 0.3 and np.prod(box[2:] - box[:2]) > 4 * size**2)
        if gone if empty else share >= 0.6 and whole:
            canvas = np.zeros((size, size, 3), np.uint8)
            level, inverse, samples = _averaged(image, move)
            mask = np.full((1, 1), 255, np.uint8)
            ends = np.zeros(2, np.int64), np.full(2, size, np.int64)
            _blend(canvas, level, mask, inverse, -9.0, 1e-3, False, samples, *ends)
            return canvas, None if empty else (box, move.apply(five_points(sample["landmarks_68"])))
    return None


def _averaged(
    image: NDArray[np.uint8], move: Similarity
) -> tuple[NDArray[np.uint8], NDArray[np.float64], int]:
    """The sample made small enough for few samples per pixel, the way from the canvas into it, samples per side."""
    inverse = move.inverse().matrix
    step = float(np.hypot(inverse[0, 0], inverse[1, 0]))  # sample pixels per canvas pixel
    level = image
    while step > 3.0 and min(level.shape[:2]) >= 16:  # averaged first, so that four samples a pixel suffice
        half = level.shape[0] // 2
        level = level[: 2 * half, : 2 * half].reshape(half, 2, half, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
        inverse = inverse / 2
        inverse[:, 2] -= 0.25
        step /= 2
    return np.ascontiguousarray(level), inverse, 1 if step < 1.3 else 2


def _lay(
    canvas: NDArray[np.uint8],
    image: NDArray[np.uint8],
    move: Similarity,
    rng: np.random.Generator,
    parsing: NDArray[np.uint8] | None = None,
) -> None:
    """Blend a sample into the canvas: its person alone, or all of it, square or rounded, hard or feathered."""
    edge = image.shape[0]
    inset = float(rng.uniform(0.0, 0.08))
    rounded = bool(rng.random() < 0.5)
    feather = float(rng.uniform(0.0, 0.12)) if rng.random() < 0.6 else 0.0
    mask = np.full((1, 1), 255, np.uint8)
    if parsing is not None:
        inset, rounded, feather = 0.0, False, 0.0
        mask = ((parsing != ParsingClass.BACKGROUND) & (parsing != IGNORE)).astype(np.uint8) * 255
    level, inverse, samples = _averaged(image, move)
    corners = move.apply(np.array([[0, 0], [edge, 0], [0, edge], [edge, edge]]) - 0.5)
    low = np.clip(np.floor(corners.min(axis=0)), 0, canvas.shape[0]).astype(np.int64)
    high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, canvas.shape[0]).astype(np.int64)
    _blend(canvas, level, mask, inverse, inset, feather + 1e-3, rounded, samples, low, high)


@njit(cache=True, nogil=True)
def _blend(canvas, tile, mask, inverse, inset, feather, rounded, samples, low, high):  # type: ignore[no-untyped-def]
    edge = tile.shape[0]
    fine = mask.shape[0] / edge  # mask pixels per tile pixel
    for y in range(low[1], high[1]):
        for x in range(low[0], high[0]):
            red = 0.0
            green = 0.0
            blue = 0.0
            total = 0.0
            for j in range(samples):
                v = y + (j + 0.5) / samples - 0.5
                for i in range(samples):
                    u = x + (i + 0.5) / samples - 0.5
                    px = inverse[0, 0] * u + inverse[0, 1] * v + inverse[0, 2]
                    py = inverse[1, 0] * u + inverse[1, 1] * v + inverse[1, 2]
                    across = abs((px + 0.5) / edge * 2 - 1)
                    down = abs((py + 0.5) / edge * 2 - 1)
                    far = (across**4 + down**4) ** 0.25 if rounded else max(across, down)
                    alpha = min(max((1 - inset - far) / feather, 0.0), 1.0)
                    if mask.shape[0] > 1:
                        row = min(max(int((py + 0.5) * fine), 0), mask.shape[0] - 1)
                        column = min(max(int((px + 0.5) * fine), 0), mask.shape[0] - 1)
                        alpha *= mask[row, column] / 255.0
                    if alpha <= 0.0:
                        continue
                    px = min(max(px, 0.0), edge - 1.0)
                    py = min(max(py, 0.0), edge - 1.0)
                    x0, y0 = int(px), int(py)
                    x1, y1 = min(x0 + 1, edge - 1), min(y0 + 1, edge - 1)
                    fx, fy = px - x0, py - y0
                    w00 = alpha * (1 - fx) * (1 - fy)
                    w01 = alpha * fx * (1 - fy)
                    w10 = alpha * (1 - fx) * fy
                    w11 = alpha * fx * fy
                    total += alpha
                    red += (
                        w00 * tile[y0, x0, 0]
                        + w01 * tile[y0, x1, 0]
                        + w10 * tile[y1, x0, 0]
                        + w11 * tile[y1, x1, 0]
                    )
                    green += (
                        w00 * tile[y0, x0, 1]
                        + w01 * tile[y0, x1, 1]
                        + w10 * tile[y1, x0, 1]
                        + w11 * tile[y1, x1, 1]
                    )
                    blue += (
                        w00 * tile[y0, x0, 2]
                        + w01 * tile[y0, x1, 2]
                        + w10 * tile[y1, x0, 2]
                        + w11 * tile[y1, x1, 2]
                    )
            if total > 0.0:
                count = samples * samples
                rest = 1.0 - total / count
                canvas[y, x, 0] = np.uint8(rest * canvas[y, x, 0] + red / count + 0.5)
                canvas[y, x, 1] = np.uint8(rest * canvas[y, x, 1] + green / count + 0.5)
                canvas[y, x, 2] = np.uint8(rest * canvas[y, x, 2] + blue / count + 0.5)


def _paste_other(canvas: NDArray[np.uint8], sample: Tile, rng: np.random.Generator) -> None:
    """Lay something that is no face over the canvas: a corner of a sample, a part of a face, or shuffled pieces."""
    size = canvas.shape[0]
    image = np.asarray(sample["image"])
    edge = image.shape[0]
    kind = rng.random()
    if kind < 0.5:
        parts = int(rng.integers(2, 9))
        if rng.random() < 0.7:
            image = _around_face(image, np.asarray(sample["dense"][:478], dtype=np.float64), rng)
            edge = image.shape[0]
        cell = edge // parts
        cut = image[: cell * parts, : cell * parts].reshape(parts, cell, parts, cell, 3).swapaxes(1, 2)
        order = rng.permutation(parts**2)
        if (order == np.arange(parts**2)).any() and parts < 4:  # nearly the face as it was
            order = np.roll(np.arange(parts**2), int(rng.integers(1, parts**2)))
        mixed = cut.reshape(-1, cell, cell, 3)[order].reshape(parts, parts, cell, cell, 3)
        image = np.ascontiguousarray(mixed.swapaxes(1, 2).reshape(parts * cell, parts * cell, 3))
    elif kind < 0.75:
        third = edge // 4
        row, column = (0 if rng.random() < 0.5 else edge - third for _ in range(2))
        image = np.ascontiguousarray(image[row : row + third, column : column + third])
    else:  # an eye, a mouth, an ear
        dense = np.asarray(sample["dense"][:478], dtype=np.float64)
        extent = dense.max(axis=0) - dense.min(axis=0)
        part = max(int(extent.min() * rng.uniform(0.15, 0.4)), 6)
        at = dense[int(rng.integers(len(dense)))] - part / 2
        column, row = np.clip(np.rint(at), 0, edge - part).astype(int)
        image = np.ascontiguousarray(image[row : row + part, column : column + part])
    side = float(np.exp(rng.uniform(np.log(16), np.log(0.8 * size))))
    half = (image.shape[0] - 1) / 2
    angle = float(rng.uniform(-np.pi, np.pi))
    placed = frame(np.array([half, half]), side / image.shape[0], angle, size, size)
    shift = rng.uniform(-0.45, 0.45, 2) * size
    _lay(
        canvas,
        image,
        Similarity(placed.scale, placed.rotation, placed.tx + shift[0], placed.ty + shift[1]),
        rng,
    )


def _around_face(
    image: NDArray[np.uint8], points: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A square about the face, 1 to 1.6 times as large; the border is repeated outside."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(int((high - low).max() * rng.uniform(1.0, 1.6)), 16)
    start = np.rint((low + high) / 2 - side / 2).astype(np.int64)
    column, row = (np.clip(np.arange(first, first + side), 0, image.shape[0] - 1) for first in start)
    return np.ascontiguousarray(image[row][:, column])


def _share_within(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """How much of box ``b`` lies under box ``a``."""
    both = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    return float(both / max(np.prod(b[2:] - b[:2]), 1e-9))
