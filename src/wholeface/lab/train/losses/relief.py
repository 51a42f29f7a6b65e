"""Losses of the relief networks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ....networks.relief_net import ReliefOutput

__all__ = ["ReliefLoss", "bump_loss", "crease_weight", "relief_loss"]

_DEEP = 0.3  # mm of relief that double a pixel's weight
_STEEP = 0.08  # mm per pixel, likewise
_MOST = 5.0  # what relief may add to a weight of 1


@dataclass(frozen=True)
class ReliefLoss:
    """Scalars; ``total`` is their weighted sum.

    Args:
        total: what is minimised.
        value: mean error of the displacement.
        gradient: sum of the mean errors of its differences along rows and columns.
        scale: negative log likelihood of the error under a Laplace distribution of the expected scale.
    """

    total: Tensor
    value: Tensor
    gradient: Tensor
    scale: Tensor


def bump_loss(found: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    r"""Absolute error of values and of both first differences, each averaged over what counts.

    .. math::
        \ell(\tilde\Delta, \Delta) = \|\tilde\Delta - \Delta\|_1
        + \left\|\frac{\partial\tilde\Delta}{\partial x} - \frac{\partial\Delta}{\partial x}\right\|_1
        + \left\|\frac{\partial\tilde\Delta}{\partial y} - \frac{\partial\Delta}{\partial y}\right\|_1

    Args:
        found: (N, 1, H, W).
        target: (N, 1, H, W).
        weight: (N, 1, H, W) ≥ 0, or None for 1 everywhere; of a difference the smaller of its pixels' weights counts.

    Source: Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", eq. 5.
    """
    if weight is None:
        weight = torch.ones_like(target)
    value, gradient = _terms(found - target, weight, weight, 0.0)
    return value + gradient


def crease_weight(target: Tensor, strength: float = 1.0) -> Tensor:
    r"""(N, 1, H, W) ≥ 1: how much pixels count, more where there is relief.

    .. math:: 1 + s \min\left(\frac{|\Delta|}{0.3} + \frac{|\nabla\Delta|}{0.08}, 5\right)

    Most skin has none, and errors that count alike everywhere are smallest for no relief at all.

    Args:
        target: (N, 1, H, W) mm; the gradient is in mm per pixel, by central differences.
        strength: s.
    """
    padded = F.pad(target, (1, 1, 1, 1), mode="replicate")
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    right = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    steep = (down.square() + right.square()).sqrt()
    return 1 + strength * (target.abs() / _DEEP + steep / _STEEP).clamp_max(_MOST)


def relief_loss(
    output: ReliefOutput,
    target: Tensor,
    weight: Tensor,
    *,
    creases: float = 1.0,
    gradient: float = 1.0,
    scale: float = 0.02,
    round_off: float = 0.0,
) -> ReliefLoss:
    r"""Equation 5 with weights, and a Laplace likelihood for the expected error.

    .. math::
        \ell = \rho(\tilde\Delta - \Delta) + \lambda \sum_{x, y} \rho(\partial\tilde\Delta - \partial\Delta)
        + \mu \left( \frac{|\tilde\Delta - \Delta|}{b} + \log b \right)

    with :math:`\rho(e) = |e|`, or :math:`e^2 / 2c` up to :math:`c` and :math:`|e| - c/2` beyond (Huber). An absolute
    error asks for the median of what is possible, which is 0 for most folds; a square one for the mean. The
    likelihood teaches the scale alone and counts all skin alike; the displacement learns nothing of it.

    Args:
        output: of the network.
        target: (N, 1, H, W) mm.
        weight: (N, 1, H, W) in [0, 1], visible skin whose truth is known.
        creases: strength of :func:`crease_weight`.
        gradient: λ.
        scale: μ.
        round_off: c in mm (mm per pixel for differences); 0 = the paper's absolute error.
    """
    heavy = weight * crease_weight(target, creases)
    error = output.displacement - target
    value, steps = _terms(error, heavy, weight, round_off)
    missed = error.detach().abs()
    likelihood = _mean(missed / output.scale + output.scale.log(), weight, weight)
    return ReliefLoss(value + gradient * steps + scale * likelihood, value, steps, likelihood)


def _terms(error: Tensor, heavy: Tensor, weight: Tensor, round_off: float) -> tuple[Tensor, Tensor]:
    """Errors of values and of both differences: sums under ``heavy`` over the sums of ``weight``."""
    value = _mean(_rho(error, round_off), heavy, weight)
    steps = value.new_zeros(())
    for rows, columns in ((1, 0), (0, 1)):

        def near(x: Tensor, rows: int = rows, columns: int = columns) -> Tensor:
            return x[..., : x.shape[-2] - rows, : x.shape[-1] - columns]

        def far(x: Tensor, rows: int = rows, columns: int = columns) -> Tensor:
            return x[..., rows:, columns:]

        held, counted = (torch.minimum(near(w), far(w)) for w in (heavy, weight))
        steps = steps + _mean(_rho(far(error) - near(error), round_off), held, counted)
    return value, steps


def _rho(error: Tensor, round_off: float) -> Tensor:
    if round_off <= 0:
        return error.abs()
    return F.huber_loss(error, torch.zeros_like(error), reduction="none", delta=round_off) / round_off


def _mean(values: Tensor, heavy: Tensor, weight: Tensor) -> Tensor:
    return (values * heavy).sum() / weight.sum().clamp_min(1e-6)
