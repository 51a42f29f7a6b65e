"""N_lmk: all landmarks of a face, hidden ones included, from one small picture of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .blocks import ConvNormAct, InvertedResidual

__all__ = ["LandmarkNet", "LandmarkNetConfig", "LandmarkOutput"]

_FIRST_LOG_SIGMA = 1.6  # the mean shape misses by about five pixels
_MODES = 64  # directions in which faces differ that the last layer begins with


@dataclass(frozen=True)
class LandmarkNetConfig:
    """Size of the landmark network.

    Args:
        points: number of landmarks.
        input_size: edge of the input in pixels, a multiple of 32.
        width: factor on the channels of MobileNetV3-Small.
        features: neurons of the fully connected layer.
    """

    points: int = 668
    input_size: int = 128
    width: float = 1.0
    features: int = 512


@dataclass(frozen=True)
class LandmarkOutput:
    """What the network says.

    Convention: input pixels, pixel (0, 0) is the centre of the top-left pixel; x to the right, y down.

    Args:
        points: (N, L, 2) pixels of the input.
        log_sigma: (N, L) logarithm of the standard deviation of x and of y, in pixels of the input.
        facing: (N, L) logit of "the surface at this point faces the camera and the head does not hide it"; all are
            low where the crop shows no face.
        covered: (N, L) logit of "something in front of the face covers this point".
    """

    points: Tensor
    log_sigma: Tensor
    facing: Tensor
    covered: Tensor


class LandmarkNet(nn.Module):
    """MobileNetV3-Small; the maps of its last three scales are fused and fully connected to the landmarks.

    Args:
        config: sizes.

    Raises:
        ValueError: an input size that is not a multiple of 32.

    Source: Zhao & Qi, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §3.1;
    Howard et al. 2019, "Searching for MobileNetV3"; Wood et al. 2022, "3D face reconstruction with dense landmarks",
    for the dense points and their uncertainty.
    """

    def __init__(self, config: LandmarkNetConfig) -> None:
        super().__init__()
        if config.input_size % 32:
            raise ValueError(f"input_size must be a multiple of 32, got {config.input_size}")
        self.config = config

        def c(channels: int) -> int:
            return max(8, int(channels * config.width + 4) // 8 * 8)

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
        cells_16, cells_32 = (config.input_size // 16) ** 2, (config.input_size // 32) ** 2
        self.reduce_8 = ConvNormAct(c(24), 32, 3, 2, act=swish)  # to the grid of scale 16
        self.reduce_16 = ConvNormAct(c(48) + 32, 32, 1, act=swish)
        self.reduce_32 = ConvNormAct(c(96), 96, 1, act=swish)
        fused = 32 * cells_16 + 96 * cells_32
        self.fuse = nn.Sequential(nn.Linear(fused, config.features), nn.Hardswish())
        self.head = nn.Linear(config.features, config.points * 5)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.constant_(self.head.bias, 0.0)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, S, S) in [0, 1] sRGB -> (N, L, 5): x, y over the input's edge from its middle, log sigma, 2 logits.

        Raw, so that exporters see one tensor; :meth:`read` gives it names.
        """
        x = self.scale_8(self.stem(image * 2 - 1))
        y = self.scale_16(x)
        z = self.scale_32(y)
        fine = self.reduce_16(torch.cat([y, self.reduce_8(x)], dim=1))
        fused = torch.cat([fine.flatten(1), self.reduce_32(z).flatten(1)], dim=1)
        out: Tensor = self.head(self.fuse(fused))
        return out.view(-1, self.config.points, 5)

    def read(self, raw: Tensor) -> LandmarkOutput:
        """Names and pixel units for what :meth:`forward` returned."""
        size = self.config.input_size
        return LandmarkOutput(
            points=raw[..., :2] * size + (size - 1) / 2,
            log_sigma=raw[..., 2],
            facing=raw[..., 3],
            covered=raw[..., 4],
        )

    def set_shapes(self, points: Tensor, seed: int = 0) -> None:
        """Start from the mean of some faces, the last layer aligned with the directions in which they differ.

        Args:
            points: (N, L, 2) pixels of the input, N of at least 2.
            seed: of the random mixture of those directions that each feature begins with.
        """
        size, features = self.config.input_size, self.config.features
        flat = ((points.double() - (size - 1) / 2) / size).flatten(1)  # (N, 2L)
        mean = flat.mean(dim=0)
        _, strength, modes = torch.linalg.svd(flat - mean, full_matrices=False)
        kept = min(_MODES, len(strength))
        modes = modes[:kept] * (strength[:kept] / len(flat) ** 0.5)[:, None]  # one standard deviation each
        mixture = torch.randn(features, kept, generator=torch.Generator().manual_seed(seed)).double()
        with torch.no_grad():
            weight = self.head.weight.view(-1, 5, features)
            mixed = (mixture @ modes).T.reshape(-1, 2, features) / features**0.5
            weight[:, :2] = mixed.to(weight)
            bias = self.head.bias.view(-1, 5)
            bias[:, :2] = mean.view(-1, 2).to(bias)
            bias[:, 2] = _FIRST_LOG_SIGMA
