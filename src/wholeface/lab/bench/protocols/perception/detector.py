"""How many faces are found, how many are imagined, and how long it takes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....core.errors import UsageError
from .....morphable import MorphableModel
from .....perceive.frames import face_box
from .....photo import Similarity, similarity_crop, unwarp
from ....data.compositing.backgrounds import random_background
from ....data.portraits.prepare import portraits_folder, read_portrait
from ...report.table import Cell, Table
from .conditions import condition_table, hard_faces
from .context import Context, real_photos
from .metrics import match_boxes
from .systems import Systems

__all__ = [
    "box_from_68",
    "detector_tables",
    "face_free_images",
    "held_out_portraits",
    "place_face",
    "scramble",
]

Pixels = NDArray[np.uint8]
Boxes = list[NDArray[np.float64]]

_CANVAS = 512
_SIZES = (
    ("24-32 px", 24.0, 32.0), ("32-64 px", 32.0, 64.0), ("64-128 px", 64.0, 128.0), ("128-256 px", 128.0, 256.0),
)  # fmt: skip
_FACE_FREE = (
    "brick.png", "cell.png", "chelsea.png", "chessboard_RGB.png", "clock_motion.png", "coffee.png", "color.png",
    "grass.png", "gravel.png", "horse.png", "hubble_deep_field.jpg", "ihc.png", "logo.png", "microaneurysms.png",
    "moon.png", "motorcycle_left.png", "page.png", "phantom.png", "retina.jpg", "rocket.jpg", "text.png",
)  # fmt: skip
"""Of skimage.data: all images but the astronaut, the cameraman, the coins with their heads, and doubles."""


@dataclass
class _Runner:
    """One system and its times."""

    name: str
    boxes: Callable[[Pixels], Boxes]
    seconds: list[float] = field(default_factory=list)

    def __call__(self, pixels: Pixels) -> Boxes:
        start = time.perf_counter()
        found = self.boxes(pixels)
        self.seconds.append(time.perf_counter() - start)
        return found

    def milliseconds(self) -> float:
        """Median of the images since the last call."""
        median = 1000 * float(np.median(self.seconds)) if self.seconds else float("nan")
        self.seconds.clear()
        return median


def _runners(systems: Systems) -> list[_Runner]:
    runners = []
    faces, front, teacher = systems.faces, systems.front_end, systems.teacher
    if faces is not None:
        runners.append(_Runner("our detector alone", lambda p: [f.box for f in faces.detect(p)]))
    if front is not None:
        runners.append(_Runner("ours with landmarks", lambda p: [f.box for f in front.detect(p)]))
    if teacher is not None:
        runners.append(_Runner("mediapipe", lambda p: [f.box for f in teacher.detect(p)]))
    return runners


def detector_tables(context: Context) -> list[Table]:
    """Recall on portraits, on placed faces and on real photos; false faces on images without any."""
    runners = _runners(context.systems)
    if not runners:
        return []
    hard = hard_faces(context.data, 3 * context.count, context.seed)
    ours = [(runner.name, runner) for runner in runners if runner.name != "mediapipe"]
    return [
        _recall_table(context, runners),
        condition_table(hard, ours),
        _false_table(context, runners),
    ]


def _recall_table(context: Context, runners: Sequence[_Runner]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    notes = [
        "found: overlap (IoU) with the true box of at least 0.5; a box is that around the 478 points.",
        "times: of this run, all cores.",
    ]
    ours = [runner for runner in runners if runner.name != "mediapipe"]
    if context.has("portraits"):
        assert context.data is not None
        portraits = held_out_portraits(context.data)
        images = [(pixels, [face_box(points)]) for pixels, points in portraits]
        rows += _measure("held-out portraits (reference: mediapipe)", images, ours)
        for name, scenes in _placed(portraits, max(5, context.count // 3), context.seed):
            rows += _measure(name, scenes, runners)
        notes.append(
            "placed: held-out portraits at any roll on procedural images of 512 px; size is the root of the box's "
            "area; full frame: the face is as large as the image."
        )
    else:
        notes.append("left out, because the portraits are not at hand: portraits and placed faces.")
    if context.has("real_occluded"):
        assert context.data is not None
        images, substitutes = _real(context.data, context.systems, context.model)
        rows += _measure("real occluded photos (reference: mediapipe)", images, ours)
        notes.append(
            f"real occluded photos: the reference is mediapipe's box, and in {substitutes} of {len(images)} photos "
            "the box that the 68 published points imply; further faces in them count as false."
        )
    else:
        notes.append("left out, because they are not at hand: real occluded photos.")
    columns = (
        ("faces", ""), ("system", ""), ("images", "d"), ("recall", ".1%"), ("mean IoU", ".3f"),
        ("false/image", ".3f"), ("median ms", ".1f"),
    )  # fmt: skip
    return Table("Detector: faces found", columns, rows, notes)


def _measure(
    name: str, images: Sequence[tuple[Pixels, Boxes]], runners: Sequence[_Runner]
) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for runner in runners:
        overlaps: list[float] = []
        extra = 0
        for pixels, truth in images:
            matched, more = match_boxes(truth, runner(pixels))
            overlaps += matched
            extra += more
        hits = [overlap for overlap in overlaps if overlap > 0]
        rows.append(
            (
                name,
                runner.name,
                len(images),
                len(hits) / max(len(overlaps), 1),
                float(np.mean(hits)) if hits else None,
                extra / max(len(images), 1),
                runner.milliseconds(),
            )
        )
    return rows


def _false_table(context: Context, runners: Sequence[_Runner]) -> Table:
    notes: list[str] = []
    rows: list[tuple[Cell, ...]] = []
    totals = {runner.name: [0, 0] for runner in runners}
    rng = np.random.default_rng([context.seed, 2])
    groups: list[tuple[str, list[Pixels]]] = []
    natural = face_free_images()
    if natural:
        groups.append(("skimage.data without faces", natural))
    else:
        notes.append("left out, because scikit-image is not installed: its images.")
    some = context.count
    groups.append(("procedural backgrounds", [random_background(rng, _CANVAS) for _ in range(some)]))
    faces = [(sample.clean, sample.dense[:478]) for sample in context.samples("clean")[:some]]
    if context.has("portraits"):
        assert context.data is not None
        faces = _spread(held_out_portraits(context.data), some)
    tiles = [scramble(pixels, face_box(points), rng) for pixels, points in faces]
    groups.append(("scrambled faces", tiles))
    for name, images in groups:
        for runner in runners:
            # The teacher searches images without a face long and in many ways: a part of them must do.
            mine = _spread(images, 15) if runner.name == "mediapipe" else images
            false = sum(len(runner(pixels)) for pixels in mine)
            totals[runner.name][0] += false
            totals[runner.name][1] += len(mine)
            rows.append((name, runner.name, len(mine), false, 20 * false / len(mine), runner.milliseconds()))
    for runner_name, (false, number) in totals.items():
        rows.append(("all", runner_name, number, false, 20 * false / max(number, 1), None))
    columns = (
        ("images without a face", ""), ("system", ""), ("images", "d"), ("false faces", "d"),
        ("per 20", ".2f"), ("median ms", ".1f"),
    )  # fmt: skip
    return Table("Detector: false faces", columns, rows, notes)


def held_out_portraits(data: Path) -> list[tuple[Pixels, NDArray[np.float64]]]:
    """Every tenth public-domain portrait with the teacher's 478 points, pixels.

    Raises:
        UsageError: no portraits there.
    """
    folder = portraits_folder(data)
    entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    with np.load(folder / "mediapipe_478.npz") as table:
        points = table["landmarks"].astype(np.float64)
    order = sorted((e["file"], i) for i, e in enumerate(entries) if e["source"] == "bio_guide")
    chosen = [(name, i) for k, (name, i) in enumerate(order) if k % 10 == 9 and np.isfinite(points[i]).all()]
    if not chosen:
        raise UsageError(f"{folder}: no held-out portraits there")
    return [(read_portrait(folder / name), points[i]) for name, i in chosen]


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    """At most so many, evenly spread."""
    if len(items) <= most:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, most).astype(int)]


def _placed(
    portraits: Sequence[tuple[Pixels, NDArray[np.float64]]], count: int, seed: int
) -> list[tuple[str, list[tuple[Pixels, Boxes]]]]:
    """Faces of each range of sizes, and full frame, at any roll."""
    groups = []
    for group, (name, least, most) in enumerate((*_SIZES, ("full frame", 0.0, 0.0))):
        scenes = []
        for i in range(count):
            rng = np.random.default_rng([seed, 1, group, i])
            pixels, points = portraits[int(rng.integers(len(portraits)))]
            side = float(np.exp(rng.uniform(np.log(least), np.log(most)))) if most else None
            image, moved = place_face(random_background(rng, _CANVAS), pixels, points, side, rng)
            scenes.append((image, [face_box(moved)]))
        groups.append((f"placed, {name}", scenes))
    return groups


def place_face(
    canvas: Pixels,
    pixels: Pixels,
    points: NDArray[np.floating[Any]],
    side: float | None,
    rng: np.random.Generator,
) -> tuple[Pixels, NDArray[np.float64]]:
    """Lays a whole portrait over an image, turned by any angle.

    Args:
        canvas: (S, S, 3) uint8.
        pixels: (H, W, 3) uint8, the portrait.
        points: (478, 2) its points, pixels.
        side: root of the area of the face's box in the image, pixels; None lets the box fill the image, with
            its middle near the image's.
        rng: angle, place and how soft the portrait's border is.

    Returns:
        The image and the points in it (478, 2).
    """
    size = canvas.shape[0]
    angle = float(rng.uniform(-np.pi, np.pi))
    turned = Similarity(1.0, angle).apply(points)
    box = face_box(turned)
    extent = box[2:] - box[:2]
    scale = side / float(np.sqrt(np.prod(extent))) if side else rng.uniform(0.9, 1.05) * size / extent.max()
    half = scale * extent / 2
    if side:
        room = np.maximum(size - 1 - 2 * half, 0.0)
        centre = half + rng.random(2) * room
    else:
        centre = (size - 1) / 2 + rng.uniform(-0.03, 0.03, 2) * size
    shift = centre - scale * (box[:2] + box[2:]) / 2
    move = Similarity(float(scale), angle, float(shift[0]), float(shift[1]))
    mask = _border(pixels.shape[0], pixels.shape[1], float(rng.choice([0.0, 0.05, 0.15])))
    return unwarp(pixels, move.inverse(), canvas, mask=mask), move.apply(points)


def _border(height: int, width: int, soft: float) -> NDArray[np.float32]:
    """(H, W) in [0, 1], rising from the border over this share of the size."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    away = np.minimum(np.minimum(x + 1, width - x) / width, np.minimum(y + 1, height - y) / height)
    return np.clip(away / soft, 0, 1).astype(np.float32) if soft else np.ones((height, width), np.float32)


def scramble(pixels: Pixels, box: NDArray[np.floating[Any]], rng: np.random.Generator) -> Pixels:
    """A face cut into 5 × 5 to 8 × 8 tiles and shuffled: skin, eyes and hair, but no face.

    Args:
        pixels: (H, W, 3) uint8.
        box: (4,) of the face; one and a half times as much is cut.
        rng: number of tiles and their order.

    Returns:
        (240, 240, 3) uint8.
    """
    parts = int(rng.choice([5, 6, 8]))
    cut = 240 // parts
    centre, side = (box[:2] + box[2:]) / 2, 1.5 * float((box[2:] - box[:2]).max())
    square = np.concatenate([centre - side / 2, centre + side / 2])
    face, _ = similarity_crop(pixels, [float(v) for v in square], (240, 240), fill="edge")
    tiles = face.reshape(parts, cut, parts, cut, 3).swapaxes(1, 2).reshape(-1, cut, cut, 3)
    mixed = rng.permutation(tiles).reshape(parts, parts, cut, cut, 3)
    return np.ascontiguousarray(mixed.swapaxes(1, 2).reshape(240, 240, 3))


def face_free_images() -> list[Pixels]:
    """Images without a human face that scikit-image carries; none where it is not installed."""
    try:
        import skimage.data
    except ImportError:
        return []
    folder = Path(skimage.data.__file__).parent
    return [read_portrait(folder / name) for name in _FACE_FREE if (folder / name).is_file()]


def _real(data: Path, systems: Systems, model: MorphableModel) -> tuple[list[tuple[Pixels, Boxes]], int]:
    """The real photos with their reference boxes, and in how many it comes from published points."""
    images = []
    substitutes = 0
    for _, pixels, marks in real_photos(data):
        found = systems.teacher.detect(pixels) if systems.teacher is not None else ()
        reference = box_from_68(marks, model)
        # Some photos show more than one face: the annotated one counts.
        near = [face.box for face in found if match_boxes([reference], [face.box], 0.3)[0][0] > 0]
        substitutes += not near
        images.append((pixels, [near[0] if near else reference]))
    return images, substitutes


def box_from_68(points: NDArray[np.floating[Any]], model: MorphableModel) -> NDArray[np.float64]:
    """(4,) the box around the 478 points that 68 points (68, 2) imply: the mean face, affinely moved onto them."""
    assert model.landmarks_68 is not None
    assert model.landmarks_478 is not None
    flip = np.array([1.0, -1.0])
    known, wanted = (
        e.points(model.mean, model.triangles).double().numpy()[:, :2] * flip
        for e in (model.landmarks_68, model.landmarks_478)
    )
    affine = np.linalg.lstsq(np.column_stack([known, np.ones(68)]), np.asarray(points), rcond=None)[0]
    return face_box(np.column_stack([wanted, np.ones(478)]) @ affine)
