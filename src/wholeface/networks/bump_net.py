"""Image to bump map: the encoder-decoder of Tran et al."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["BumpNet", "BumpNetConfig"]

_BIAS = 0.1


@dataclass(frozen=True)
class BumpNetConfig:
    """Size of the network; the values are those of the paper's Table 2.

    Args:
        channels: of the input: an RGB image.
        input_size: nominal edge of input and output in pixels; with ``padding`` on both sides any multiple of 2 to
            the power of ``blocks`` - 1, less 2 ``padding`` - 2, works.
        padding: zeros around the image in the first convolution.
        width: channels of the first block; they double with each of the following.
        blocks: of the encoder; the decoder has one fewer.
    """

    channels: int = 3
    input_size: int = 500
    padding: int = 7
    width: int = 16
    blocks: int = 7


class BumpNet(nn.Module):
    r"""Bump map of a photo, :math:`I \mapsto \tilde\Delta`.

    Blocks of three convolutions of 3 × 3 with biases, each followed by a ReLU. The first of each block halves the
    resolution in the encoder by its stride, and doubles it in the decoder by resizing before it
    (resize-and-convolve); decoder block k is joined with encoder block k before its second convolution. A last
    convolution maps to one channel.

    Kernels start by Xavier's method, biases at 0.1.

    The padding of 7 pixels: the first convolution, padded so, makes 500 + 2·7 − 2 = 512 pixels of 500; the result is
    cropped back by 6 on each side.

    Args:
        config: sizes.

    Source: Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", §4.1, A.2 and Table 2.
    The paper does not say how the blocks are joined; here as in the network of Isola et al. on which it builds, the
    maps side by side, so that the second convolution of a decoder block has twice the channels as its input.
    """

    def __init__(self, config: BumpNetConfig) -> None:
        super().__init__()
        self.config = config
        c = [config.width * 2**i for i in range(config.blocks)]
        self.encoders = nn.ModuleList(
            _block(config.channels if i == 0 else c[i - 1], c[i], 1 if i == 0 else 2,
                   config.padding if i == 0 else 1)
            for i in range(config.blocks)
        )  # fmt: skip
        self.ups = nn.ModuleList(_layer(b, a) for a, b in pairwise(c))
        self.joins = nn.ModuleList(nn.Sequential(_layer(2 * a, a), _layer(a, a)) for a in c[:-1])
        self.last = nn.Conv2d(c[0], 1, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None
                nn.init.constant_(module.bias, _BIAS)

    def forward(self, image: Tensor) -> Tensor:
        """(N, channels, S, S) in [0, 1] sRGB -> (N, 1, S, S) bump map in [0, 1]: θ of eq. 3 over 255.

        Not clipped.
        """
        x, skips = image * 2 - 1, []
        for encoder in self.encoders:
            x = encoder(x)
            skips.append(x)
        for skip, up, join in zip(skips[-2::-1], list(self.ups)[::-1], list(self.joins)[::-1]):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = join(torch.cat([up(x), skip], dim=1))
        out: Tensor = self.last(x)
        edge = self.config.padding - 1
        return out[..., edge : out.shape[-2] - edge, edge : out.shape[-1] - edge]


def _layer(inputs: int, outputs: int, stride: int = 1, padding: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding), nn.ReLU())


def _block(inputs: int, outputs: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        _layer(inputs, outputs, stride, padding), *(_layer(outputs, outputs) for _ in range(2))
    )
