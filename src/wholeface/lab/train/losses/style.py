"""Two images have the same style where the features of a network occur together as often."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["gram_matrix", "style_loss"]


def gram_matrix(features: Tensor) -> Tensor:
    r"""Products of features, summed over the pixels.

    .. math:: G_{ab} = \sum_p \varphi_{ap} \varphi_{bp}

    Args:
        features: (N, O, H, W).

    Returns:
        (N, O, O).
    """
    flat = features.flatten(2)
    return torch.bmm(flat, flat.transpose(1, 2))


def style_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    r"""Distance of Gram matrices (equation 3).

    .. math:: \mathcal L_{style} = \sum_n \frac{1}{O_n \times O_n} \left\|
        \frac{G_n(I_{out} \odot I_m) - G_n(I_{in} \odot I_m)}{O_n \times H_n \times W_n} \right\|_1

    The mean over the batch. The caller multiplies the images by the mask before their features are taken.

    Args:
        real: features (N, O_n, H_n, W_n) of I_in ⊙ I_m, a layer each; no gradient flows into them.
        fake: likewise of I_out ⊙ I_m.

    Source: Zhao & Qi, "Generative landmarks guided eyeglasses removal 3D face reconstruction", eq. 3; Gatys et al.
    2016, "Image style transfer using convolutional neural networks".
    """
    terms = []
    for a, b in zip(real, fake):
        channels, height, width = b.shape[1:]
        difference = (gram_matrix(b) - gram_matrix(a.detach())) / (channels * height * width)
        terms.append(difference.abs().sum((1, 2)).mean() / channels**2)
    return torch.stack(terms).sum()
