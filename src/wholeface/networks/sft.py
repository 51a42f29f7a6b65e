"""Spatial feature transform: a map tells features, pixel by pixel, how to be scaled and shifted."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["SftLayer"]


class SftLayer(nn.Module):
    r"""Affine transform of features whose factors are learned from a condition (equation 2 of Zhao & Qi).

    .. math:: \mathrm{SFT}(F \mid \gamma, \beta) = \gamma \odot F + \beta, \quad (\gamma, \beta) = \mathcal M(\Psi)

    The mapping :math:`\mathcal M` is two pointwise convolutions for each of γ and β; γ is 1 plus what they say, so
    that a fresh layer hardly changes the features.

    Args:
        features: channels of F.
        condition: channels of Ψ.

    Source: Zhao & Qi, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §3.3; Wang
    et al. 2018, "Recovering realistic texture in image super-resolution by deep spatial feature transform".
    """

    def __init__(self, features: int, condition: int) -> None:
        super().__init__()

        def mapping() -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(condition, condition, 1), nn.LeakyReLU(0.1), nn.Conv2d(condition, features, 1)
            )

        self.scale, self.shift = mapping(), mapping()

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """(N, features, H, W) and Ψ (N, condition, H, W) -> (N, features, H, W)."""
        out: Tensor = (1 + self.scale(condition)) * features + self.shift(condition)
        return out
