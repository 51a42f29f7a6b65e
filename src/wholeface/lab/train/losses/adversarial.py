"""The game of generator and discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from ....core.errors import UsageError

__all__ = ["OBJECTIVES", "Objective", "discriminator_loss", "generator_loss"]

Objective = Literal["logistic", "least_squares", "hinge"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


def discriminator_loss(
    real: Sequence[Tensor], fake: Sequence[Tensor], objective: Objective = "logistic"
) -> Tensor:
    r"""What the discriminators make small: the negative of equation 6.

    .. math:: \mathcal L_{GAN} = E[\log D_{1,2}(I_{fac}, M)] + E[\log(1 - D_{1,2}(I_{out}, M))]

    with D the sigmoid of the logits; the mean over the patches of each discriminator, the sum over them. The
    paper prints 1 − log D in the second term; that has no largest value (D → 0), and means log(1 − D).

    With the logits d, ``least_squares`` is the mean of ½(d − 1)² and ½d², ``hinge`` that of max(0, 1 − d) and
    max(0, 1 + d).

    Args:
        real: logits of each discriminator on real images, any shape.
        fake: likewise on generated ones.
        objective: which game.

    Raises:
        UsageError: no such game.

    Source: Zhao & Qi, "Generative face parsing map guided 3D face reconstruction under occluded scenes", eq. 6;
    Goodfellow et al. 2014; Mao et al. 2017 for least squares; Lim and Ye 2017 for the hinge.
    """
    terms = [_real(d, objective) for d in real] + [_fake(d, objective) for d in fake]
    return torch.stack(terms).sum()


def generator_loss(fake: Sequence[Tensor], objective: Objective = "logistic") -> Tensor:
    """What the generator makes small: −E[log D(fake)], ½(d − 1)² or −d; the sum over the discriminators.

    The first is the form of equation 6 whose gradient does not vanish while the discriminator wins.

    Args:
        fake: logits of each discriminator on generated images.
        objective: which game.

    Raises:
        UsageError: no such game.

    Source: Goodfellow et al. 2014, "Generative adversarial networks", §3.
    """
    return torch.stack([-d.mean() if objective == "hinge" else _real(d, objective) for d in fake]).sum()


def _real(logits: Tensor, objective: Objective) -> Tensor:
    if objective == "logistic":
        return F.softplus(-logits).mean()
    if objective == "least_squares":
        return 0.5 * (logits - 1).square().mean()
    if objective == "hinge":
        return F.relu(1 - logits).mean()
    raise UsageError(f"unknown adversarial objective {objective!r}; choose from {', '.join(OBJECTIVES)}")


def _fake(logits: Tensor, objective: Objective) -> Tensor:
    if objective == "logistic":
        return F.softplus(logits).mean()
    if objective == "least_squares":
        return 0.5 * logits.square().mean()
    return F.relu(1 + logits).mean()
