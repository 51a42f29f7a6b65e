"""Masks of the visible face against their truth, inside the rendered region only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError

__all__ = ["FaceSegmentation", "SegmentationSummary", "occluder_overlap", "score_visible_face", "summarise"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class FaceSegmentation:
    """One photo, inside the rendered region; the visible face is the positive class.

    Args:
        accuracy: (TP + TN) / all.
        ppv: precision, TP / (TP + FP); 0 where nothing was called face although some is seen.
        tpr: recall, TP / (TP + FN); NaN where no face is seen.
        f1: 2 TP / (2 TP + FP + FN); NaN where no face is seen and none was called so.
        pixels: of the region.
        visible: share of the region in which the face is seen.
    """

    accuracy: float
    ppv: float
    tpr: float
    f1: float
    pixels: int
    visible: float


@dataclass(frozen=True)
class SegmentationSummary:
    """Means over photos, and the standard deviation of F1 over them.

    Args:
        count: photos.
        accuracy: mean over photos, as ``ppv``, ``tpr`` and ``f1``.
        ppv: precision.
        tpr: recall.
        f1: not the harmonic mean of the two means.
        f1_sd: over photos, divided by their number, as published.
    """

    count: int
    accuracy: float
    ppv: float
    tpr: float
    f1: float
    f1_sd: float


def _check(name: str, *masks: Mask) -> None:
    for mask in masks:
        if mask.dtype != np.bool_ or mask.ndim != 2 or mask.shape != masks[0].shape:
            raise UsageError(
                f"{name}: masks must be (H, W) bool of one size, got "
                + ", ".join(f"{m.dtype} {m.shape}" for m in masks)
            )


def score_visible_face(found: Mask, truth: Mask, region: Mask, name: str = "mask") -> FaceSegmentation:
    r"""Compare what is called visible face with what is.

    .. math:: \mathrm{ACC} = \frac{TP + TN}{|R|},\quad \mathrm{PPV} = \frac{TP}{TP + FP},\quad
        \mathrm{TPR} = \frac{TP}{TP + FN},\quad F_1 = \frac{2\,TP}{2\,TP + FP + FN}

    with all counts over the pixels of the region R. (The published evaluation code counts at least one pixel in
    each cell to avoid dividing by zero; here the zero counts.)

    Args:
        found: (H, W) bool, called visible face.
        truth: (H, W) bool, is visible face.
        region: (H, W) bool, the rendered region of the model; what lies outside has no influence.
        name: of the photo, for errors.

    Raises:
        UsageError: masks of different shapes or not bool, or an empty region.

    Source: Li et al. 2021, "To fit or not to fit" (FOCUS), section 4.4.
    """
    _check(name, found, truth, region)
    if not region.any():
        raise UsageError(f"{name}: the rendered region is empty, so there is nothing to score in")
    f, t = found[region], truth[region]
    tp, tn, fp, fn = (int(m.sum()) for m in (f & t, ~f & ~t, f & ~t, ~f & t))
    return FaceSegmentation(
        accuracy=(tp + tn) / t.size,
        ppv=tp / (tp + fp) if tp + fp else (0.0 if fn else float("nan")),
        tpr=tp / (tp + fn) if tp + fn else float("nan"),
        f1=2 * tp / (2 * tp + fp + fn) if tp + fp + fn else float("nan"),
        pixels=int(t.size),
        visible=float(t.mean()),
    )


def summarise(scores: Sequence[FaceSegmentation]) -> SegmentationSummary:
    """Means over photos.

    Raises:
        UsageError: no photos, or one without a defined score (it belongs to what is missing, not into a mean).
    """
    if not scores:
        raise UsageError("no photos to average masks over")
    table = np.array([(s.accuracy, s.ppv, s.tpr, s.f1) for s in scores])
    if not np.isfinite(table).all():
        raise UsageError("a photo in whose region no face is seen has no TPR; leave it out and say so")
    accuracy, ppv, tpr, f1 = (float(mean) for mean in table.mean(axis=0))
    return SegmentationSummary(len(scores), accuracy, ppv, tpr, f1, float(table[:, 3].std()))


def occluder_overlap(found: Mask, truth: Mask, region: Mask, name: str = "mask") -> tuple[int, int]:
    """Pixels of intersection and union of two occluder masks inside a region; IoU = first / second.

    Args:
        found: (H, W) bool, called occluder.
        truth: (H, W) bool, is occluder.
        region: (H, W) bool, where it counts.
        name: of the photo, for errors.

    Raises:
        UsageError: masks of different shapes or not bool.
    """
    _check(name, found, truth, region)
    return int((found & truth & region).sum()), int(((found | truth) & region).sum())
