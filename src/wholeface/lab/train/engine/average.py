"""The running average of a network's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

__all__ = ["WeightAverage"]

_Tensors = tuple[Tensor, ...] | list[Tensor]


class WeightAverage:
    r"""Exponential moving average of parameters and floating-point buffers (running statistics).

    .. math:: \bar w \leftarrow d \bar w + (1 - d) w, \quad d = \min(\mathrm{decay}, (1 + t)/(10 + t))

    so that the random initial weights are forgotten quickly; t counts the updates in which the network learned.
    ``decay`` 0 keeps none: the average is the network.

    Source: Polyak & Juditsky 1992; the warm-up as in TensorFlow's ``ExponentialMovingAverage``.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = network
        self._source = network
        self._rest = 1.0
        self._average: AveragedModel | None = None
        if decay > 0:
            self._average = AveragedModel(network, multi_avg_fn=self._mix, use_buffers=True)
            self._average.n_averaged.fill_(
                1
            )  # its first update would replace the initial weights, not mix them in
            self.network = self._average.module.requires_grad_(False)

    def update(self, updates: int) -> None:
        """Take the network's weights after ``updates`` updates of its own into the average."""
        if self._average is not None:
            self._rest = 1 - min(self.decay, (1 + updates) / (10 + updates))
            self._average.update_parameters(self._source)

    @torch.no_grad()
    def _mix(self, mine: _Tensors, theirs: _Tensors, count: Tensor | int) -> None:
        """Tensors of one type; ``count`` is not read, because on a GPU that would make the host wait."""
        del count
        if mine[0].is_floating_point():
            torch._foreach_lerp_(mine, theirs, self._rest)
        else:
            torch._foreach_copy_(mine, theirs)
