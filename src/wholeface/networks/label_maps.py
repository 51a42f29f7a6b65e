"""Maps of labels as networks take them: one channel a class, at any size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["class_shares", "one_hot_map"]


def one_hot_map(labels: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """One channel a class.

    Args:
        labels: (N, H, W) integers; what lies outside 0…classes − 1 (unknown pixels) belongs to no class.
        classes: how many.
        dtype: of the result.

    Returns:
        (N, classes, H, W), 1 where the label is that of the channel and 0 elsewhere.
    """
    numbers = torch.arange(classes, device=labels.device, dtype=labels.dtype)
    return (labels[:, None] == numbers[:, None, None]).to(dtype)


def class_shares(one_hot: Tensor, height: int, width: int) -> Tensor:
    """What share of each coarse pixel each class covers, so that small regions outlive the shrinking.

    Args:
        one_hot: (N, K, H, W) of :func:`one_hot_map`.
        height, width: of the result; H and W are multiples of them.

    Returns:
        (N, K, height, width) in [0, 1].
    """
    if one_hot.shape[-2:] == (height, width):
        return one_hot
    kernel = (one_hot.shape[-2] // height, one_hot.shape[-1] // width)
    return F.avg_pool2d(one_hot, kernel)
