"""Loss of the landmark network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ....core.errors import UsageError
from ....networks import LandmarkOutput

__all__ = ["LandmarkLoss", "landmark_loss"]

_FAR = 4.0  # sigma
_WIDEST = 6.0  # log sigma is kept below this, and above minus this


@dataclass(frozen=True)
class LandmarkLoss:
    """Parts of :func:`landmark_loss`, each a scalar tensor."""

    total: Tensor
    points: Tensor
    self_visible: Tensor
    occluded: Tensor
    person: Tensor


def landmark_loss(
    output: LandmarkOutput,
    points: Tensor,
    self_visible: Tensor,
    occluded: Tensor,
    *,
    kind: Literal["squared", "gaussian", "balanced"] = "gaussian",
    point_weight: Tensor | None = None,
    flag_weight: Tensor | None = None,
    flag_strength: float = 0.1,
    identity: Tensor | None = None,
    identity_weight: Tensor | None = None,
    identity_strength: float = 0.3,
) -> LandmarkLoss:
    r"""Squared error of the points, plain or weighted by the predicted uncertainty, of the flags and of the person.

    squared: :math:`\tfrac1L\sum_l \|\hat z_l - z_l\|^2` (pixels of the input)

    gaussian: :math:`\tfrac1L\sum_l \log\sigma_l^2 + \|\hat z_l - z_l\|^2 / (2\sigma_l^2)`, the negative log
    likelihood of a circular normal distribution up to a constant; beyond four standard deviations the error counts
    linearly (Huber 1964), lest single images of nearly hidden faces outweigh all others.

    balanced: the same times :math:`\sigma_l` (which then has no gradient), over the mean of these weights: points and
    images of which the network is unsure count for their distance, not less and less (β = ½ of Seitzer et al.).

    person: :math:`\tfrac1K\sum_k \log s_k + (\hat a_k - a_k)^2 / (2 s_k^2)` of the identity's coefficients.

    Args:
        output: of the network.
        points: (N, L, 2) truth in input pixels; hidden points count as much as seen ones.
        self_visible: (N, L) bool.
        occluded: (N, L) bool.
        kind: ``squared`` is the paper's; ``gaussian`` and ``balanced`` learn an uncertainty beside.
        point_weight: (N,) or (N, L) weight of the points, or None; 0 where their truth is unknown.
        flag_weight: (N,) or (N, L) weight of the flags, or None.
        flag_strength: factor on the flags' cross entropies.
        identity: (N, K) true coefficients, or None.
        identity_weight: (N,) or (N, K) weight of the coefficients, or None; 0 where they are unknown.
        identity_strength: factor on their part.

    Raises:
        UsageError: an unknown kind.

    Source: Zhao & Qi, eq. 1; Wood et al. 2022, "3D face reconstruction with dense landmarks", eq. 1;
    Seitzer et al. 2022, "On the pitfalls of heteroscedastic uncertainty estimation with probabilistic
    neural networks".
    """
    squared = ((output.points - points) ** 2).sum(dim=-1)  # (N, L)
    if kind == "squared":
        error = squared
    elif kind in ("gaussian", "balanced"):
        log_sigma = output.log_sigma.clamp(-_WIDEST, _WIDEST)
        scaled = squared * torch.exp(-2 * log_sigma)
        far = scaled > _FAR**2
        distance = torch.sqrt(torch.where(far, scaled, 1.0))  # no infinite slope at zero
        error = 2 * log_sigma + torch.where(far, _FAR * distance - 0.5 * _FAR**2, 0.5 * scaled)
        if kind == "balanced":
            spread = log_sigma.detach().exp()
            error = error * spread / _mean(spread, point_weight)
    else:
        raise UsageError(f"unknown landmark loss {kind!r}; choose squared, gaussian or balanced")
    located = _mean(error, point_weight)
    self_visible_loss = _mean(
        F.binary_cross_entropy_with_logits(output.self_visible, self_visible.float(), reduction="none"),
        flag_weight,
    )
    occluded_loss = _mean(
        F.binary_cross_entropy_with_logits(output.occluded, occluded.float(), reduction="none"), flag_weight
    )
    total = located + flag_strength * (self_visible_loss + occluded_loss)
    person = located.new_zeros(())
    if identity is not None:
        log_s = output.identity_log_sigma.clamp(-_WIDEST, _WIDEST)
        off = ((output.identity - identity) * torch.exp(-log_s)) ** 2
        person = _mean(log_s + 0.5 * off, identity_weight)
        total = total + identity_strength * person
    return LandmarkLoss(total, located, self_visible_loss, occluded_loss, person)


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Mean of (N, L), weighted by (N,) or (N, L)."""
    if weight is None:
        return values.mean()
    if weight.ndim == 1:
        weight = weight[:, None]
    weight = weight.expand_as(values)
    return (values * weight).sum() / weight.sum().clamp_min(1.0)
