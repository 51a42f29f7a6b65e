"""The generator of the eyeglasses method: fills what was deleted, guided by landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .landmark_drawing import draw_landmarks
from .long_short_attention import LongShortAttention

__all__ = ["EyeglassesNet", "EyeglassesNetConfig", "compact_eyeglasses_net"]

_DOWNSAMPLINGS = 3


@dataclass(frozen=True)
class EyeglassesNetConfig:
    """Size of the generator.

    Args:
        input_size: nominal edge of the input in pixels; any multiple of 8 works.
        width: channels at full resolution; twice as many at half of it, four times below.
        residuals: dilated residual blocks.
        dilation: of their first convolution.
        transposed: upsample by transposed convolutions; else bilinearly, then convolve.
        norm: instance normalisation after every convolution but the last, as Yang et al. have it, or in the residual
            blocks alone. It takes a photo's brightness and contrast away from what it normalises.
    """

    input_size: int = 256
    width: int = 64
    residuals: int = 7
    dilation: int = 2
    transposed: bool = True
    norm: Literal["all", "residuals"] = "all"


def compact_eyeglasses_net(input_size: int = 128) -> EyeglassesNetConfig:
    """The same network with numbers that train on a CPU: 2.0 million parameters.

    Args:
        input_size: edge in pixels.
    """
    return EyeglassesNetConfig(input_size=input_size, width=24, transposed=False, norm="residuals")


class EyeglassesNet(nn.Module):
    r"""U-Net with three downsamplings, seven dilated residual blocks and long-short term attention.

    .. math:: I_{out} = \mathcal N_{ge}(I_{co}, L), \quad I_{co} = I_{in} \odot (1 - I_m)

    The mask I_m is an input, too: without it a deleted pixel and a black one are the same.

    Args:
        config: sizes.

    Source: Zhao & Qi, "Generative landmarks guided eyeglasses removal 3D face reconstruction", §3.2 and 4.1; layers
    as in Yang et al. 2020, "Generative landmark guided face inpainting", which has the same blocks.
    """

    def __init__(self, config: EyeglassesNetConfig) -> None:
        super().__init__()
        self.config = config
        w = config.width
        c = [w, 2 * w, 4 * w, 4 * w]
        even = config.norm == "all"
        stem = nn.Conv2d(5, c[0], 7, padding=3, padding_mode="reflect")
        self.stem = _Layer(stem, c[0], normalised=even)
        self.downs = nn.ModuleList(
            _Layer(nn.Conv2d(a, b, 4, 2, 1), b, normalised=even) for a, b in pairwise(c)
        )
        self.residuals = nn.Sequential(*(_Dilated(c[-1], config.dilation) for _ in range(config.residuals)))
        self.attention = LongShortAttention(c[-1])
        self.joins = nn.ModuleList(_Layer(nn.Conv2d(2 * b, b, 1), b, normalised=even) for b in c[:0:-1])
        self.ups = nn.ModuleList(
            _Layer(_up(b, a, transposed=config.transposed), a, normalised=even)
            for a, b in zip(c[-2::-1], c[::-1])
        )
        self.head = nn.Conv2d(2 * c[0], 3, 7, padding=3, padding_mode="reflect")

    def forward(self, image: Tensor, mask: Tensor, points: Tensor) -> Tensor:
        """The whole face.

        Args:
            image: (N, 3, H, W) in [0, 1] sRGB; what the mask covers is deleted and never seen.
            mask: (N, 1, H, W) in [0, 1], 1 = deleted (I_m).
            points: (N, 68, 2) landmarks, pixels of the image.

        Returns:
            (N, 3, H, W) in [0, 1], I_out.
        """
        height, width = image.shape[-2:]
        corrupted = (image * 2 - 1) * (1 - mask)
        drawn = draw_landmarks(points.to(image.dtype), height, width)
        x = self.stem(torch.cat([corrupted, mask, drawn], dim=1))
        skips = [x]
        for down in self.downs:
            x = down(x)
            skips.append(x)
        hole = F.adaptive_max_pool2d(mask, x.shape[-2:])
        x = self.attention(self.residuals(x), x, hole)
        for join, up, skip in zip(self.joins, self.ups, skips[::-1]):
            x = up(join(torch.cat([x, skip], dim=1)))
        out: Tensor = 0.5 + 0.5 * torch.tanh(self.head(torch.cat([x, skips[0]], dim=1)))
        return out


class _Layer(nn.Sequential):
    """A convolution, instance normalisation or none, ReLU."""

    def __init__(self, convolution: nn.Module, channels: int, *, normalised: bool) -> None:
        super().__init__(convolution, *([nn.InstanceNorm2d(channels)] if normalised else []), nn.ReLU())
        if not normalised:  # then nothing else keeps their outputs in scale
            for layer in self.modules():
                if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


class _Dilated(nn.Module):
    """Residual block with one dilated convolution."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        y: Tensor = x + self.body(x)
        return y


def _up(inputs: int, outputs: int, *, transposed: bool) -> nn.Module:
    if transposed:
        return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)
    return nn.Sequential(
        nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False),
        nn.Conv2d(inputs, outputs, 3, padding=1),
    )
