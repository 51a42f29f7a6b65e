"""Distances of images in the features of a network: the discriminator's, or those of one that only looks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["feature_matching_loss", "perceptual_loss"]


def feature_matching_loss(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    r"""Real and generated images look alike to the layers of the discriminators (equation 7).

    .. math:: \mathcal L_{fea} = E \sum_{i=1}^{T} \frac{1}{N_i}
        \bigl\| D_{1,2}^{(i)}(I_{fac}, M) - D_{1,2}^{(i)}(I_{out}, M) \bigr\|_1

    The sum over the discriminators too. The paper prints no 1/N_i (the number of elements); Pix2PixHD, which it cites
    for this loss, has it, and λ = 10 is its weight.

    Args:
        real: for each discriminator the outputs of its layers, the logits last (they are left out); no gradient
            flows into them.
        fake: likewise, of the generated images.

    Source: Zhao & Qi, "Generative face parsing map guided 3D face reconstruction under occluded scenes", eq. 7; Wang
    et al. 2018, Pix2PixHD, eq. 3.
    """
    terms = [
        (a.detach() - b).abs().mean()
        for ours, theirs in zip(real, fake)
        for a, b in zip(ours[:-1], theirs[:-1])
    ]
    return torch.stack(terms).sum()


def perceptual_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    r"""Real and generated images look alike to a network that was trained to see (equation 8).

    .. math:: \mathcal L_{per} = E \sum_{i=1}^{N} \frac{1}{M_i}
        \bigl\| F^{(i)}(I_{fac}) - F^{(i)}(I_{out}) \bigr\|_1

    Args:
        real: maps of :class:`wholeface.lab.train.features.FeatureExtractor`; no gradient flows into them.
        fake: likewise, of the generated images.

    Source: Zhao & Qi, "Generative face parsing map guided 3D face reconstruction under occluded scenes", eq. 8;
    Johnson et al. 2016, "Perceptual losses for real-time style transfer and super-resolution".
    """
    return torch.stack([(a.detach() - b).abs().mean() for a, b in zip(real, fake)]).sum()
