"""Losses on pixels: their difference over the mask's size, and their variation."""

from __future__ import annotations

from torch import Tensor

__all__ = ["pixel_loss", "total_variation"]


def pixel_loss(out: Tensor, target: Tensor, mask: Tensor, *, smallest: float = 1.0) -> Tensor:
    r"""Sum of absolute differences over the size of what was deleted (equation 2).

    .. math:: \mathcal L_{pixe} = \frac{1}{S} \| I_{out} - I_{in} \|_1

    The sum runs over the whole image and its channels, for each image; the mean over the batch.

    Args:
        out: (N, C, H, W).
        target: (N, C, H, W), the face without eyeglasses.
        mask: (N, 1, H, W) in [0, 1], 1 = deleted; S is its sum.
        smallest: S is at least this, pixels > 0: an image of which nothing was deleted would count beyond measure.

    Source: Zhao & Qi, "Generative landmarks guided eyeglasses removal 3D face reconstruction", eq. 2.
    """
    size = mask.sum((1, 2, 3)).clamp_min(smallest)
    return ((out - target).abs().sum((1, 2, 3)) / size).mean()


def total_variation(image: Tensor) -> Tensor:
    r"""Sum of absolute differences of neighbours over the number of pixels (equation 4).

    .. math:: \mathcal L_{var} = \frac{1}{P} \| \nabla I_{out} \|_1

    with forward differences along rows and columns, summed over the channels; the mean over the batch.

    Args:
        image: (N, C, H, W); P = H · W.

    Source: Zhao & Qi, "Generative landmarks guided eyeglasses removal 3D face reconstruction", eq. 4.
    """
    across = (image[..., :, 1:] - image[..., :, :-1]).abs().sum()
    down = (image[..., 1:, :] - image[..., :-1, :]).abs().sum()
    return (across + down) / (image.shape[0] * image.shape[-2] * image.shape[-1])
