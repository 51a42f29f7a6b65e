"""Features of VGG-19, as the papers have them, from a file that the user brings."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from ....core.errors import ModelFileError

__all__ = ["VggFeatures", "vgg_features"]

_CHANNELS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)  # 0 = pooling
_SEEN = (1, 6, 11, 20, 29)  # layers after which maps are taken: ReLU 1_1, 2_1, 3_1, 4_1, 5_1


class VggFeatures(nn.Module):
    """VGG-19 up to its layer ReLU 5_1; module names as torchvision's, so that its weight file fits.

    Source: Simonyan and Zisserman 2014; the layers and their use as in Pix2PixHD (Wang et al. 2018).
    """

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for channels in _CHANNELS:
            if channels == 0:
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()]
                inputs = channels
        self.features = nn.Sequential(*layers)
        mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        self.register_buffer("mean", mean.view(3, 1, 1), persistent=False)
        self.register_buffer("spread", spread.view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """See :class:`FeatureExtractor`: 64, 128, 256, 512 and 512 channels."""
        x, found = (images - self.mean) / self.spread, []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in _SEEN:
                found.append(x)
        return found


def vgg_features(file: Path) -> VggFeatures:
    """The network with the weights of a file.

    Args:
        file: state of torchvision's ``vgg19`` (``vgg19-dcbb9e9d.pth``) as ``torch.save`` wrote it; tensors only are
            read, nothing in it is executed.

    Raises:
        ModelFileError: the file is missing, or not such a state.
    """
    network = VggFeatures()
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        own = network.state_dict()
        network.load_state_dict({name: state[name] for name in own})
    except (OSError, KeyError, TypeError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise ModelFileError(
            f"{file} does not hold the weights of torchvision's vgg19 ({type(error).__name__}: {error})"
        ) from error
    return network.eval().requires_grad_(False)
