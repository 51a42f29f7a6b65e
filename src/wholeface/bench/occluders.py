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

from ..errors import UsageError, WholeFaceError

__all__ = ["MaskScore", "PooledScore", "pool", "run", "score"]

_Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class MaskScore:
    """One photo, inside its annotated face outline.

    Args:
        stem: name of the photo.
        occluded: share of the face that is covered.
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


def run(data: Path, out: Path) -> int:
    """Find the occluders of every annotated photo, write ``out/<stem>/occluder.png`` and print the table.

    Args:
        data: folder with ``<stem>.png``, ``<stem>_face.png`` and ``<stem>_occluder.png``.
        out: folder for the masks, created when missing.

    Returns:
        Exit code: 0, or 1 when a photo got no mask (it then counts as one that found nothing).

    Raises:
        UsageError: no annotated photos in ``data``.
    """
    from ..photo import read_photo
    from ..reconstructor import Reconstructor

    outlines = sorted(data.glob("*_face.png"))
    if not outlines:
        raise UsageError(
            f"{data}: no annotated photos (<stem>.png with <stem>_face.png, <stem>_occluder.png)"
        )
    reconstructor = Reconstructor(texture_size=64, refine=False)  # neither has a say in the mask
    scores, failed = [], []
    for outline in outlines:
        stem = outline.name[: -len("_face.png")]
        photo = read_photo(data / f"{stem}.png")
        found = np.zeros(photo.pixels.shape[:2], dtype=bool)
        try:
            found = reconstructor(photo).occluder > 0.5
            (out / stem).mkdir(parents=True, exist_ok=True)
            Image.fromarray(found.astype(np.uint8) * 255).save(out / stem / "occluder.png")
        except WholeFaceError as error:
            failed.append(f"{stem}: {error}")
        result = score(stem, found, _read(data / f"{stem}_occluder.png"), _read(outline))
        scores.append(result)
        print(
            f"{stem}  occluded {result.occluded:5.1%}  IoU {result.iou:.3f}  visible face "
            f"ACC {result.accuracy:.3f} PPV {result.precision:.3f} TPR {result.recall:.3f} F1 {result.f1:.3f}"
        )
    total = pool(scores)
    for line in failed:
        print(f"no mask: {line}")
    print(f"{total.photos} photos, {len(failed)} without a result")
    print(
        f"pooled occluder IoU {total.iou:.3f}   visible face ACC {total.accuracy:.3f} "
        f"PPV {total.precision:.3f} TPR {total.recall:.3f} F1 {total.f1:.3f}"
    )
    return 1 if failed else 0


def _read(path: Path) -> _Bool:
    with Image.open(path) as image:
        return np.asarray(image.convert("L")) > 127
