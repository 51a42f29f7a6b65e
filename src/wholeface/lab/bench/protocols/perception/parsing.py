"""Parsing maps and occluder masks against their truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .....core.boxes import box_iou
from .....core.errors import WholeFaceError
from .....methods.analysis import fit_and_mask
from .....morphable import MorphableModel
from .....perceive import FaceLandmarks, FaceParser, LandmarkDetector, ParsingClass
from .....perceive.face_parser import FaceParsing
from .....photo import read_photo
from .....stages import FaceState, Tools, run_stages
from ...report.table import Cell, Table
from ..occluders import MaskScore, pool, score
from .context import SETS, Context, real_photos
from .detector import box_from_68
from .metrics import class_confusion, class_iou

if TYPE_CHECKING:
    from ....data import FaceSample

__all__ = ["network_mask", "parsing_tables", "training_free_mask"]

Mask = NDArray[np.bool_]


def parsing_tables(context: Context) -> list[Table]:
    """Classes and masks on held-out composites, masks on real photos."""
    tables = []
    if context.systems.parser is not None:
        tables += _composite_tables(context, context.systems.parser)
    if context.has("real_occluded"):
        tables.append(_real_table(context))
    return tables


def network_mask(parsing: FaceParsing, height: int, width: int) -> Mask:
    """(H, W) where the network sees something in front of the face."""
    return np.asarray(parsing.in_photo(parsing.occluder, height, width) > 0.5)


def _composite_tables(context: Context, parser: FaceParser) -> list[Table]:
    names = [name for name in context.sets() if name != "clean"]
    ious, totals, missing = {}, [], 0
    for name in names:
        samples = context.samples(name)
        finder = next((f for f in context.finders if f.name.startswith("ours")), None)
        found = context.found(finder, name) if finder is not None else [None] * len(samples)
        confusion = np.zeros((len(ParsingClass), len(ParsingClass)), dtype=np.int64)
        scores: list[MaskScore] = []
        for sample, face in zip(samples, found, strict=True):
            points = None if face is None else face.points_478
            missing += points is None
            part, result = _score_sample(parser, sample, sample.dense[:478] if points is None else points)
            confusion += part
            if result is not None:
                scores.append(result)
        ious[name] = class_iou(confusion)
        total = pool(scores)
        totals.append(
            (SETS[name], total.photos, total.iou, total.accuracy, total.precision, total.recall, total.f1)
        )
    rows: list[tuple[Cell, ...]] = [
        (label.name.lower(), *(float(ious[name][label]) for name in names)) for label in ParsingClass
    ]
    rows.append(("mean", *(float(np.nanmean(ious[name])) for name in names)))
    notes = [
        "the frame follows from our own landmarks"
        + (f"; in {missing} images without any, from the true ones." if missing else ".")
    ]
    return [
        Table(
            "Parsing: IoU of the classes on held-out composites",
            (("class", ""), *((SETS[name], ".3f") for name in names)),
            rows,
            notes,
        ),
        Table(
            "Parsing: occluder mask on held-out composites, the network alone",
            (
                ("faces", ""),
                ("images", "d"),
                ("occluder IoU", ".3f"),
                ("ACC", ".3f"),
                ("PPV", ".3f"),
                ("TPR", ".3f"),
                ("visible F1", ".3f"),
            ),
            totals,
            [
                "inside the true outline of the whole face; IoU over all pixels, the others as means over images.",
            ],
        ),
    ]


def _score_sample(
    parser: FaceParser, sample: FaceSample, points: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.int64], MaskScore | None]:
    size = sample.size
    parsing = parser.parse(sample.image, points)
    edge = np.ones(parsing.labels.shape, dtype=np.float32)
    inside = parsing.in_photo(edge, size, size) > 0.5
    labels = parsing.labels_in_photo(size, size)
    confusion = class_confusion(sample.parsing[inside], labels[inside], len(ParsingClass))
    if not sample.face.any():
        return confusion, None
    found = network_mask(parsing, size, size)
    return confusion, score(sample.source, found, sample.occluder > 0, sample.face)


def training_free_mask(model: MorphableModel, pixels: NDArray[np.uint8], landmarks: FaceLandmarks) -> Mask:
    """(H, W) the mask by analysis and synthesis alone: the stages of ``analysis`` without its parsing network."""
    face = FaceState(read_photo(pixels), landmarks)
    (found,) = run_stages(fit_and_mask(parse=False), [face], Tools(model))
    if isinstance(found, WholeFaceError):
        raise found
    assert found.mask is not None
    return found.mask.hidden


def _real_table(context: Context) -> Table:
    assert context.data is not None
    systems, model = context.systems, context.model
    photos = real_photos(context.data)
    masks: list[tuple[str, Callable[[NDArray[np.uint8], NDArray[np.float64]], Mask | None]]] = [
        ("a mask that finds nothing", lambda pixels, _: np.zeros(pixels.shape[:2], dtype=bool))
    ]
    front = systems.front_end or systems.teacher
    parser = systems.parser
    if front is not None:
        if parser is not None:
            masks.append(("network alone", _network_masks(front, parser, model)))
        masks.append(("training-free alone", _training_free_masks(front, model)))
        reconstructor = context.reconstructor(front)
        masks.append(("both, as `wholeface reconstruct` does", lambda p, _: reconstructor(p).occluder > 0.5))
    rows: list[tuple[Cell, ...]] = []
    for name, make in masks:
        scores, without = [], 0
        for stem, pixels, marks in photos:
            try:
                mask = make(pixels, marks)
            except WholeFaceError:
                mask = None
            without += mask is None
            truth, face = (
                _read(context.data / "real_occluded" / f"{stem}_{n}.png") for n in ("occluder", "face")
            )
            scores.append(score(stem, np.zeros_like(face) if mask is None else mask, truth, face))
        total = pool(scores)
        rows.append(
            (name, total.photos, without, total.iou, total.accuracy, total.precision, total.recall, total.f1)
        )
    columns = (
        ("mask", ""), ("photos", "d"), ("no result", "d"), ("occluder IoU", ".3f"), ("ACC", ".3f"), ("PPV", ".3f"),
        ("TPR", ".3f"), ("visible F1", ".3f"),
    )  # fmt: skip
    with_whom = "our" if systems.front_end is not None else "mediapipe's"
    notes = [
        f"drawn by hand, inside the outline of the whole face, with {with_whom} landmarks; a photo without a result "
        "counts as a mask that found nothing.",
    ]
    return Table("Occluder mask on real photos", columns, rows, notes)


def _network_masks(
    front: LandmarkDetector, parser: FaceParser, model: MorphableModel
) -> Callable[[NDArray[np.uint8], NDArray[np.float64]], Mask | None]:
    def make(pixels: NDArray[np.uint8], marks: NDArray[np.float64]) -> Mask | None:
        face = annotated_face(front.detect(pixels), marks, model)
        points = None if face is None else face.points_478
        if points is None:
            return None
        return network_mask(parser.parse(pixels, points), *pixels.shape[:2])

    return make


def _training_free_masks(
    front: LandmarkDetector, model: MorphableModel
) -> Callable[[NDArray[np.uint8], NDArray[np.float64]], Mask | None]:
    def make(pixels: NDArray[np.uint8], marks: NDArray[np.float64]) -> Mask | None:
        face = annotated_face(front.detect(pixels), marks, model)
        return None if face is None else training_free_mask(model, pixels, face)

    return make


def annotated_face(
    faces: Sequence[FaceLandmarks], marks: NDArray[np.float64], model: MorphableModel
) -> FaceLandmarks | None:
    """The face that the published 68 points (68, 2) are about; None where there is none."""
    box = box_from_68(marks, model)
    best = max(faces, key=lambda face: box_iou(face.box, box), default=None)
    return best if best is not None and box_iou(best.box, box) > 0.2 else None


def _read(path: Path) -> Mask:
    with Image.open(path) as image:
        return np.asarray(image.convert("L")) > 127
