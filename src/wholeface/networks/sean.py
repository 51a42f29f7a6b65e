"""Semantic region-adaptive normalisation: every region of a map gets the style that the photo has in that region."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SeanNormalisation", "SeanResidual", "region_styles", "spread_styles"]

_EPSILON = 1e-5  # below the root of equation 5, and of the shares by which a region's mean is divided


def region_styles(features: Tensor, shares: Tensor, default: Tensor) -> Tensor:
    r"""Mean feature of each region: its style.

    .. math:: s_{nkc} = \frac{\sum_p m_{nkp} f_{ncp}}{\sum_p m_{nkp}}

    Args:
        features: (N, S, H, W).
        shares: (N, K, H, W) in [0, 1], how much of each pixel belongs to each region of the map that belongs to the
            features.
        default: (K, S) styles of regions that the map does not show (both eyes behind sunglasses).

    Returns:
        (N, K, S).

    Source: Zhu et al. 2020, "SEAN: Image synthesis with semantic region-adaptive normalization", region-wise average
    pooling.
    """
    total = torch.einsum("nkhw,nchw->nkc", shares, features)
    area = shares.sum((2, 3))[..., None]  # (N, K, 1)
    return torch.where(area > _EPSILON, total / area.clamp_min(_EPSILON), default.to(total.dtype))


def spread_styles(styles: Tensor, shares: Tensor) -> Tensor:
    """The style of its region at every pixel of another map; at borders of coarse pixels their mixture.

    Args:
        styles: (N, K, S).
        shares: (N, K, H, W) in [0, 1] of the map on which they are laid.

    Returns:
        (N, S, H, W).
    """
    return torch.einsum("nkc,nkhw->nchw", styles, shares)


class SeanNormalisation(nn.Module):
    r"""Normalises activations and modulates them by the styles of the regions of a map (equations 3 to 5).

    .. math::

        \mathrm{SEAN}(z_i, x_i, y_i) &= x_i \frac{z_i - \mu(z_i)}{\sigma(z_i)} + y_i \\
        \mu_c &= \frac{1}{NHW} \sum_{n,y,x} h_{ncyx}, \quad
        \sigma_c = \sqrt{\frac{1}{NHW} \sum_{n,y,x} (h_{ncyx}^2 - \mu_c^2)}

    x and y differ from pixel to pixel. Each is a learned mixture (one share for x and one for y, between 0 and 1) of
    what convolutions read from the spread styles and of what they read from the map alone. In training the mean and
    the deviation are those of the batch; in evaluation, running averages of them, as in the authors' source of SEAN,
    so that a face does not depend on the others in its batch.

    Args:
        channels: C of the activations.
        classes: K of the map.
        style: S of the styles.
        hidden: channels between the map and its share of x and y.

    Source: Zhao & Qi, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §3.3; Zhu et
    al. 2020, "SEAN".
    """

    def __init__(self, channels: int, classes: int, style: int, hidden: int) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm2d(channels, eps=_EPSILON, affine=False)
        self.mix = nn.Linear(style, style)
        self.by_style = nn.Conv2d(style, 2 * channels, 3, padding=1)
        self.by_map = nn.Sequential(
            nn.Conv2d(classes, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, 2 * channels, 3, padding=1)
        )
        self.balance = nn.Parameter(torch.zeros(2))  # sigmoid -> share of the styles in x and in y

    def factors(self, styles: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        """x and y, (N, C, H, W) each, of styles (N, K, S) on a map (N, K, H, W)."""
        x_style, y_style = self.by_style(spread_styles(F.relu(self.mix(styles)), shares)).chunk(2, dim=1)
        x_map, y_map = self.by_map(shares).chunk(2, dim=1)
        share = self.balance.sigmoid()
        return 1 + x_map + share[0] * (x_style - x_map), y_map + share[1] * (y_style - y_map)

    def forward(self, z: Tensor, styles: Tensor, shares: Tensor) -> Tensor:
        """(N, C, H, W), (N, K, S) and (N, K, H, W) -> (N, C, H, W)."""
        x, y = self.factors(styles, shares)
        out: Tensor = x * self.normalise(z) + y
        return out


class SeanResidual(nn.Module):
    """Residual block whose two normalisations are :class:`SeanNormalisation`.

    Args:
        channels: C.
        classes: K of the map.
        style: S of the styles.
        hidden: see :class:`SeanNormalisation`.

    Source: the residual block of Zhu et al. 2020, "SEAN".
    """

    def __init__(self, channels: int, classes: int, style: int, hidden: int) -> None:
        super().__init__()
        self.norm_1 = SeanNormalisation(channels, classes, style, hidden)
        self.conv_1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm_2 = SeanNormalisation(channels, classes, style, hidden)
        self.conv_2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, z: Tensor, styles: Tensor, shares: Tensor) -> Tensor:
        """(N, C, H, W), (N, K, S) and (N, K, H, W) -> (N, C, H, W)."""
        inner = self.conv_1(F.leaky_relu(self.norm_1(z, styles, shares), 0.2))
        inner = self.conv_2(F.leaky_relu(self.norm_2(inner, styles, shares), 0.2))
        return z + inner
