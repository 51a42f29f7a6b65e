"""The measures of ``wholeface bench perception``: pure functions of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....core.boxes import box_iou
from .....core.errors import UsageError

__all__ = [
    "FAILURE",
    "Calibration",
    "NmeSummary",
    "calibration",
    "class_confusion",
    "class_iou",
    "eye_scale",
    "match_boxes",
    "nme_summary",
    "point_errors",
]

Array = NDArray[np.float64]

FAILURE = 8.0  # per cent of the scale; an image with a larger mean error counts as failed
_OUTER_EYES, _FOREHEAD_CHIN = (33, 263), (10, 152)  # of the 478 points
_LEAST = 0.4  # of the height from forehead to chin; below it the eyes are foreshortened


def match_boxes(
    truth: Sequence[NDArray[np.floating[Any]]], found: Sequence[NDArray[np.floating[Any]]], least: float = 0.5
) -> tuple[list[float], int]:
    """Pairs true and found boxes one to one, best overlap first.

    Args:
        truth: boxes (4,).
        found: boxes (4,).
        least: overlap (IoU) from which a box counts as found.

    Returns:
        The overlap of each true box with its partner, 0 where it has none; and the number of found boxes without one.
    """
    pairs = sorted(
        ((float(box_iou(t, f)), i, j) for i, t in enumerate(truth) for j, f in enumerate(found)),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    overlaps = [0.0] * len(truth)
    taken: set[int] = set()
    for overlap, i, j in pairs:
        if overlap >= least and overlaps[i] == 0.0 and j not in taken:
            overlaps[i] = overlap
            taken.add(j)
    return overlaps, len(found) - len(taken)


def eye_scale(points_478: NDArray[np.floating[Any]]) -> float:
    """The unit of errors in pixels: the distance of the outer eye corners.

    Where the head is turned so far that the corners draw near to each other, 0.4 times the distance from the top of
    the forehead to the chin takes over; a frontal face has 0.53 times.

    Args:
        points_478: (478, 2) true points, pixels.
    """
    p = np.asarray(points_478, dtype=np.float64)
    eyes = float(np.linalg.norm(p[_OUTER_EYES[0]] - p[_OUTER_EYES[1]]))
    height = float(np.linalg.norm(p[_FOREHEAD_CHIN[0]] - p[_FOREHEAD_CHIN[1]]))
    return max(eyes, _LEAST * height)


def point_errors(
    found: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]], scale: float
) -> NDArray[np.float64]:
    """(L,) distances of points (L, 2) from their true places, per cent of ``scale`` (pixels)."""
    off = np.asarray(found, dtype=np.float64) - np.asarray(truth, dtype=np.float64)
    return np.asarray(100.0 * np.linalg.norm(off, axis=-1) / scale)


@dataclass(frozen=True)
class NmeSummary:
    """Normalised mean errors (NME) of many images, per cent.

    Args:
        images: all of them.
        missed: images without a result; they have no part in mean and median.
        mean: over images; NaN when none is left.
        median: over images; NaN when none is left.
        failed: share of all images that were missed or have an error above :data:`FAILURE`.
    """

    images: int
    missed: int
    mean: float
    median: float
    failed: float


def nme_summary(errors: Sequence[float | None]) -> NmeSummary:
    """Summary of one NME per image; None where nothing was found.

    Raises:
        UsageError: no images.
    """
    if not errors:
        raise UsageError("no images to measure landmarks on")
    there = np.array([error for error in errors if error is not None], dtype=np.float64)
    missed = len(errors) - len(there)
    return NmeSummary(
        images=len(errors),
        missed=missed,
        mean=float(there.mean()) if len(there) else float("nan"),
        median=float(np.median(there)) if len(there) else float("nan"),
        failed=float((there > FAILURE).sum() + missed) / len(errors),
    )


@dataclass(frozen=True)
class Calibration:
    """How far the stated uncertainty is right; a perfect Gaussian has 1, 0.683 and 0.95.

    Args:
        values: coordinates that were compared.
        rms: root mean square of error over sigma; above 1 the detector is too sure of itself.
        within_68: share of errors within one sigma.
        within_95: share of errors within 1.96 sigma.
    """

    values: int
    rms: float
    within_68: float
    within_95: float


def calibration(errors: NDArray[np.floating[Any]], sigma: NDArray[np.floating[Any]]) -> Calibration:
    """Errors against their stated standard deviations, both of the same shape and unit, one entry a coordinate.

    Raises:
        UsageError: nothing to compare, or shapes that differ.
    """
    e, s = np.asarray(errors, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    if e.shape != s.shape or e.size == 0:
        raise UsageError(f"errors {e.shape} and sigmas {s.shape} must have the same shape and not be empty")
    ratio = np.abs(e) / s
    return Calibration(
        values=e.size,
        rms=float(np.sqrt((ratio**2).mean())),
        within_68=float((ratio <= 1.0).mean()),
        within_95=float((ratio <= 1.96).mean()),
    )


def class_confusion(
    truth: NDArray[np.integer[Any]], found: NDArray[np.integer[Any]], classes: int
) -> NDArray[np.int64]:
    """(classes, classes) pixel counts, true class by row; pixels whose true label is no class are left out."""
    known = (truth >= 0) & (truth < classes)
    index = truth[known].astype(np.int64) * classes + found[known].astype(np.int64)
    return np.bincount(index, minlength=classes * classes).reshape(classes, classes)


def class_iou(confusion: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """(classes,) intersection over union from a confusion matrix; NaN for a class that never occurs in truth."""
    both = np.diag(confusion).astype(np.float64)
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - both
    return np.where(confusion.sum(axis=1) > 0, both / np.maximum(either, 1), np.nan)
