"""ResNet-50: the trunk on which the published regressors of face parameters stand."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import ConvNormAct

__all__ = ["Bottleneck", "ResNet50"]

_EXPANSION = 4


class Bottleneck(nn.Module):
    """1×1, 3×3 (with the stride), 1×1, and a shortcut, projected where the shape changes.

    Args:
        inputs: channels.
        inner: channels of the 3×3 convolution; four times as many leave the block.
        stride: 1 or 2.

    Source: He et al. 2016, "Deep residual learning for image recognition"; the stride in the 3×3 convolution as in
    the usual implementations (ResNet v1.5).
    """

    def __init__(self, inputs: int, inner: int, stride: int = 1) -> None:
        super().__init__()
        outputs = _EXPANSION * inner
        self.body = nn.Sequential(
            ConvNormAct(inputs, inner, 1),
            ConvNormAct(inner, inner, 3, stride),
            ConvNormAct(inner, outputs, 1, act=None),
        )
        self.shortcut: nn.Module = (
            ConvNormAct(inputs, outputs, 1, stride, act=None)
            if stride != 1 or inputs != outputs
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, 4 · inner, H/stride, W/stride)."""
        return F.relu(self.shortcut(x) + self.body(x))


class ResNet50(nn.Module):
    """50 layers in four stages of 3, 4, 6 and 3 bottlenecks; 25.6 million parameters with 1000 outputs.

    Args:
        outputs: of the fully connected layer; 0 leaves it out, and the 2048 pooled features are the result.

    Source: He et al. 2016, "Deep residual learning for image recognition".
    """

    features: int = 512 * _EXPANSION

    def __init__(self, outputs: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvNormAct(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1))
        stages: list[nn.Module] = []
        channels = 64
        for inner, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            layers: list[nn.Module] = []
            for block in range(blocks):
                layers.append(Bottleneck(channels, inner, stride if block == 0 else 1))
                channels = _EXPANSION * inner
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.head: nn.Module = nn.Linear(self.features, outputs) if outputs else nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, outputs), or (N, 2048) without a fully connected layer."""
        result: Tensor = self.head(torch.flatten(self.stages(self.stem(x)).mean((2, 3)), 1))
        return result
