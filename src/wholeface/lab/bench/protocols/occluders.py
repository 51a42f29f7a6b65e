"""Occluder masks against hand-drawn ones: ``wholeface bench occluders``.

The measure is that of the literature on face segmentation under occlusion. Inside an annotated outline of
the whole face, the visible face is the positive class of accuracy, precision, recall and F1, averaged over
photos; the occluder's intersection over union is taken over the pixels of all photos together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....core.errors import UsageError, WholeFaceError
from ..protocol import Metric, Missing, Protocol, Report, RunOptions
from ..report.table import Cell, Table

__all__ = ["PROTOCOL", "MaskScore", "PooledScore", "pool", "run", "score"]

_Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class MaskScore:
    """One photo, inside its annotated face outline.

    Args:
        stem: name of the photo.
        occluded: share of the face that is occluded.
        intersection: pixels that both masks call occluder.
        union: pixels that either does.
        accuracy: share of the face's pixels on which both agree.
        precision: of the visible face (PPV).
        recall: of the visible face (TPR).
    """

    stem: str
    occluded: float
    intersection: int
    union: int
    accuracy: float
    precision: float
    recall: float

    @property
    def iou(self) -> float:
        """Of the occluder; 1 when neither mask has any."""
        return self.intersection / self.union if self.union else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall of the visible face."""
        return 2 * self.precision * self.recall / max(self.precision + self.recall, 1e-9)


@dataclass(frozen=True)
class PooledScore:
    """All photos: ``iou`` over all pixels together, the others as means over photos."""

    photos: int
    iou: float
    accuracy: float
    precision: float
    recall: float
    f1: float


def score(stem: str, found: _Bool, truth: _Bool, face: _Bool) -> MaskScore:
    """Compare two (H, W) occluder masks inside ``face``.

    Raises:
        UsageError: different shapes, or an empty face.
    """
    if not found.shape == truth.shape == face.shape:
        raise UsageError(f"{stem}: masks of different sizes: {found.shape}, {truth.shape}, {face.shape}")
    if not face.any():
        raise UsageError(f"{stem}: the annotated face is empty")
    t, g = truth[face], found[face]
    seen, wrong, missed = (int(m.sum()) for m in (~t & ~g, t & ~g, ~t & g))
    return MaskScore(
        stem=stem,
        occluded=float(t.mean()),
        intersection=int((t & g).sum()),
        union=int((t | g).sum()),
        accuracy=float((t == g).mean()),
        precision=seen / max(seen + wrong, 1),
        recall=seen / max(seen + missed, 1),
    )


def pool(scores: Sequence[MaskScore]) -> PooledScore:
    """Figures over all photos.

    Raises:
        UsageError: there are none.
    """
    if not scores:
        raise UsageError("no annotated photos to score")
    union = sum(s.union for s in scores)
    return PooledScore(
        photos=len(scores),
        iou=sum(s.intersection for s in scores) / union if union else 1.0,
        accuracy=float(np.mean([s.accuracy for s in scores])),
        precision=float(np.mean([s.precision for s in scores])),
        recall=float(np.mean([s.recall for s in scores])),
        f1=float(np.mean([s.f1 for s in scores])),
    )


def run(options: RunOptions) -> Report:
    """Find the occluders of every annotated photo; the masks are the report's images.

    Args:
        options: ``data`` is a folder with ``<stem>.png``, ``<stem>_face.png`` and ``<stem>_occluder.png``; ``count``:
            photos at most (2 where it should be quick).

    Raises:
        UsageError: no annotated photos in ``data``.
    """
    from ....photo import read_photo
    from ....reconstructor import Reconstructor

    data = options.data
    outlines = [] if data is None else sorted(data.glob("*_face.png"))
    if data is None or not outlines:
        raise UsageError(
            f"{data}: no annotated photos (<stem>.png with <stem>_face.png, <stem>_occluder.png)"
        )
    outlines = outlines[: options.count or (2 if options.quick else None)]
    reconstructor = Reconstructor(texture_size=64, refine=False)  # neither has a say in the mask
    scores: list[MaskScore] = []
    missing: list[Missing] = []
    images: dict[str, NDArray[np.uint8]] = {}
    for outline in outlines:
        stem = outline.name[: -len("_face.png")]
        photo = read_photo(data / f"{stem}.png")
        found = np.zeros(photo.pixels.shape[:2], dtype=bool)
        try:
            found = reconstructor(photo).occluder > 0.5
            images[f"{stem}/occluder"] = np.where(found[..., None], np.uint8(255), np.zeros(3, np.uint8))
        except WholeFaceError as error:
            missing.append(Missing(stem, "wholeface", f"{error}; it counts as a mask that finds nothing"))
        scores.append(score(stem, found, _read(data / f"{stem}_occluder.png"), _read(outline)))
    total = pool(scores)
    rows: list[tuple[Cell, ...]] = [
        (s.stem, s.occluded, s.iou, s.accuracy, s.precision, s.recall, s.f1) for s in scores
    ]
    rows.append(("all", None, total.iou, total.accuracy, total.precision, total.recall, total.f1))
    columns = (
        ("photo", ""), ("occluded", ".1%"), ("occluder IoU", ".3f"), ("ACC", ".3f"), ("PPV", ".3f"), ("TPR", ".3f"),
        ("visible F1", ".3f"),
    )  # fmt: skip
    note = "all: the IoU over the pixels of all photos together, the others as means over photos."
    done = total.photos - len(missing)
    numbers = {"occluder IoU": total.iou, "visible face, F1": total.f1, "visible face, ACC": total.accuracy}
    numbers |= {"visible face, PPV": total.precision, "visible face, TPR": total.recall}
    metrics = [
        Metric(name, "wholeface", "all", value, "1", "higher", count=done, total=total.photos)
        for name, value in numbers.items()
    ]
    return Report(
        [Table("Occluder masks on annotated photos", columns, rows, [note])], metrics, images, missing
    )


PROTOCOL = Protocol(
    name="occluders",
    title="Occluder masks on annotated photos",
    summary="occluder masks against hand-drawn ones",
    source="",
    run=run,
    needs_data=True,
    material="real_occluded",
)


def _read(path: Path) -> _Bool:
    with Image.open(path) as image:
        return np.asarray(image.convert("L")) > 127
