"""Discriminators that judge patches, at one or several scales, and show what they saw on the way."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["PatchDiscriminator", "PatchDiscriminatorConfig", "compact_patch_discriminator"]


@dataclass(frozen=True)
class PatchDiscriminatorConfig:
    """Size of a discriminator.

    Args:
        inputs: channels of the image and of its condition together.
        scales: how many discriminators; each sees the image at half the size of the one before.
        width: channels of the first layer; they double with each downsampling, up to eight times.
        downsamplings: by two each, in every discriminator; 3 make patches of 70 pixels.
        norm: ``instance`` as in Pix2PixHD, or ``spectral``.
    """

    inputs: int = 23
    scales: int = 2
    width: int = 64
    downsamplings: int = 3
    norm: Literal["instance", "spectral"] = "instance"


def compact_patch_discriminator(
    inputs: int, scales: int = 2, norm: Literal["instance", "spectral"] = "instance"
) -> PatchDiscriminatorConfig:
    """A small one: 0.17 million parameters a scale.

    Args:
        inputs: see :class:`PatchDiscriminatorConfig`.
        scales: likewise.
        norm: likewise.
    """
    return PatchDiscriminatorConfig(inputs=inputs, scales=scales, width=16, norm=norm)


class PatchDiscriminator(nn.Module):
    """One or several PatchGANs: D_1 at full size, D_2 at half of it, and so on.

    Args:
        config: sizes.

    Source: Isola et al. 2017, "Image-to-image translation with conditional adversarial networks"; Wang et al. 2018
    (Pix2PixHD) for the scales and the features; Miyato et al. 2018 for the spectral norm.
    """

    def __init__(self, config: PatchDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.judges = nn.ModuleList(_judge(config) for _ in range(config.scales))

    def forward(self, image: Tensor, condition: Tensor) -> list[list[Tensor]]:
        """Features of every layer.

        Args:
            image: (N, 3, H, W) in [0, 1].
            condition: (N, inputs − 3, H, W), the map as :func:`wholeface.networks.one_hot_map` gives it, or drawn
                landmarks.

        Returns:
            For each scale the outputs of its layers in order; the last one is (N, 1, h, w), the logits of its
            patches: the higher, the more real.
        """
        x = torch.cat([image * 2 - 1, condition], dim=1)
        found = []
        for number, judge in enumerate(self.judges):
            if number:
                x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
            features, seen = x, []
            for layer in judge:  # type: ignore[attr-defined]
                features = layer(features)
                seen.append(features)
            found.append(seen)
        return found


def _judge(config: PatchDiscriminatorConfig) -> nn.ModuleList:
    """Layers of one scale, from the image to the logits."""
    c = [config.width * min(2**i, 8) for i in range(config.downsamplings + 1)]
    layers: list[nn.Module] = [
        nn.Sequential(_conv(config, config.inputs, c[0], 2), nn.LeakyReLU(0.2)),
        *(
            nn.Sequential(_conv(config, a, b, 2), *_norm(config, b), nn.LeakyReLU(0.2))
            for a, b in pairwise(c[:-1])
        ),
        nn.Sequential(_conv(config, c[-2], c[-1], 1), *_norm(config, c[-1]), nn.LeakyReLU(0.2)),
        _conv(config, c[-1], 1, 1),
    ]
    return nn.ModuleList(layers)


def _conv(config: PatchDiscriminatorConfig, inputs: int, outputs: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, 4, stride, 2 if stride == 2 else 1)
    return spectral_norm(convolution) if config.norm == "spectral" else convolution


def _norm(config: PatchDiscriminatorConfig, channels: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(channels)] if config.norm == "instance" else []
