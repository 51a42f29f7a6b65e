"""Wrinkles and folds that a photo shows on a fitted face, and how unsure each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.short_repr import short_repr

__all__ = ["ReliefNet", "ReliefNetConfig", "ReliefOutput", "trusted_relief"]

_SLOPE = 0.2
_UNIT = 0.2  # mm, about what relief deviates from the foundation where there is some
_WINDOW = 30  # of a crop's edge, over which relief and doubt are compared
_CONTRASTS = 4  # channels of _contrasts
_NEAR, _FAR = 5, 13  # pixels, edges of its windows
_FINE_GAIN, _BROAD_GAIN = 6.0, 4.0
_EPSILON = 0.5
_LEAST, _MOST = -5.0, 3.0  # of the log scale


@dataclass(frozen=True)
class ReliefNetConfig:
    """Size of the relief network.

    Args:
        channels: of the input; see :func:`wholeface.stages.relief.network_input`: 3 to 5 the log ratio of photo and
            foundation, the last two how the shading answers to slopes.
        input_size: nominal edge of the input in pixels; any multiple of 16 works.
        widths: channels at a half, a quarter, an eighth and a sixteenth of the input's resolution.
        blocks: residual blocks there.
        fine: channels at full resolution, of which half come straight from the input.
        trust: gain g and noise c of :func:`trusted_relief`, measured after the training.
    """

    channels: int = 15
    input_size: int = 256
    widths: tuple[int, int, int, int] = (16, 48, 96, 128)
    blocks: tuple[int, int, int, int] = (1, 2, 2, 1)
    fine: int = 16
    trust: tuple[float, float] = (1.0, 0.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trust", tuple(self.trust))
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "blocks", tuple(self.blocks))


@dataclass(frozen=True)
class ReliefOutput:
    """What the network says of a crop.

    Args:
        displacement: (N, 1, H, W) mm along the foundation's outer normal, positive outwards.
        scale: (N, 1, H, W) mm, mean absolute error that the network expects of it.
    """

    displacement: Tensor
    scale: Tensor

    __repr__ = short_repr


class _Residual(nn.Module):
    """Two convolutions that add to what they are given; nothing before they have learned."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.leaky_relu(self.first(F.leaky_relu(x, _SLOPE)), _SLOPE))
        return x + y


class ReliefNet(nn.Module):
    r"""A compact encoder and decoder with skip connections; resizing and convolutions bring the resolution back.

    Most of its work is done at a quarter of the resolution and below, so that a face of 256 pixels takes some 30 ms
    on one core. It starts from no relief at all.

    Args:
        config: sizes.

    Source: after Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", §4.1 (image to bump
    map by an encoder-decoder with resize-and-convolve); the fitted foundation as input, the size and the scale are
    ours.
    """

    def __init__(self, config: ReliefNetConfig) -> None:
        super().__init__()
        self.config = config
        inputs, widths, fine = config.channels + _CONTRASTS, config.widths, config.fine
        self.fine = _conv(inputs, fine // 2)
        self.stem = _conv(inputs, widths[0], 4, 2)
        self.encoders = nn.ModuleList(
            nn.Sequential(*(_Residual(width) for _ in range(count)))
            for width, count in zip(widths, config.blocks)
        )
        pairs = list(pairwise(widths))
        self.downs = nn.ModuleList(_conv(a, b, 3, 2) for a, b in pairs)
        self.joins = nn.ModuleList(_conv(a + b, a, 1) for a, b in pairs)
        self.decoders = nn.ModuleList(_conv(a, a) for a, _ in pairs)
        self.narrow = nn.Conv2d(widths[0], fine - fine // 2, 1)
        self.last = _conv(fine, fine)
        self.head = nn.Conv2d(fine, 2, 3, padding=1)
        self._start()

    def _start(self) -> None:
        """Kernels that keep the size of activations; residual blocks and head that add nothing."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=_SLOPE)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, _Residual):
                nn.init.zeros_(module.second.weight)
        nn.init.zeros_(self.head.weight)

    def forward(self, given: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, 2, H, W): displacement in units of 0.2 mm, log of the expected error in those.

        Raw, so that exporters see one tensor; :meth:`read` gives it names.
        """
        given = torch.cat([given[:, :3] * 2 - 1, given[:, 3:], _contrasts(given)], dim=1)
        given = given.contiguous(memory_format=torch.channels_last)
        y = self.encoders[0](self.stem(given))
        skips = [y]
        for down, encoder in zip(self.downs, list(self.encoders)[1:]):
            y = encoder(down(y))
            skips.append(y)
        for skip, join, decoder in zip(skips[-2::-1], list(self.joins)[::-1], list(self.decoders)[::-1]):
            y = decoder(join(torch.cat([_double(y), skip], dim=1)))
        y = torch.cat([_double(self.narrow(y)), self.fine(given)], dim=1)
        out: Tensor = self.head(self.last(y))
        return out

    def read(self, raw: Tensor) -> ReliefOutput:
        """Names and millimetres for what :meth:`forward` returned."""
        raw = raw.float()
        scale = _UNIT * torch.exp(raw[:, 1:2].clamp(_LEAST, _MOST))
        return ReliefOutput(_UNIT * raw[:, :1], scale)

    def trusted(self, output: ReliefOutput) -> Tensor:
        """(N, 1, H, W) mm: :func:`trusted_relief` with the gain and noise that were measured for this network."""
        return trusted_relief(output, *self.config.trust)


def trusted_relief(output: ReliefOutput, gain: float, noise: float) -> Tensor:
    r"""The displacement, shrunk where the network is unsure.

    .. math:: g \, \frac{\overline{h^2}}{\overline{h^2} + c\,\overline{b^2}} \, h

    with the displacement :math:`h`, its expected error :math:`b`, and means over a window of a thirtieth of the crop:
    Wiener's filter, for a signal of variance :math:`\overline{h^2}` under noise of variance
    :math:`c\,\overline{b^2}`.

    Args:
        output: of :meth:`ReliefNet.read`.
        gain: g.
        noise: c.

    Returns:
        (N, 1, H, W) mm.
    """
    window = max(1, output.displacement.shape[-1] // _WINDOW) // 2 * 2 + 1
    signal, doubt = (
        _mean_of_square(values.square(), window) for values in (output.displacement, output.scale)
    )
    return output.displacement * (gain * signal / (signal + noise * doubt).clamp_min(1e-12))


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2)
    return nn.Sequential(layer, nn.LeakyReLU(_SLOPE))


def _contrasts(given: Tensor) -> Tensor:
    r"""(N, 4, H, W): the log ratio l of photo and foundation in two bands, and the slopes that would explain both.

    .. math:: l \approx -g \cdot \nabla h \;\Rightarrow\; -\nabla h \approx \frac{l\,g}{g \cdot g + \epsilon^2}

    with g how the shading answers to slopes (the last two channels).
    """
    ratio = given[:, 3:6].mean(dim=1, keepdim=True)
    near = _blurred(ratio, _NEAR)
    fine, broad = ratio - near, near - _blurred(near, _FAR)
    slopes = given[:, -2:]
    told = slopes / (slopes.square().sum(dim=1, keepdim=True) + _EPSILON**2)
    return torch.cat([_FINE_GAIN * fine, _BROAD_GAIN * broad, _BROAD_GAIN * (fine + broad) * told], dim=1)


def _blurred(x: Tensor, edge: int) -> Tensor:
    """Two means over squares, one after the other."""
    for _ in range(2):
        x = _mean_of_square(x, edge)
    return x


def _mean_of_square(x: Tensor, edge: int) -> Tensor:
    """(N, C, H, W): mean over what of a square of odd edge lies in the image, rows first, then columns."""
    reach = edge // 2
    x = F.avg_pool2d(x.contiguous(), (1, edge), 1, (0, reach), count_include_pad=False)
    return F.avg_pool2d(x, (edge, 1), 1, (reach, 0), count_include_pad=False)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
