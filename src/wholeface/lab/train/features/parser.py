"""Features of WholeFace's own parsing network, which knows faces and what hides them."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from ....networks import ParsingNet, load_network

__all__ = ["ParserFeatures", "parser_features"]


class ParserFeatures(nn.Module):
    """Outputs of the encoder's stages at 1/2, 1/4, 1/8 and 1/16 of the image's size.

    Args:
        network: the trained network; its weights are shared, not copied.
    """

    def __init__(self, network: ParsingNet) -> None:
        super().__init__()
        self.stages = nn.ModuleList([network.stem, network.down_4, network.down_8, network.down_16])

    def forward(self, images: Tensor) -> list[Tensor]:
        """See :class:`FeatureExtractor`; H and W are multiples of 16."""
        x, found = images * 2 - 1, []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


def parser_features(file: Path | None = None) -> ParserFeatures:
    """The features of a parsing network's weights.

    Args:
        file: a weight file or a folder with ``parsing.safetensors``; None takes the shipped ones.

    Raises:
        ModelFileError: the file is missing, damaged, or of another network.
    """
    network, _ = load_network("parsing", file)
    assert isinstance(network, ParsingNet)
    return ParserFeatures(network).eval().requires_grad_(False)
