"""Frames and lenses of spectacles against their truth, and whether a face wears any."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .....perceive import EyewearPart, FaceLandmarks, FaceParser, LandmarkDetector, OccluderKind
from ...report.table import Cell, Table
from ...sets.eyewear import labelled_photos, worn_or_not
from .context import Context

if TYPE_CHECKING:
    from ....data import FaceSample

__all__ = ["PartCounts", "eyewear_tables", "part_counts", "part_maps"]

_Map = NDArray[np.uint8]
_SEED = 50
_SIZE, _SCALE = 448, 0.62
_COMPOSITES = {"glasses": 0.6, "sunglasses": 0.4}


def eyewear_tables(context: Context) -> list[Table]:
    """Overlap on held-out composites and on photos drawn by hand; recall and false alarms of spectacles."""
    parser, front = context.systems.parser, context.systems.front_end or context.systems.teacher
    if parser is None:
        return []
    rows: list[tuple[Cell, ...]] = []
    if context.has("portraits"):
        found = [_of_sample(parser, sample) for sample in _composites(context)]
        rows += _rows("held-out designs on held-out portraits", found)
    tables = []
    photos: list[tuple[Cell, ...]] = []
    if context.data is not None and context.has("faces_stock") and front is not None:
        maps, lost = [], 0
        for photo in labelled_photos(context.data):
            face = _largest(front, photo.pixels)
            points = None if face is None else face.points_478
            lost += points is None
            empty = np.zeros_like(photo.parts)
            pair = (empty, empty) if points is None else part_maps(parser, photo.pixels, points)
            maps.append((photo.parts, *pair))
            counts = part_counts(photo.parts, pair[0])
            photos.append((photo.name, counts.iou(1), counts.iou(2), counts.iou(3), counts.hiding_iou))
        rows += _rows(f"photos drawn by hand ({lost} without a face)", maps)
    if rows:
        columns = (
            ("faces", ""), ("system", ""), ("images", "d"), ("frame IoU", ".3f"), ("clear lens IoU", ".3f"),
            ("dark lens IoU", ".3f"), ("frame or dark lens IoU", ".3f"),
        )  # fmt: skip
        notes = [
            "over the pixels of all images together; composites have their true points, photos those of the front "
            "end. The parsing network alone does not tell frames from lenses; its last column counts what it calls "
            "eyeglasses or sunglasses.",
        ]
        tables.append(Table("Spectacles: overlap with the truth", columns, rows, notes))
    if photos:
        heads = (
            ("photo", ""), ("frame IoU", ".3f"), ("clear lens IoU", ".3f"), ("dark lens IoU", ".3f"),
            ("frame or dark lens IoU", ".3f"),
        )  # fmt: skip
        tables.append(Table("Spectacles: photos drawn by hand, one by one", heads, photos))
    if context.data is not None and front is not None:
        presence = _presence(context, parser, front)
        if presence.rows:
            tables.append(presence)
    return tables


class PartCounts:
    """Pixels by true and found part.

    Args:
        confusion: (4, 4), rows the truth, columns what was found.
    """

    def __init__(self, confusion: NDArray[np.int64]) -> None:
        self.confusion = confusion

    def iou(self, part: int) -> float:
        """Intersection over union; NaN where the part is neither there nor found."""
        c = self.confusion
        union = int(c[part].sum() + c[:, part].sum() - c[part, part])
        return float(c[part, part] / union) if union else float("nan")

    @property
    def hiding_iou(self) -> float:
        """Of frames and dark lenses together."""
        hiding = [EyewearPart.FRAME, EyewearPart.DARK_LENS]
        c = self.confusion
        both = int(c[np.ix_(hiding, hiding)].sum())
        union = int(c[hiding].sum() + c[:, hiding].sum()) - both
        return both / union if union else float("nan")


def part_counts(truth: _Map, found: _Map) -> PartCounts:
    """Counts over the pixels of one image, or of several laid end to end."""
    number = len(EyewearPart)
    pairs = np.bincount(truth.ravel().astype(int) * number + found.ravel(), minlength=number**2)
    return PartCounts(pairs.reshape(number, number))


def part_maps(
    parser: FaceParser, pixels: NDArray[np.uint8], points: NDArray[np.floating]
) -> tuple[_Map, _Map]:
    """(H, W) :class:`EyewearPart` by the eyewear network, and what the parsing network calls spectacles.

    The latter as ``DARK_LENS``: it does not know their parts.
    """
    height, width = pixels.shape[:2]
    parsing = parser.parse(pixels, points)
    parts = np.zeros((height, width), np.uint8)
    if parsing.eyewear is not None and parsing.eyewear.worn:
        fields = np.zeros((len(EyewearPart), height, width), np.float32)
        fields[EyewearPart.NONE] = 1.0
        for part in EyewearPart:
            patch = parsing.eyewear.patch(parsing.eyewear.parts[part], height, width)
            if part is not EyewearPart.NONE:
                fields[part][patch.slices] = patch.values
        fields[EyewearPart.NONE] -= fields[1:].sum(0)
        parts = fields.argmax(0).astype(np.uint8)
    kinds = parsing.kind[[OccluderKind.GLASSES, OccluderKind.SUNGLASSES]].sum(0)
    alone = parsing.in_photo(kinds, height, width) > 0.5
    return parts, np.where(alone, np.uint8(EyewearPart.DARK_LENS), np.uint8(0))


def _rows(name: str, maps: list[tuple[_Map, _Map, _Map]]) -> list[tuple[Cell, ...]]:
    """Of truth, eyewear network and parsing network."""
    ours = PartCounts(np.sum([part_counts(t, a).confusion for t, a, _ in maps], axis=0))
    alone = PartCounts(np.sum([part_counts(t, b).confusion for t, _, b in maps], axis=0))
    return [
        (name, "eyewear network", len(maps), ours.iou(1), ours.iou(2), ours.iou(3), ours.hiding_iou),
        (name, "parsing network alone", len(maps), None, None, None, alone.hiding_iou),
    ]


def _composites(context: Context) -> list[FaceSample]:
    from ....data.engine import EngineSettings, FaceEngine
    from ....data.synthetic.faces import SyntheticSettings

    settings = EngineSettings(
        portraits=1.0, clean=0.0, occluders=_COMPOSITES, synthetic=SyntheticSettings(scale=_SCALE)
    )
    engine = FaceEngine(
        context.data, seed=context.seed + _SEED, size=_SIZE, split=context.occluded, settings=settings
    )
    return [engine.sample(i) for i in range(context.count)]


def _of_sample(parser: FaceParser, sample: FaceSample) -> tuple[_Map, _Map, _Map]:
    assert sample.eyewear is not None
    return sample.eyewear, *part_maps(parser, sample.image, sample.dense[:478])


def _largest(front: LandmarkDetector, pixels: NDArray[np.uint8]) -> FaceLandmarks | None:
    return next(iter(front.detect(pixels)), None)


def _presence(context: Context, parser: FaceParser, front: LandmarkDetector) -> Table:
    """Whether spectacles are noticed, and imagined."""
    assert context.data is not None
    images: Counter[tuple[str, bool]] = Counter()
    said: Counter[tuple[str, bool]] = Counter()
    marked: Counter[tuple[str, bool]] = Counter()
    for item in worn_or_not(context.data, 4 * context.count):
        with Image.open(item.path) as image:
            pixels = np.asarray(image.convert("RGB"))
        face = _largest(front, pixels)
        points = None if face is None else face.points_478
        if points is None:
            continue
        eyewear = parser.parse(pixels, points).eyewear
        key = (item.group, item.glasses)
        images[key] += 1
        if eyewear is not None:
            said[key] += eyewear.worn
            marked[key] += eyewear.worn and float((eyewear.parts[0] < 0.5).mean()) > 0.002
    rows: list[tuple[Cell, ...]] = [
        (group, "with spectacles" if glasses else "without", number, said[key] / number, marked[key] / number)
        for key, number in images.items()
        for group, glasses in [key]
    ]
    columns = (
        ("portraits", ""),
        ("group", ""),
        ("images", "d"),
        ("spectacles found", ".1%"),
        ("marked", ".1%"),
    )
    note = "labelled by eye; photos in which no face was found are left out. marked: pixels were, too."
    return Table("Spectacles: who wears them", columns, rows, [note])
