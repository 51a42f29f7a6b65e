"""Losses of the de-occlusion network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ....networks.deocclusion_net import DeocclusionOutput

__all__ = ["DeocclusionLoss", "deocclusion_loss", "hole_mean"]

_EVERYWHERE = 0.05  # weight of what was never hidden
_SLACK = 0.01  # of the image, added to the hole's size: small holes count for less


@dataclass(frozen=True)
class DeocclusionLoss:
    """Scalars; ``total`` is their weighted sum.

    Args:
        total: what is minimised.
        pixel: mean absolute error, mostly inside the hole.
        gradient: the same of the images' differences of neighbours, at two scales.
        feature: distance of features.
        matte: cross entropy of the matte.
        scale: negative log likelihood of the error under the expected one.
    """

    total: Tensor
    pixel: Tensor
    gradient: Tensor
    feature: Tensor
    matte: Tensor
    scale: Tensor


def hole_mean(values: Tensor, weight: Tensor) -> Tensor:
    r"""Mean over the batch of each image's weighted mean.

    .. math:: \frac{1}{N} \sum_n \frac{\sum_p w_{np} v_{np}}{\sum_p w_{np} + \epsilon}

    Args:
        values: (N, C, H, W); averaged over channels first.
        weight: (N, 1, H, W).

    Source: the pixel loss of Zhao & Qi 2022, "3D face reconstruction from eyeglasses", eq. 2, normalised by the
    mask's size; a hundredth of the image is added to it.
    """
    mean = values.mean(1, keepdim=True)
    size = weight.sum((1, 2, 3)) + _SLACK * weight[0].numel()
    return ((mean * weight).sum((1, 2, 3)) / size).mean()


def deocclusion_loss(
    output: DeocclusionOutput,
    target: Tensor,
    image: Tensor,
    hole: Tensor,
    important: Tensor,
    found: Sequence[Tensor],
    wanted: Sequence[Tensor],
) -> DeocclusionLoss:
    """All terms of one batch.

    Args:
        output: of the network.
        target: (N, 3, H, W) sRGB in [0, 1].
        image: (N, 3, H, W), the photo.
        hole: (N, 1, H, W) 1 where the photo must change.
        important: (N, 1, H, W) factor ≥ 1, eyes, brows and mouth.
        found: features of the output.
        wanted: features of the target.
    """
    weight = (_EVERYWHERE + hole) * important
    error = (output.image - target).abs()
    pixel = hole_mean(error, weight)
    gradient = error.new_zeros(())
    one, other = output.image, target
    held = weight
    for _ in range(2):
        for step in ((0, 1), (1, 0)):
            gradient = gradient + hole_mean(
                (_step(one, step) - _step(other, step)).abs(), held[..., step[0] :, step[1] :]
            )
        one, other, held = (F.avg_pool2d(v, 2) for v in (one, other, held))
    feature = error.new_zeros(())
    for a, b in zip(found, wanted):
        size = b.abs().mean((1, 2, 3), keepdim=True) + 1e-4
        feature = feature + hole_mean(
            (a - b).abs() / size, F.adaptive_avg_pool2d(hole, (a.shape[-2], a.shape[-1])) + 0.02
        )
    change = ((image - target).abs().amax(1, keepdim=True) * 12).clamp(0, 1)
    matte = F.binary_cross_entropy(output.matte.clamp(1e-4, 1 - 1e-4), change, weight=0.2 + hole)
    measured = F.avg_pool2d(error.detach().mean(1, keepdim=True), 3, 1, 1)
    scale = hole_mean(measured / output.scale + output.scale.log(), hole + 0.01)
    total = pixel + 0.5 * gradient + 0.05 * feature + 0.05 * matte + 0.005 * scale
    return DeocclusionLoss(total, pixel, gradient, feature, matte, scale)


def _step(x: Tensor, step: tuple[int, int]) -> Tensor:
    """Differences of neighbours one row or one column apart."""
    rows, columns = step
    return x[..., rows:, columns:] - x[..., : x.shape[-2] - rows, : x.shape[-1] - columns]
