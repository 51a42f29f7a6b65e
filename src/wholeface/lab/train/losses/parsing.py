"""Loss of the parsing network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ....networks import ParsingOutput
from ....perceive import FACE_CLASSES, IGNORE, OccluderKind

__all__ = ["ParsingLoss", "parsing_loss"]


@dataclass(frozen=True)
class ParsingLoss:
    """Parts of :func:`parsing_loss`, each a scalar tensor."""

    total: Tensor
    parsing: Tensor
    kind: Tensor
    occluder: Tensor
    face: Tensor


def parsing_loss(
    output: ParsingOutput,
    parsing: Tensor,
    occluder: Tensor,
    face: Tensor,
    *,
    class_weight: Tensor | None = None,
    outside: float = 0.25,
) -> ParsingLoss:
    """Cross entropies of the three maps, and a soft Dice loss of the occluder inside the face.

    Args:
        output: logits, (N, …, h, w).
        parsing: (N, h, w) int64 :class:`ParsingClass`, ``IGNORE`` where unknown.
        occluder: (N, h, w) int64 :class:`OccluderKind`, ``IGNORE`` where unknown.
        face: (N, h, w) bool, the whole face.
        class_weight: (classes,) weight of each parsing class, or None.
        outside: weight of the occluder's kind outside the face, where it matters little.

    Source: Milletari et al. 2016, "V-Net", for the Dice loss.
    """
    known = parsing != IGNORE
    log_class = output.parsing.log_softmax(1)
    chosen = log_class.gather(1, parsing.clamp_max(output.parsing.shape[1] - 1)[:, None])[:, 0]
    weighing = (
        known if class_weight is None else known * class_weight[parsing.clamp_max(len(class_weight) - 1)]
    )
    parsing_part = -(chosen * weighing).sum() / known.sum().clamp_min(1)
    sure = (occluder != IGNORE).float()
    weight = sure * torch.where(face, 1.0, outside)
    log_kind = output.kind.log_softmax(1)
    kinds = log_kind.gather(1, occluder.clamp_max(output.kind.shape[1] - 1)[:, None])[:, 0]
    kind_part = -(kinds * weight).sum() / weight.sum().clamp_min(1)
    occluded = ((occluder != OccluderKind.NONE) & (occluder != IGNORE)).float()
    inside = sure * face.float()
    # Both opinions of the occluder, since both will be asked for it.
    by_kind = 1 - log_kind[:, OccluderKind.NONE].exp()
    by_class = 1 - log_class[:, list(FACE_CLASSES)].exp().sum(1)
    occluder_part = 0.5 * (_dice(by_kind, occluded, inside) + _dice(by_class, occluded, inside * known))
    face_part = F.binary_cross_entropy_with_logits(output.face[:, 0], face.float())
    total = parsing_part + kind_part + 0.5 * occluder_part + 0.5 * face_part
    return ParsingLoss(total, parsing_part, kind_part, occluder_part, face_part)


def _dice(found: Tensor, truth: Tensor, where: Tensor) -> Tensor:
    """1 − soft Dice coefficient over the whole batch, (N, h, w) each."""
    both = (found * truth * where).sum()
    each = ((found + truth) * where).sum()
    return 1 - (2 * both + 1) / (each + 1)
