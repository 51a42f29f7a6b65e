"""A small single-shot face detector: anchor-free, three scales, five points a face."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import ConvNormAct, FusedResidual, widened

__all__ = ["STRIDES", "DetectorNet", "DetectorNetConfig", "cell_centres", "decode"]

STRIDES = (8, 16, 32)
_CHANNELS = 15  # score, box distances (4), five points (10)


@dataclass(frozen=True)
class DetectorNetConfig:
    """Size of the detector.

    Args:
        width: factor on all channels.
        input_size: longer side at which photos are searched first, pixels, a multiple of 32.
    """

    width: float = 1.0
    input_size: int = 192


class DetectorNet(nn.Module):
    """Backbone of fused blocks, a top-down pyramid over strides 8, 16 and 32, one shared head.

    Args:
        config: sizes.

    Source: after Bazarevsky et al. 2019, "BlazeFace"; Wu et al. 2023, "YuNet: a tiny millisecond-level face
    detector"; Tian et al. 2019, "FCOS", for the anchor-free boxes.
    """

    def __init__(self, config: DetectorNetConfig) -> None:
        super().__init__()
        self.config = config
        c = widened(config.width)
        self.stem = nn.Sequential(ConvNormAct(3, c(16), 3, 2), ConvNormAct(c(16), c(32), 3, 2))  # 1/4
        self.down_8 = nn.Sequential(ConvNormAct(c(32), c(48), 3, 2), FusedResidual(c(48), c(48)))
        self.down_16 = nn.Sequential(ConvNormAct(c(48), c(64), 3, 2), FusedResidual(c(64), c(64)))
        self.down_32 = nn.Sequential(
            ConvNormAct(c(64), c(64), 3, 2), FusedResidual(c(64), c(64)), FusedResidual(c(64), c(64))
        )
        self.side = nn.ModuleList(ConvNormAct(c(n), c(48), 1, act=None) for n in (48, 64, 64))
        self.tower = ConvNormAct(c(48), c(48), 3)
        self.head = nn.Conv2d(c(48), _CHANNELS, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        bias = torch.zeros(_CHANNELS)
        bias[0] = -4.6  # a face is rare: p = 0.01
        self.head.bias = nn.Parameter(bias)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] sRGB, H and W multiples of 32 -> (N, cells, 15), scales one after another.

        Channels: score logit; log distances to the box's left, top, right, bottom in strides; the five points (right
        eye, left eye, nose tip, right and left mouth corner, as the image shows an upright face from left to right)
        relative to the cell's centre in strides.
        """
        x8 = self.down_8(self.stem(image * 2 - 1))
        x16 = self.down_16(x8)
        x32 = self.down_32(x16)
        y32 = F.relu(self.side[2](x32))
        y16 = F.relu(self.side[1](x16) + F.interpolate(y32, scale_factor=2.0, mode="nearest"))
        y8 = F.relu(self.side[0](x8) + F.interpolate(y16, scale_factor=2.0, mode="nearest"))
        maps = [self.head(self.tower(y)).flatten(2) for y in (y8, y16, y32)]
        return torch.cat(maps, dim=2).transpose(1, 2)


def cell_centres(height: int, width: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Centres of the head's cells in input pixels, and their strides.

    Args:
        height: of the input, a multiple of 32.
        width: of the input, a multiple of 32.

    Returns:
        (cells, 2) x, y and (cells,), in the order of :meth:`DetectorNet.forward`.
    """
    centres, strides = [], []
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        y, x = torch.meshgrid(
            torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij"
        )
        centres.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride - 0.5)
        strides.append(torch.full((rows * columns,), float(stride), device=device))
    return torch.cat(centres).float(), torch.cat(strides)


def decode(raw: Tensor, centres: Tensor, strides: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, boxes and points in input pixels.

    Args:
        raw: (N, cells, 15).
        centres: (cells, 2), strides: (cells,), of :func:`cell_centres`.

    Returns:
        logits (N, cells); boxes (N, cells, 4) x0, y0, x1, y1; points (N, cells, 5, 2).
    """
    reach = raw[..., 1:5].clamp(-6, 6).exp() * strides[:, None]
    boxes = torch.cat([centres - reach[..., :2], centres + reach[..., 2:]], dim=-1)
    points = raw[..., 5:].reshape(*raw.shape[:-1], 5, 2) * strides[:, None, None] + centres[:, None, :]
    return raw[..., 0], boxes, points
