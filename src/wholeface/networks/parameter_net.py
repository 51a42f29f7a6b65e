"""From one image of a face to the parameters of a face model, in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from .blocks import ConvNormAct, FusedResidual, widened
from .mobile_trunk import MobileTrunk
from .resnet import ResNet50

__all__ = ["ParameterNet", "ParameterNetConfig", "compact_parameter_net"]

_FIRST = 1e-3  # standard deviation of the last layer's first weights: the mean face, and little else
_KEPT_16, _KEPT_32 = 32, 96  # channels that the last two scales hand to the fully connected layers


@dataclass(frozen=True)
class ParameterNetConfig:
    """Layout and size of a parameter regressor.

    Args:
        blocks: ``(name, size)`` pairs of the vector, in order, as in
            :class:`wholeface.morphable.ParameterLayout`.
        backbone: ``resnet50`` as published; ``compact``, of full convolutions; or ``mobile``, the trunk of the
            landmark network, whose weights it can begin with.
        input_size: edge of the input in pixels; a multiple of 32 but for ``resnet50``.
        width: factor on the channels but for ``resnet50``.
        features: neurons between the maps and the parameters but for ``resnet50``.
    """

    blocks: Sequence[tuple[str, int]]
    backbone: Literal["compact", "mobile", "resnet50"] = "resnet50"
    input_size: int = 224
    width: float = 1.0
    features: int = 320

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple((str(name), int(size)) for name, size in self.blocks))

    @property
    def size(self) -> int:
        """Length M of the vector."""
        return sum(size for _, size in self.blocks)


class ParameterNet(nn.Module):
    r"""A regressor of face parameters: :math:`v = \mu + \sigma \odot W \phi(I)`.

    The last layer begins with tiny weights, so that the first answer is :math:`\mu`: the mean face where it usually
    lies. :meth:`set_statistics` says what is usual.

    ``compact`` is made of full 3×3 convolutions at ever lower resolution, which are fast on CPUs; the maps of its
    last two scales keep their places on the way into the fully connected layers, since a pose is a matter of places.

    Args:
        config: sizes.

    Raises:
        ValueError: no blocks, or an input size that does not suit the backbone.

    Source: Zhao & Qi 2021 (§3.4) and 2022 (§3), and Rana, all of them ResNet-50 with its last layer as long as the
    vector; He et al. 2016 for the residual blocks.
    """

    def __init__(self, config: ParameterNetConfig) -> None:
        super().__init__()
        if config.size < 1:
            raise ValueError("a parameter network needs at least one block")
        self.config = config
        self.backbone: nn.Module
        if config.backbone == "resnet50":
            self.backbone = ResNet50(outputs=0)
            features = ResNet50.features
        elif config.backbone == "mobile":
            self.backbone = _Mobile(config.input_size, config.width, config.features)
            features = config.features
        else:
            if config.input_size % 32:
                raise ValueError(f"input_size must be a multiple of 32, got {config.input_size}")
            self.backbone = _Compact(config)
            features = config.features
        self.head = nn.Linear(features, config.size)
        nn.init.normal_(self.head.weight, std=_FIRST)
        nn.init.zeros_(self.head.bias)
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.zeros(config.size))
        self.register_buffer("spread", torch.ones(config.size))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, S, S) in [0, 1] sRGB -> (N, M), the vector; :meth:`read` gives its blocks names."""
        raw = self.head(self.backbone(image * 2 - 1))
        return self.mean + self.spread * raw.to(self.mean.dtype)

    def read(self, vector: Tensor) -> Mapping[str, Tensor]:
        """Name -> (N, size), views of what :meth:`forward` returned."""
        names, sizes = zip(*self.config.blocks)
        return dict(zip(names, torch.split(vector, list(sizes), dim=-1)))

    @torch.no_grad()
    def set_statistics(self, mean: Tensor, spread: Tensor) -> None:
        """What is usual.

        Args:
            mean: (M,) the vector of the mean face where it usually lies.
            spread: (M,) by how much the entries usually differ from that; positive.

        Raises:
            ValueError: another length, or a spread that is not positive.
        """
        if mean.shape != self.mean.shape or spread.shape != self.spread.shape:
            raise ValueError(f"statistics must have {self.config.size} entries")
        if not bool((spread > 0).all()):
            raise ValueError("the spread of a parameter must be positive")
        self.mean.copy_(mean)
        self.spread.copy_(spread)


class _Mobile(MobileTrunk):
    """The trunk by itself: (N, 3, S, S) in [−1, 1] -> (N, features)."""

    def forward(self, x: Tensor) -> Tensor:
        return self.fused(*self.maps(x)[1:])


class _Compact(nn.Module):
    """Residual blocks of full convolutions on four scales; (N, 3, S, S) in [−1, 1] -> (N, features)."""

    def __init__(self, config: ParameterNetConfig) -> None:
        super().__init__()
        c = widened(config.width)
        self.stem = ConvNormAct(3, c(24), 3, 2)
        self.scale_8 = nn.Sequential(
            FusedResidual(c(24), c(40), 2),
            FusedResidual(c(40), c(80), 2),
            FusedResidual(c(80), c(80)),
        )
        self.scale_16 = nn.Sequential(FusedResidual(c(80), c(128), 2), FusedResidual(c(128), c(128)))
        self.scale_32 = FusedResidual(c(128), c(192), 2)
        self.keep_16 = ConvNormAct(c(128), _KEPT_16, 1)
        self.keep_32 = ConvNormAct(c(192), _KEPT_32, 1)
        cells = (config.input_size // 32) ** 2
        self.fuse = nn.Sequential(
            nn.Linear((4 * _KEPT_16 + _KEPT_32) * cells, config.features), nn.ReLU(inplace=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.scale_16(self.scale_8(self.stem(x)))
        z = self.keep_32(self.scale_32(y))
        result: Tensor = self.fuse(torch.cat([self.keep_16(y).flatten(1), z.flatten(1)], dim=1))
        return result


def compact_parameter_net(blocks: Sequence[tuple[str, int]]) -> ParameterNetConfig:
    """Full convolutions alone: 2.6 million parameters, 128-pixel crops.

    Args:
        blocks: of the vector.
    """
    return ParameterNetConfig(blocks, backbone="compact", input_size=128)
