"""Cheap colour and noise variation of a batch of crops."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["jitter_colours"]


def jitter_colours(images: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Random gain, offset, gamma, saturation, colour cast and noise for each image.

    Args:
        images: (N, 3, H, W) in [0, 1]; changed in place.
        generator: randomness.
        strength: 0 = nothing, 1 = usual.

    Returns:
        ``images``, in [0, 1].
    """
    count = len(images)

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator) * strength

    def chance(p: float) -> Tensor:
        return (torch.rand(count, 1, 1, 1, generator=generator) < p).float()

    grey = images.mean(dim=1, keepdim=True)
    saturation = (1 + 0.25 * normal(1, 1, 1)).clamp(0, 2)
    saturation = saturation * (1 - chance(0.06 * min(strength, 1.0)))  # some are grey altogether
    images.lerp_(grey.expand_as(images), 1 - saturation)
    gain = torch.exp(0.15 * normal(1, 1, 1) + 0.05 * normal(3, 1, 1))
    images.mul_(gain).add_(0.04 * normal(1, 1, 1))
    gamma = torch.exp(0.15 * normal(1, 1, 1))
    images.clamp_(0, 1).pow_(gamma)
    level = 0.03 * chance(0.5) * torch.rand(count, 1, 1, 1, generator=generator) * strength
    noise = torch.empty_like(images[:, :1]).normal_(generator=generator)
    return images.add_(noise.mul_(level)).clamp_(0, 1)
