"""The U-Net of Ronneberger et al., with padding: the deleter of the eyeglasses method, the masks of FOCUS."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["UNet", "UNetConfig", "compact_unet"]


@dataclass(frozen=True)
class UNetConfig:
    """Size of the network; the values are those of the paper.

    Args:
        classes: channels of the output.
        input_size: nominal edge of the input in pixels; any multiple of 2 to the power of ``downsamplings`` works.
        width: channels at full resolution; they double with each downsampling.
        downsamplings: by two each.
        inputs: channels of the input: 3, or those of several images.
    """

    classes: int = 20
    input_size: int = 256
    width: int = 64
    downsamplings: int = 4
    inputs: int = 3


def compact_unet(input_size: int = 128, *, classes: int = 20, inputs: int = 3) -> UNetConfig:
    """The same network with numbers that train on a CPU: 0.5 million parameters.

    Args:
        input_size: edge in pixels.
        classes: channels of the output.
        inputs: channels of the input.
    """
    return UNetConfig(classes, input_size, width=16, downsamplings=3, inputs=inputs)


class UNet(nn.Module):
    """Names what each pixel shows, at full resolution.

    Args:
        config: sizes.

    Source: Ronneberger et al. 2015, "U-Net: Convolutional networks for biomedical image segmentation"; as deleter in
    Zhao & Qi, "Generative landmarks guided eyeglasses removal 3D face reconstruction", §3.2; as segmentation network
    S(I_T, I_R), of two images, in Li et al., "To fit or not to fit" (FOCUS), §3.1. Here with padding, and with batch
    normalisation, which is younger than the paper.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        c = [config.width * 2**i for i in range(config.downsamplings + 1)]
        self.downs = nn.ModuleList(_double(a, b) for a, b in zip([config.inputs, *c], c))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in zip(c[-2::-1], c[::-1]))
        self.joins = nn.ModuleList(_double(2 * a, a) for a in c[-2::-1])
        self.head = nn.Conv2d(c[0], config.classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, inputs, H, W) in [0, 1] sRGB -> (N, classes, H, W) logits."""
        x, skips = image * 2 - 1, []
        for i, down in enumerate(self.downs):
            x = down(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        for up, join, skip in zip(self.ups, self.joins, skips[-2::-1]):
            x = join(torch.cat([skip, up(x)], dim=1))
        out: Tensor = self.head(x)
        return out


def _double(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a in (inputs, outputs):
        layers += [nn.Conv2d(a, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)
