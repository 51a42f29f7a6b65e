r"""What the texture graph network is trained to make small.

Its generator minimises :math:`w_v L_v + w_p L_p + w_i L_i + w_a L_a + w_s L_s`: colours at the vertices, pixels of
renderings, identity, the critic's scores, roughness of the change; its critic has a gradient penalty.

Source: Lin et al. 2020, "Towards High-Fidelity 3D Face Reconstruction from In-the-Wild Images Using Graph
Convolutional Networks", for what is compared; the weights are settings of the recipe.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ....networks.graph import SparseMatrix

__all__ = [
    "critic_loss",
    "critic_score",
    "gradient_penalty",
    "identity_loss",
    "masked_l1",
    "roughness",
]


def masked_l1(found: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    r""":math:`\sum_p w_p \|x_p - y_p\|_1 / (C \sum_p w_p)`, of vertices or of pixels.

    Args:
        found: (..., C).
        wanted: (..., C).
        weight: (...) ≥ 0.

    Returns:
        Scalar; 0 where nothing has weight.
    """
    difference = (found - wanted).abs().mean(dim=-1)
    return (weight * difference).sum() / weight.sum().clamp_min(1e-6)


def roughness(change: Tensor, mean_of_neighbours: SparseMatrix) -> Tensor:
    r"""Squared uniform Laplacian :math:`\frac{1}{N V C} \sum (x_v - \frac{1}{|N(v)|} \sum_{u \in N(v)} x_u)^2`.

    Args:
        change: (N, V, C).
        mean_of_neighbours: (V, V), rows that add up to 1.
    """
    moved = change.transpose(0, 1)
    return (moved - mean_of_neighbours(moved)).square().mean()


def identity_loss(found: Tensor, wanted: Tensor) -> Tensor:
    r"""Mean cosine distance :math:`1 - \langle a, b \rangle / (\|a\| \|b\|)` of embeddings (N, D)."""
    return (1 - torch.nn.functional.cosine_similarity(found, wanted, dim=1)).mean()


def critic_score(fake: Tensor) -> Tensor:
    """What the generator minimises: minus the mean score of its renderings."""
    return -fake.mean()


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What the critic minimises but for the penalty: the Wasserstein distance of the scores, negative.

    Source: Arjovsky et al. 2017, "Wasserstein GAN".
    """
    return fake.mean() - real.mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, generator: torch.Generator
) -> Tensor:
    r""":math:`E (\|\nabla_{\hat x} D(\hat x)\|_2 - 1)^2` at random mixtures of real and fake, one per image.

    Args:
        critic: scores of (N, C, H, W); of several per image the mean counts.
        real: (N, C, H, W).
        fake: (N, C, H, W), no gradient is followed into it.
        generator: of the mixtures, on the CPU.

    Source: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", eq. 3.
    """
    share = torch.rand(len(real), 1, 1, 1, generator=generator).to(real)
    mixed = (share * real + (1 - share) * fake).detach().requires_grad_()
    scores = critic(mixed).reshape(len(real), -1).mean(dim=1).sum()
    (slope,) = torch.autograd.grad(scores, mixed, create_graph=True)
    # The root has no slope at 0.
    length = (slope.flatten(1).square().sum(dim=1) + 1e-12).sqrt()
    return (length - 1).square().mean()
