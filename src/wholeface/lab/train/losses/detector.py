"""Loss of the face detector: which cells answer for which face, and how well they do."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ....networks.detector_net import STRIDES, decode

__all__ = ["DetectorTargets", "assign_cells", "detector_loss"]

_REACH = 2.5  # times the stride: cells this near to a face's middle may answer for it
_SMALLEST, _LARGEST = 1.6, 7.0  # a face of these many strides or more (or fewer) belongs to a scale
_MARGIN = 1.4  # beyond those by less than this factor, a scale may find the face too


@dataclass(frozen=True)
class DetectorTargets:
    """Truth of each cell.

    Args:
        face: (N, cells) int64 index of the face for which the cell answers; −1 none, −2 either answer is right.
    """

    face: Tensor


def assign_cells(boxes: Tensor, count: Tensor, centres: Tensor, strides: Tensor) -> DetectorTargets:
    """Which cells answer for which face: those near its middle on the scales that suit its size.

    Args:
        boxes: (N, M, 4) x0, y0, x1, y1 in input pixels, padded.
        count: (N,) number of faces in each image.
        centres: (cells, 2) and strides: (cells,), of :func:`cell_centres`.

    Source: after the centre sampling of Tian et al. 2019, "FCOS".
    """
    real = torch.arange(boxes.shape[1], device=boxes.device)[None] < count[:, None]  # (N, M)
    size = (boxes[..., 2:] - boxes[..., :2]).clamp_min(1e-3)
    middle = (boxes[..., 2:] + boxes[..., :2]) / 2
    side = size.prod(-1).sqrt()  # (N, M)
    in_strides = side[:, None] / strides[None, :, None]  # (N, cells, M)
    fits = (in_strides >= _SMALLEST) & (in_strides < _LARGEST)
    fits |= (strides[None, :, None] == STRIDES[0]) & (in_strides < _LARGEST)
    fits |= (strides[None, :, None] == STRIDES[-1]) & (in_strides >= _SMALLEST)
    offset = (centres[None, :, None] - middle[:, None]).abs()  # (N, cells, M, 2)
    reach = torch.minimum(0.3 * size[:, None], _REACH * strides[None, :, None, None].expand_as(offset))
    reach = torch.maximum(reach, 0.51 * strides[None, :, None, None].expand_as(offset))
    near = (offset <= reach).all(-1) & real[:, None]
    inside = (offset <= 0.45 * size[:, None]).all(-1) & real[:, None]
    # The nearest face (by its own size) answers where several could.
    distance = (offset / size[:, None]).square().sum(-1).masked_fill(~(near & fits), torch.inf)
    best, index = distance.min(-1)
    face = torch.where(torch.isfinite(best), index, -1)
    # Either answer is right beside the middle on the face's own scales, and in its middle on scales that nearly suit
    # it; everywhere else a face holds no further face.
    nearly = (in_strides >= _SMALLEST / _MARGIN) & (in_strides < _LARGEST * _MARGIN)
    unsure = (face < 0) & ((fits & inside) | (nearly & near)).any(-1)
    return DetectorTargets(torch.where(unsure, -2, face))


def detector_loss(
    raw: Tensor, boxes: Tensor, points: Tensor, count: Tensor, centres: Tensor, strides: Tensor
) -> dict[str, Tensor]:
    """Focal loss of the score, GIoU loss of the box, smooth L1 of the points over the face's size.

    Args:
        raw: (N, cells, 15) of the network.
        boxes: (N, M, 4), points: (N, M, 5, 2) input pixels, padded; count: (N,).
        centres: (cells, 2), strides: (cells,).

    Returns:
        Scalars ``total``, ``score``, ``box``, ``points``.

    Source: Lin et al. 2017, "Focal loss"; Rezatofighi et al. 2019, "Generalized intersection over union".
    """
    targets = assign_cells(boxes, count, centres, strides).face
    logits, found, found_points = decode(raw, centres, strides)
    positive = targets >= 0
    number = positive.sum().clamp_min(1)
    truth = positive.float()
    probability = logits.sigmoid()
    miss = torch.where(positive, 1 - probability, probability)
    balance = torch.where(positive, 0.25 * 3, 0.75)
    focal = balance * miss**2 * F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    score = (focal * (targets > -2)).sum() / number
    image, cell = positive.nonzero(as_tuple=True)
    chosen = targets[image, cell]
    box, wanted = found[image, cell], boxes[image, chosen]
    box_loss = (1 - generalized_iou(box, wanted)).sum() / number
    side = (wanted[:, 2:] - wanted[:, :2]).clamp_min(1).prod(-1).sqrt()
    off = (found_points[image, cell] - points[image, chosen]) / side[:, None, None]
    point_loss = (
        F.smooth_l1_loss(off, torch.zeros_like(off), beta=0.05, reduction="none").mean((1, 2)).sum() / number
    )
    total = score + box_loss + 5 * point_loss
    return {"total": total, "score": score, "box": box_loss, "points": point_loss}


def generalized_iou(a: Tensor, b: Tensor) -> Tensor:
    """(N,) generalised intersection over union of boxes (N, 4), in (−1, 1]."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    both = (high - low).clamp_min(0).prod(-1)
    each = (a[:, 2:] - a[:, :2]).prod(-1) + (b[:, 2:] - b[:, :2]).prod(-1) - both
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(-1)
    return both / each.clamp_min(1e-6) - (hull - each) / hull.clamp_min(1e-6)
