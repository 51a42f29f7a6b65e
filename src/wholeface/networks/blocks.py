"""Building blocks of the MobileNet family."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "ConvNormAct",
    "FusedResidual",
    "InvertedResidual",
    "SmallDepthwise",
    "SqueezeExcite",
    "channels_last",
    "widened",
]

_FEW_PIXELS = 16  # of a map, up to which depthwise convolutions train faster as matrix products
_BOUND = 16.0  # of a bottleneck's output; usual values stay below 10


class SmallDepthwise(nn.Conv2d):
    """A depthwise convolution which, while it trains on maps of few pixels on a CPU, is one matrix product a channel.

    The same numbers up to rounding; the gradients of the usual way take three times as long there.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        height, width = input.shape[-2:]
        if not self.training or height * width > _FEW_PIXELS or input.device.type != "cpu":
            return super().forward(input)
        count, channels = input.shape[:2]
        spread = _spread(self.kernel_size[0], height, width).to(self.weight.dtype)
        matrix = (self.weight.view(channels, -1) @ spread).view(channels, height * width, height * width)
        flat = input.permute(1, 0, 2, 3).reshape(channels, count, height * width)
        return torch.bmm(flat, matrix).view(channels, count, height, width).permute(1, 0, 2, 3)


@functools.lru_cache(maxsize=16)
def _spread(kernel: int, height: int, width: int) -> Tensor:
    """(k · k, (H · W)²) zeros and ones: which weight leads from which pixel to which."""
    result = torch.zeros(kernel, kernel, height, width, height, width)
    reach = kernel // 2
    for y in range(height):
        for x in range(width):
            for v in range(max(0, y - reach), min(height, y + reach + 1)):
                for u in range(max(0, x - reach), min(width, x + reach + 1)):
                    result[v - y + reach, u - x + reach, v, u, y, x] = 1.0
    return result.view(kernel * kernel, -1)


class ConvNormAct(nn.Sequential):
    """Convolution without bias, batch normalisation and (mostly) an activation; keeps the size at stride 1.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: odd edge of the kernel.
        stride: 1 or 2.
        groups: 1, or ``inputs`` for a depthwise convolution.
        act: activation, or None for a linear layer.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        act: type[nn.Module] | None = nn.ReLU,
    ) -> None:
        convolution = SmallDepthwise if groups == inputs == outputs and stride == 1 else nn.Conv2d
        layers: list[nn.Module] = [
            convolution(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        if act is not None:
            layers.append(act(inplace=True))
        super().__init__(*layers)


class SqueezeExcite(nn.Module):
    """Channel attention of MobileNetV3: a gate in [0, 1] for each channel from the channels' means.

    Source: Hu et al. 2018; Howard et al. 2019, "Searching for MobileNetV3" (hard sigmoid, reduction 4).
    """

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        inner = max(8, channels // reduction)
        self.reduce = nn.Conv2d(channels, inner, 1)
        self.expand = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        gate = self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * F.hardsigmoid(gate)


class InvertedResidual(nn.Module):
    """MobileNetV3's bottleneck: expand 1×1, depthwise k×k, squeeze-excite, project 1×1, shortcut where it fits.

    What leaves it is bounded: in a chain of linear outputs single images can grow from block to block, until their
    share in the statistics of the batch normalisation leaves nothing of all others (seen: the last stage dead).

    Args:
        inputs: channels.
        outputs: channels.
        expanded: channels of the depthwise convolution.
        kernel: of the depthwise convolution.
        stride: 1 or 2.
        squeeze: use squeeze-excite.
        act: ReLU or Hardswish.

    Source: Sandler et al. 2018, "MobileNetV2"; Howard et al. 2019.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        expanded: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        squeeze: bool = True,
        act: type[nn.Module] = nn.Hardswish,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if expanded != inputs:
            layers.append(ConvNormAct(inputs, expanded, 1, act=act))
        layers.append(ConvNormAct(expanded, expanded, kernel, stride, groups=expanded, act=act))
        if squeeze:
            layers.append(SqueezeExcite(expanded))
        layers.append(ConvNormAct(expanded, outputs, 1, act=None))
        self.body = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H/stride, W/stride)."""
        y: Tensor = self.body(x)
        if self.shortcut:
            y = x + y
        return y.clamp(-_BOUND, _BOUND)


class FusedResidual(nn.Module):
    """Two full 3×3 convolutions with a shortcut where it fits: at high resolution faster on CPUs than depthwise ones.

    Source: the fused blocks of Gupta & Akin 2020 (MobileNet-EdgeTPU) and Tan & Le 2021 (EfficientNetV2), expansion 1.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNormAct(inputs, outputs, 3, stride), ConvNormAct(outputs, outputs, 3, act=None)
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H/stride, W/stride)."""
        y: Tensor = self.body(x)
        return F.relu(x + y if self.shortcut else y)


def channels_last(network: nn.Module) -> nn.Module:
    """The same module, its kernels stored channels last, which is the faster way on CPUs and tensor cores."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def widened(width: float) -> Callable[[int], int]:
    """How many channels a layer has, of how many it has at width 1: multiples of 8, at least 8."""

    def channels(at_one: int) -> int:
        return max(8, int(at_one * width + 4) // 8 * 8)

    return channels
