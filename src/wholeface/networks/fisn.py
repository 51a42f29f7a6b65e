"""FISN: a generator that makes the face which a completed parsing map describes, in the style of a photo."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .label_maps import class_shares, one_hot_map
from .sean import SeanResidual, region_styles
from .sft import SftLayer

__all__ = ["Fisn", "FisnConfig", "compact_fisn"]

_STYLE_LEVEL = 2  # downsampling at which styles are gathered: fine enough for eyes, coarse enough for texture


@dataclass(frozen=True)
class FisnConfig:
    """Size of the generator; the values are those of the Pix2PixHD backbone, the style's those of SEAN.

    Args:
        classes: of the parsing maps.
        input_size: nominal edge of the input in pixels; any multiple of 2 to the power of ``downsamplings`` works.
        width: channels at full resolution; they double with each downsampling.
        downsamplings: by two each.
        residuals: residual blocks at the coarsest resolution, with SEAN.
        condition: channels of Ψ, what SFT layers read from the map of the seen.
        style: length of a region's style.
        hidden: channels between a map and its share of SEAN's factors.
        transposed: upsample by transposed convolutions, as Pix2PixHD does; else bilinearly, then convolve.
    """

    classes: int = 20
    input_size: int = 256
    width: int = 64
    downsamplings: int = 4
    residuals: int = 4
    condition: int = 64
    style: int = 512
    hidden: int = 128
    transposed: bool = True


def compact_fisn(input_size: int = 128) -> FisnConfig:
    """The same network with numbers that train on a CPU: 2.7 million parameters.

    Args:
        input_size: edge in pixels.
    """
    return FisnConfig(
        input_size=input_size, width=16, downsamplings=3, condition=16, style=32, hidden=32, transposed=False
    )


class Fisn(nn.Module):
    r"""Face image synthesis network.

    .. math:: I_{out} = \mathcal N_{et}(I_{fac}, M_\alpha; M_\gamma)

    The backbone reads the photo; after its first layer and after each downsampling an SFT layer fuses the features
    with the map of what is seen, M_α (equation 2). The mean of the fused features over each region of M_α is that
    region's style, from which the affine parameters (x_i, y_i) follow. The residual blocks z_i lay the styles out on
    the completed map M_γ by SEAN (equations 3 to 5), so that what the photo shows of the skin or of one brow comes to
    lie where M_γ has skin or that brow. No other normalisation is anywhere in it.

    Args:
        config: sizes.

    Source: Zhao & Qi, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §3.3; Wang
    et al. 2018, "High-resolution image synthesis and semantic manipulation with conditional GANs" (Pix2PixHD).
    """

    def __init__(self, config: FisnConfig) -> None:
        super().__init__()
        self.config = config
        c = [config.width * 2**i for i in range(config.downsamplings + 1)]
        self.condition = nn.Sequential(
            nn.Conv2d(config.classes, config.condition, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(config.condition, config.condition, 1),
        )
        self.stem = nn.Conv2d(3, c[0], 7, padding=3, padding_mode="reflect")
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(c))
        self.fusions = nn.ModuleList(SftLayer(channels, config.condition) for channels in c)
        self.to_style = nn.Conv2d(c[min(_STYLE_LEVEL, config.downsamplings)], config.style, 3, padding=1)
        self.default = nn.Parameter(torch.zeros(config.classes, config.style))
        self.residuals = nn.ModuleList(
            SeanResidual(c[-1], config.classes, config.style, config.hidden) for _ in range(config.residuals)
        )
        if config.transposed:
            self.ups = nn.ModuleList(
                nn.ConvTranspose2d(b, a, 3, 2, 1, output_padding=1) for a, b in zip(c[-2::-1], c[::-1])
            )
        else:
            self.ups = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in zip(c[-2::-1], c[::-1]))
        self.head = nn.Conv2d(c[0], 3, 7, padding=3, padding_mode="reflect")
        for layer in (
            self.stem,
            *self.downs,
            self.to_style,
            *self.ups,
        ):  # no norm keeps their outputs in scale
            assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
            nn.init.kaiming_normal_(layer.weight, 0.2)

    def forward(self, image: Tensor, map_alpha: Tensor, map_gamma: Tensor) -> Tensor:
        """The face without occluders.

        Args:
            image: (N, 3, H, W) in [0, 1] sRGB, I_fac.
            map_alpha: (N, H, W) integer labels of what the photo shows; 255 where unknown.
            map_gamma: (N, H, W) integer labels of the completed map.

        Returns:
            (N, 3, H, W) in [0, 1], I_out.
        """
        seen = one_hot_map(map_alpha, self.config.classes, image.dtype)
        whole = one_hot_map(map_gamma, self.config.classes, image.dtype)
        features, styles = self._encoded(image, seen)
        shares = class_shares(whole, *features.shape[-2:])
        for block in self.residuals:
            features = block(features, styles, shares)
        for up in self.ups:
            if not self.config.transposed:
                features = F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
            features = F.leaky_relu(up(features), 0.2)
        out: Tensor = 0.5 + 0.5 * torch.tanh(self.head(features))
        return out

    def _encoded(self, image: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Fused features at the coarsest resolution, and the styles (N, K, S)."""
        prior = self.condition(seen)
        features = self.fusions[0](F.leaky_relu(self.stem(image * 2 - 1), 0.2), prior)
        level = min(_STYLE_LEVEL, self.config.downsamplings)
        styles = features.new_zeros(0)
        for i, (down, fusion) in enumerate(zip(self.downs, list(self.fusions)[1:]), start=1):
            features = F.leaky_relu(down(features), 0.2)
            features = fusion(features, class_shares(prior, *features.shape[-2:]))
            if i == level:
                shares = class_shares(seen, *features.shape[-2:])
                styles = region_styles(torch.tanh(self.to_style(features)), shares, self.default)
        return features, styles
