"""What the recipes of the generators share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...data.stores.shared import SharedStore

__all__ = ["adam", "channels_last_images", "images_side_by_side", "judged_halves", "psnr", "spread_rows"]

_AT_ONCE = 20


def adam(network: nn.Module, rate: float) -> torch.optim.Optimizer:
    """Adam with the momenta that are usual in GANs, (0.5, 0.999)."""
    return torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.999), foreach=True)


def channels_last_images(images: Tensor) -> Tensor:
    """The same images, their channels stored last, which is the faster way for our networks."""
    return images.contiguous(memory_format=torch.channels_last)


def judged_halves(
    discriminator: nn.Module, real: Tensor, fake: Tensor, condition: Tensor
) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """What discriminators say of real and generated images, which they see in one batch.

    Args:
        discriminator: :class:`wholeface.networks.PatchDiscriminator`.
        real: (N, C, H, W).
        fake: (N, C, H, W).
        condition: (N, K, H, W), of both alike.

    Returns:
        For the real and for the generated ones, by discriminator the outputs of its layers, the logits last.
    """
    judged = discriminator(torch.cat([real, fake]), torch.cat([condition, condition]))
    count = len(real)
    return [[f[:count] for f in d] for d in judged], [[f[count:] for f in d] for d in judged]


def psnr(squared: Tensor) -> float:
    """Peak signal-to-noise ratio in decibels of squared errors of values in [0, 1]; NaN of none."""
    return float(-10 * torch.log10(squared.double().mean().clamp_min(1e-10)))


def spread_rows(store: SharedStore, most: int) -> Iterator[list[dict[str, NDArray[Any]]]]:
    """At most so many samples, evenly from the whole store, some at once."""
    picked = np.unique(np.linspace(0, len(store) - 1, min(most, len(store))).astype(int))
    for start in range(0, len(picked), _AT_ONCE):
        yield [store[int(i)] for i in picked[start : start + _AT_ONCE]]


def images_side_by_side(images: Sequence[Tensor], columns: int) -> NDArray[np.uint8]:
    """A contact sheet.

    Args:
        images: what to show of every sample, (N, 3, H, W) in [0, 1] each.
        columns: samples side by side.

    Returns:
        (H', W', 3).
    """
    tiles = torch.cat([i.float().cpu().clamp(0, 1) for i in images], dim=3).permute(0, 2, 3, 1)
    whole = (tiles[: len(tiles) // columns * columns] * 255).round().byte().numpy()
    rows = [np.concatenate(list(whole[i : i + columns]), axis=1) for i in range(0, len(whole), columns)]
    return np.concatenate(rows, axis=0) if rows else np.zeros((1, 1, 3), np.uint8)
