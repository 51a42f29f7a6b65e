"""Loss of the eyewear network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ....networks import EyewearOutput
from ....perceive import IGNORE, EyewearPart

__all__ = ["EyewearLoss", "eyewear_loss"]

_WEIGHTS = (
    1.0,
    1.2,
    1.0,
    1.0,
)  # of the parts in the cross entropy: frames are thin, but must not become thick
_SEEN = 0.002  # share of the band from which spectacles count as there


@dataclass(frozen=True)
class EyewearLoss:
    """Parts of :func:`eyewear_loss`, each a scalar tensor."""

    total: Tensor
    parts: Tensor
    overlap: Tensor
    presence: Tensor


def eyewear_loss(output: EyewearOutput, truth: Tensor) -> EyewearLoss:
    """Cross entropy and soft Dice losses of the parts, and the cross entropy of the presence.

    Args:
        output: logits.
        truth: (N, H, W) int64 :class:`EyewearPart`, ``IGNORE`` where unknown.

    Source: Milletari et al. 2016, "V-Net", for the Dice loss.
    """
    known = truth != IGNORE
    logits = output.parts.float()
    weights = torch.tensor(_WEIGHTS, device=truth.device)
    parts = F.cross_entropy(logits, truth, weight=weights, ignore_index=IGNORE)
    shown = torch.stack([truth == part for part in EyewearPart if part], dim=1)
    found = logits.softmax(1)[:, 1:] * known[:, None]
    both = (found * shown).sum((0, 2, 3))
    each = found.sum((0, 2, 3)) + shown.sum((0, 2, 3))
    overlap = (1 - (2 * both + 1) / (each + 1)).mean()
    there = (shown.any(1).float().mean((1, 2)) > _SEEN).float()
    presence = F.binary_cross_entropy_with_logits(output.presence.float(), there)
    return EyewearLoss(parts + overlap + 0.3 * presence, parts, overlap, presence)
