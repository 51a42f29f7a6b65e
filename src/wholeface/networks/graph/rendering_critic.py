"""Whether renderings of a face look like those of real skin, patch by patch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["RenderingCritic", "RenderingCriticConfig"]


@dataclass(frozen=True)
class RenderingCriticConfig:
    """Size of the critic.

    Args:
        inputs: channels of a rendering; a mask of what is drawn may be the fourth.
        width: channels of the first layer, doubled by each further one.
        layers: strided convolutions; a score sees some 2^(layers + 2) pixels.
    """

    inputs: int = 4
    width: int = 24
    layers: int = 3


class RenderingCritic(nn.Module):
    """Convolutions with stride 2, without normalisation, as a gradient penalty wants it; one score per patch.

    Args:
        config: sizes.

    Source: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", for scores of
    patches; Gulrajani et al. 2017, "Improved Training of Wasserstein GANs".
    """

    def __init__(self, config: RenderingCriticConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        before = config.inputs
        for layer in range(config.layers):
            width = config.width * 2**layer
            layers += [nn.Conv2d(before, width, 4, 2, 1), nn.LeakyReLU(0.2)]
            before = width
        self.layers = nn.Sequential(*layers, nn.Conv2d(before, 1, 3, 1, 1))

    def forward(self, renderings: Tensor) -> Tensor:
        """(N, inputs, H, W) in [0, 1] -> (N, 1, h, w) scores, larger for real."""
        scores: Tensor = self.layers(renderings * 2 - 1)
        return scores
