"""The trunk of the landmark network, which other regressors of faces share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import ConvNormAct, InvertedResidual, widened

__all__ = ["MobileTrunk"]


class MobileTrunk(nn.Module):
    """MobileNetV3-Small; the maps of its last three scales are fused and fully connected to features.

    Args:
        input_size: edge of the input in pixels, a multiple of 32.
        width: factor on the channels of MobileNetV3-Small.
        features: neurons of the fully connected layer.

    Raises:
        ValueError: an input size that is not a multiple of 32.

    Source: Howard et al. 2019, "Searching for MobileNetV3".
    """

    def __init__(self, input_size: int = 128, width: float = 1.0, features: int = 512) -> None:
        super().__init__()
        if input_size % 32:
            raise ValueError(f"input_size must be a multiple of 32, got {input_size}")
        c = widened(width)
        relu, swish = nn.ReLU, nn.Hardswish
        self.stem = ConvNormAct(3, c(16), 3, 2, act=swish)
        self.scale_8 = nn.Sequential(
            InvertedResidual(c(16), c(16), c(16), 3, 2, squeeze=True, act=relu),
            InvertedResidual(c(16), c(24), c(72), 3, 2, squeeze=False, act=relu),
            InvertedResidual(c(24), c(24), c(88), 3, 1, squeeze=False, act=relu),
        )
        self.scale_16 = nn.Sequential(
            InvertedResidual(c(24), c(40), c(96), 5, 2),
            InvertedResidual(c(40), c(40), c(240), 5),
            InvertedResidual(c(40), c(40), c(240), 5),
            InvertedResidual(c(40), c(48), c(120), 5),
            InvertedResidual(c(48), c(48), c(144), 5),
        )
        self.scale_32 = nn.Sequential(
            InvertedResidual(c(48), c(96), c(288), 5, 2),
            InvertedResidual(c(96), c(96), c(576), 5),
            InvertedResidual(c(96), c(96), c(576), 5),
        )
        cells_16, cells_32 = (input_size // 16) ** 2, (input_size // 32) ** 2
        self.reduce_8 = ConvNormAct(c(24), 32, 3, 2, act=swish)  # to the grid of scale 16
        self.reduce_16 = ConvNormAct(c(48) + 32, 32, 1, act=swish)
        self.reduce_32 = ConvNormAct(c(96), 96, 1, act=swish)
        fused = 32 * cells_16 + 96 * cells_32
        self.fuse = nn.Sequential(nn.Linear(fused, features), nn.Hardswish())

    def maps(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(N, 3, S, S) in [−1, 1] -> maps at 1/4, 1/8, 1/16 and 1/32 of the input's size."""
        w = self.scale_8[0](self.stem(image))
        x = self.scale_8[2](self.scale_8[1](w))
        y = self.scale_16(x)
        return w, x, y, self.scale_32(y)

    def fused(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """(N, features) from the last three maps."""
        coarse = self.reduce_16(torch.cat([y, self.reduce_8(x)], dim=1))
        features: Tensor = self.fuse(torch.cat([coarse.flatten(1), self.reduce_32(z).flatten(1)], dim=1))
        return features
