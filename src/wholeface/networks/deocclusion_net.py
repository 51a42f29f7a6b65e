"""The face without what hides it: a residual on the fitted model's rendering, a matte, and how unsure both are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.short_repr import short_repr

__all__ = ["DeocclusionNet", "DeocclusionNetConfig", "DeocclusionOutput", "Modulation"]

Condition = Literal["none", "sft", "sean"]
_SLOPE = 0.2
_SHARPNESS = 12.0  # of the matte that the mask alone gives


@dataclass(frozen=True)
class DeocclusionNetConfig:
    """Size of the de-occlusion network.

    Args:
        maps: channels of the maps that are no colours and no labels: region (3), confidence, occluder, beyond, frame,
            clear lens, dark lens.
        labels: groups of the completed parsing map, one-hot.
        input_size: nominal edge of the input in pixels; any multiple of 8 works.
        width: channels at an eighth of the input's resolution.
        dilations: of the residual blocks there, one each.
        attention: let all places there look at each other.
        condition: how the completed parsing map guides the residual blocks beside being an input: not at all, by a
            spatial feature transform, or by one after normalisation (SEAN without styles).
    """

    maps: int = 9
    labels: int = 12
    input_size: int = 192
    width: int = 112
    dilations: tuple[int, ...] = (1, 2, 4, 8, 4, 2, 1)
    attention: bool = True
    condition: Condition = "sft"

    def __post_init__(self) -> None:
        object.__setattr__(self, "dilations", tuple(self.dilations))


@dataclass(frozen=True)
class DeocclusionOutput:
    """What the network says of a crop.

    Args:
        image: (N, 3, H, W) sRGB, the photo without what hides the face; about [0, 1], not clipped.
        face: (N, 3, H, W) sRGB, what is laid over the photo where the matte is 1.
        matte: (N, 1, H, W) in [0, 1], how far the photo is replaced.
        scale: (N, 1, H, W), mean absolute error that the network expects of ``image``, in units of sRGB.
    """

    image: Tensor
    face: Tensor
    matte: Tensor
    scale: Tensor

    __repr__ = short_repr


class Modulation(nn.Module):
    r"""Spatial feature transform: features scaled and shifted by a condition.

    .. math:: y = (1 + \gamma(c)) \odot x + \beta(c)

    Args:
        channels: of the features.
        condition: channels of the condition.
        normalise: normalise each channel over the image first, as SEAN does.

    Source: Wang et al. 2018, "Recovering realistic texture in image super-resolution by deep spatial feature
    transform"; Zhu et al. 2020, "SEAN".
    """

    def __init__(self, channels: int, condition: int, *, normalise: bool) -> None:
        super().__init__()
        self.normalise = normalise
        self.scale = nn.Conv2d(condition, channels, 1)
        self.shift = nn.Conv2d(condition, channels, 1)
        for layer in (self.scale, self.shift):
            nn.init.zeros_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(N, C, H, W) and (N, K, H, W) -> (N, C, H, W)."""
        if self.normalise:
            x = F.instance_norm(x)
        return x * (1 + self.scale(condition)) + self.shift(condition)


class _Block(nn.Module):
    """Dilated residual block, guided where there is a condition."""

    def __init__(self, width: int, dilation: int, condition: int, *, normalise: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.guide = Modulation(width, condition, normalise=normalise) if condition else None
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        y = x if self.guide is None or condition is None else self.guide(x, condition)
        y = self.second(F.leaky_relu(self.first(F.leaky_relu(y, _SLOPE)), _SLOPE))
        return x + y


class _Attention(nn.Module):
    """Every place takes from all others what looks alike, weighted by likeness."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = width // 2
        self.ask = nn.Conv2d(width, 2 * self.inner, 1)
        self.tell = nn.Conv2d(width, width, 1)
        self.out = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        count, width, height, edge = x.shape
        query, key = self.ask(x).flatten(2).transpose(1, 2).split(self.inner, dim=2)
        value = self.tell(x).flatten(2).transpose(1, 2)
        taken = F.scaled_dot_product_attention(query, key, value)
        return x + self.out(taken.transpose(1, 2).reshape(count, width, height, edge))


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
    return nn.Sequential(layer, nn.LeakyReLU(_SLOPE))


class DeocclusionNet(nn.Module):
    r"""A compact U-Net of dilated residual blocks on top of the fitted model's rendering.

    .. math:: \hat I = I + m \odot (B + r - I)

    with the photo :math:`I`, the base :math:`B` (the photo de-occluded by the rendering), the residual :math:`r`
    and the matte :math:`m`, which starts from the mask: at the beginning of training the result is the base.

    Args:
        config: sizes.

    Source: Zhao & Qi 2021, "Generative face parsing map guided 3D face reconstruction under occluded scenes"
    (guidance by the completed parsing map); Zhao & Qi 2022 on eyeglasses (dilated residual blocks and attention in a
    U-Net).
    The rendering as base, the matte and the unmasked photo beside the mask are ours.
    """

    def __init__(self, config: DeocclusionNetConfig) -> None:
        super().__init__()
        self.config = config
        wide = config.width
        inputs = 9 + config.maps + config.labels
        guided = 32 if config.condition != "none" else 0
        self.guide = (
            nn.Sequential(_conv(16 * config.labels, 32, 1), _conv(32, guided, 3, 2)) if guided else None
        )
        self.stem = nn.Sequential(_conv(4 * inputs, 40, 1), _conv(40, 32))
        self.down_4 = nn.Sequential(_conv(32, 64, 3, 2), _conv(64, 64))
        self.down_8 = _conv(64, wide, 3, 2)
        blocks = [_Block(wide, d, guided, normalise=config.condition == "sean") for d in config.dilations]
        middle = (len(blocks) + 1) // 2
        self.before, self.after = nn.ModuleList(blocks[:middle]), nn.ModuleList(blocks[middle:])
        self.attention = _Attention(wide) if config.attention else None
        self.up_4 = nn.Sequential(_conv(wide + 64, 64, 1), _conv(64, 64))
        self.up_2 = nn.Sequential(_conv(64 + 32, 32, 1), _conv(32, 32))
        self.up_1 = _conv(32 + 7, 20)
        self.head = nn.Conv2d(20, 5, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(self, given: Tensor) -> Tensor:
        """(N, 9 + maps + labels, H, W) -> (N, 5, H, W): residual, matte's logit, log of the expected error.

        Colours in [0, 1] sRGB first: photo, base, rendering; then the maps, of which channels 4 to 8 are occluder,
        beyond, frame, clear and dark lens; then the labels. Raw, so that exporters see one tensor; :meth:`read` gives
        it names.
        """
        colours, rest = given[:, :9] * 2 - 1, given[:, 9:]
        labels = rest[:, self.config.maps :]
        condition = None
        if self.guide is not None:
            condition = self.guide(F.pixel_unshuffle(labels, 4))
        x2 = self.stem(F.pixel_unshuffle(torch.cat([colours, rest], dim=1), 2))
        x4 = self.down_4(x2)
        y = self.down_8(x4)
        for block in self.before:
            y = block(y, condition)
        if self.attention is not None:
            y = self.attention(y)
        for block in self.after:
            y = block(y, condition)
        y = self.up_4(torch.cat([_double(y), x4], dim=1))
        y = self.up_2(torch.cat([_double(y), x2], dim=1))
        mask = self.hidden(given)
        out: Tensor = self.head(self.up_1(torch.cat([_double(y), colours[:, :6], mask], dim=1)))
        return out

    def hidden(self, given: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 1], the mask as given: occluder, frame or dark lens."""
        maps = given[:, 9 : 9 + self.config.maps]
        return torch.maximum(maps[:, 4:5], torch.maximum(maps[:, 6:7], maps[:, 8:9]))

    def read(self, raw: Tensor, given: Tensor) -> DeocclusionOutput:
        """Names for what :meth:`forward` returned, and the composed image.

        Args:
            raw: (N, 5, H, W).
            given: what it was given.
        """
        mask = F.max_pool2d(self.hidden(given), 3, 1, 1)
        matte = torch.sigmoid(_SHARPNESS * (mask - 0.5) + raw[:, 3:4].float())
        image, base = given[:, :3].float(), given[:, 3:6].float()
        face = base + raw[:, :3].float()
        scale = 0.03 * torch.exp(raw[:, 4:5].float().clamp(-4, 3))
        return DeocclusionOutput(image + matte * (face - image), face, matte, scale)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
