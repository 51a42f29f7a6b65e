"""Boxes cut out of images, or exchanged between them: occlusions for free."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["cutmix", "cutout"]


def cutout(images: Tensor, rng: np.random.Generator, share: float = 0.5) -> tuple[Tensor, Tensor]:
    """A grey box of half the image's edge at a random place, cut off at the border.

    Args:
        images: (N, 3, S, S) in [0, 1].
        rng: randomness.
        share: of images that get one.

    Returns:
        New images, and (N, 1, S, S) bool, where they were changed.

    Source: DeVries & Taylor 2017, "Improved regularization of convolutional neural networks with cutout".
    """
    size = images.shape[-1]
    changed = _boxes(len(images), size, rng, share, np.full(len(images), 0.5))
    return torch.where(changed, images.new_full((), 0.5), images), changed


def cutmix(images: Tensor, rng: np.random.Generator, share: float = 0.5) -> tuple[Tensor, Tensor]:
    r"""A box of another image of the batch, of an area :math:`1 - \lambda`, :math:`\lambda` uniform in [0, 1].

    Args:
        images: (N, 3, S, S) in [0, 1].
        rng: randomness.
        share: of images that get one.

    Returns:
        New images, and (N, 1, S, S) bool, where they were changed.

    Source: Yun et al. 2019, "CutMix: Regularization strategy to train strong classifiers with localizable features".
    """
    count, size = len(images), images.shape[-1]
    changed = _boxes(count, size, rng, share, np.sqrt(1 - rng.random(count)))
    others = images[torch.from_numpy(rng.permutation(count))]
    return torch.where(changed, others, images), changed


def _boxes(count: int, size: int, rng: np.random.Generator, share: float, edges: np.ndarray) -> Tensor:
    """(N, 1, S, S) bool boxes with these edges over S, centred anywhere."""
    changed = np.zeros((count, 1, size, size), bool)
    centres = rng.integers(0, size, (count, 2))
    chosen = rng.random(count) < share
    for index in np.flatnonzero(chosen):
        half = edges[index] * size / 2
        low = np.maximum(np.rint(centres[index] - half), 0).astype(int)
        high = np.minimum(np.rint(centres[index] + half), size).astype(int)
        changed[index, 0, low[0] : high[0], low[1] : high[1]] = True
    return torch.from_numpy(changed)
