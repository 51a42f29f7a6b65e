"""The running average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn

__all__ = ["WeightAverage"]


class WeightAverage:
    r"""Exponential moving average of parameters and floating-point buffers (running statistics).

    .. math:: \bar w \leftarrow d \bar w + (1 - d) w, \quad d = \min(\mathrm{decay}, (1 + t)/(10 + t))

    so that the random initial weights are forgotten quickly. ``decay`` 0 keeps none: the average is the network.

    Source: Polyak & Juditsky 1992; the warm-up as in TensorFlow's ``ExponentialMovingAverage``.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self._source = network
        self.network = network if decay == 0 else copy.deepcopy(network).requires_grad_(False)
        self._pairs = [
            (mine, theirs)
            for mine, theirs in zip(self.network.state_dict().values(), network.state_dict().values())
            if mine.data_ptr() != theirs.data_ptr()
        ]
        floats = [pair for pair in self._pairs if pair[0].is_floating_point()]
        self._mine = [mine for mine, _ in floats]
        self._theirs = [theirs for _, theirs in floats]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after ``step`` finished steps into the average."""
        if self.decay == 0:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._mine, self._theirs, 1 - decay)
        for mine, theirs in self._pairs:
            if not mine.is_floating_point():
                mine.copy_(theirs)
