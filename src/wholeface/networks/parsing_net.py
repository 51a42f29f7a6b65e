"""N_α: a U-Net that names what each pixel shows, what covers the face, and where the whole face lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.short_repr import short_repr
from .blocks import ConvNormAct, FusedResidual, InvertedResidual, widened

__all__ = ["ParsingNet", "ParsingNetConfig", "ParsingOutput", "Up", "encoder_to_16"]


@dataclass(frozen=True)
class ParsingNetConfig:
    """Size of the parsing network.

    Args:
        classes: parsing classes.
        kinds: kinds of occluders, "none" included.
        input_size: nominal edge of the input in pixels; any multiple of 32 works.
        width: factor on all channels.
    """

    classes: int = 20
    kinds: int = 10
    input_size: int = 224
    width: float = 1.0


@dataclass(frozen=True)
class ParsingOutput:
    """Logits at half the input's resolution.

    Args:
        parsing: (N, classes, H/2, W/2).
        kind: (N, kinds, H/2, W/2), what covers the face.
        face: (N, 1, H/2, W/2), the amodal face, occluded or not.
    """

    parsing: Tensor
    kind: Tensor
    face: Tensor

    __repr__ = short_repr


class Up(nn.Module):
    """Twice the size, joined with the encoder's map of that size."""

    def __init__(self, below: int, skip: int, outputs: int, *, depth: int = 1) -> None:
        super().__init__()
        self.join = ConvNormAct(below + skip, outputs, 1)
        self.body = nn.Sequential(*(FusedResidual(outputs, outputs) for _ in range(depth)))

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """(N, below, H, W) and (N, skip, 2H, 2W) -> (N, outputs, 2H, 2W)."""
        up = F.interpolate(below, scale_factor=2.0, mode="nearest")
        y: Tensor = self.body(self.join(torch.cat([up, skip], dim=1)))
        return y


def encoder_to_16(c: Callable[[int], int]) -> tuple[nn.Module, nn.Module, nn.Module, nn.Module]:
    """Stages that make maps of 1/2, 1/4, 1/8 and 1/16 of the image's size.

    Args:
        c: how many channels a stage has, of how many it has at width 1.
    """
    return (
        ConvNormAct(3, c(16), 3, 2),
        nn.Sequential(ConvNormAct(c(16), c(32), 3, 2), FusedResidual(c(32), c(32))),
        nn.Sequential(ConvNormAct(c(32), c(64), 3, 2), FusedResidual(c(64), c(64))),
        nn.Sequential(
            ConvNormAct(c(64), c(96), 3, 2), *(InvertedResidual(c(96), c(96), c(384), 5) for _ in range(3))
        ),
    )


class ParsingNet(nn.Module):
    """U-Net with a MobileNet-class encoder: fused blocks where the maps are large, inverted residuals where small.

    Args:
        config: sizes.

    Source: Zhao & Qi, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §3.2;
    Ronneberger et al. 2015, "U-Net".
    """

    def __init__(self, config: ParsingNetConfig) -> None:
        super().__init__()
        self.config = config
        c = widened(config.width)
        self.stem, self.down_4, self.down_8, self.down_16 = encoder_to_16(c)
        self.down_32 = nn.Sequential(
            InvertedResidual(c(96), c(160), c(384), 5, 2),
            InvertedResidual(c(160), c(160), c(640), 5),
            InvertedResidual(c(160), c(160), c(640), 5),
            InvertedResidual(c(160), c(160), c(640), 5),
        )
        self.context = nn.Sequential(nn.Conv2d(c(160), c(160), 1), nn.ReLU())  # of the whole image
        self.up_16 = Up(c(160), c(96), c(96))
        self.up_8 = Up(c(96), c(64), c(64))
        self.up_4 = Up(c(64), c(32), c(32))
        self.up_2 = nn.Sequential(ConvNormAct(c(32) + c(16), c(24), 1), ConvNormAct(c(24), c(24), 3))
        self.head = nn.Conv2d(c(24), config.classes + config.kinds + 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] sRGB -> (N, classes + kinds + 1, H/2, W/2) logits.

        Raw, so that exporters see one tensor; :meth:`read` gives it names.
        """
        x2 = self.stem(image * 2 - 1)
        x4 = self.down_4(x2)
        x8 = self.down_8(x4)
        x16 = self.down_16(x8)
        x32 = self.down_32(x16)
        x32 = x32 + self.context(x32.mean((2, 3), keepdim=True))
        y = self.up_4(self.up_8(self.up_16(x32, x16), x8), x4)
        y = F.interpolate(y, scale_factor=2.0, mode="nearest")
        out: Tensor = self.head(self.up_2(torch.cat([y, x2], dim=1)))
        return out

    def read(self, raw: Tensor) -> ParsingOutput:
        """Names for what :meth:`forward` returned."""
        k = self.config.classes
        return ParsingOutput(raw[:, :k], raw[:, k:-1], raw[:, -1:])
