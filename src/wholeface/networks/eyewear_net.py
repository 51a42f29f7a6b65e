"""Spectacles in the band of the eyes: frame, clear lens, dark lens, and whether there are any."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.short_repr import short_repr
from .blocks import ConvNormAct, InvertedResidual, widened
from .parsing_net import Up, encoder_to_16

__all__ = ["EyewearNet", "EyewearNetConfig", "EyewearOutput"]


@dataclass(frozen=True)
class EyewearNetConfig:
    """Size of the eyewear network.

    Args:
        parts: parts of spectacles, "none" included.
        input_width: nominal width of the input in pixels.
        input_height: nominal height; any multiples of 32 work.
        width: factor on all channels.
    """

    parts: int = 4
    input_width: int = 320
    input_height: int = 160
    width: float = 0.75


@dataclass(frozen=True)
class EyewearOutput:
    """Logits.

    Args:
        parts: (N, parts, H, W), at the input's resolution.
        presence: (N,), that the face wears spectacles.
    """

    parts: Tensor
    presence: Tensor

    __repr__ = short_repr


class EyewearNet(nn.Module):
    """The parsing network's U-Net without its deepest blocks, drawing at the input's own resolution.

    Frames are two pixels wide: the last layer gives each pixel of the half-size map four, one for each of the input's
    that it stands for.

    Args:
        config: sizes.

    Source: Ronneberger et al. 2015, "U-Net"; Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution
    Using an Efficient Sub-Pixel Convolutional Neural Network", for the last layer.
    """

    def __init__(self, config: EyewearNetConfig) -> None:
        super().__init__()
        self.config = config
        c = widened(config.width)
        self.stem, self.down_4, self.down_8, self.down_16 = encoder_to_16(c)
        self.down_32 = nn.Sequential(InvertedResidual(c(96), c(160), c(384), 5, 2))
        self.context = nn.Sequential(nn.Conv2d(c(160), c(160), 1), nn.ReLU())  # of the whole band
        self.presence = nn.Conv2d(c(160), 1, 1)
        self.up_16 = Up(c(160), c(96), c(96))
        self.up_8 = Up(c(96), c(64), c(64))
        self.up_4 = Up(c(64), c(32), c(32))
        self.up_2 = nn.Sequential(ConvNormAct(c(32) + c(16), c(24), 1), ConvNormAct(c(24), c(24), 3))
        self.head = nn.Conv2d(c(24), 4 * config.parts, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] sRGB -> (N, parts + 1, H, W) logits, the last channel the presence everywhere.

        Raw, so that exporters see one tensor; :meth:`read` gives it names.
        """
        x2 = self.stem(image * 2 - 1)
        x4 = self.down_4(x2)
        x8 = self.down_8(x4)
        x16 = self.down_16(x8)
        x32 = self.down_32(x16)
        whole = self.context(x32.mean((2, 3), keepdim=True))
        y = self.up_4(self.up_8(self.up_16(x32 + whole, x16), x8), x4)
        y = F.interpolate(y, scale_factor=2.0, mode="nearest")
        parts = F.pixel_shuffle(self.head(self.up_2(torch.cat([y, x2], dim=1))), 2)
        there = self.presence(whole) + torch.zeros_like(parts[:, :1])
        return torch.cat([parts, there], dim=1)

    def read(self, raw: Tensor) -> EyewearOutput:
        """Names for what :meth:`forward` returned."""
        return EyewearOutput(raw[:, :-1], raw[:, -1, 0, 0])
