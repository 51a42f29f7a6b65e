"""What is skin by its colour alone: one Gaussian for skin, one for what surrounds faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.short_repr import short_repr

__all__ = ["SkinGaussian"]

_CHEEKS = ((41, 48, 31), (46, 54, 35), (27, 31, 35))  # corners of triangles of the 68 points that show skin
_BORDER = 0.08  # of the crop's edge, which shows what surrounds faces
_SAMPLES = 30  # pixels of each triangle and image
_LEAST = 1e-4  # variance of a channel


@dataclass(frozen=True)
class SkinGaussian:
    r"""Posterior of skin under two Gaussians of colour with equal priors.

    .. math:: P(\text{skin} \mid c) = \frac{N(c; \mu_s, \Sigma_s)}{N(c; \mu_s, \Sigma_s) + N(c; \mu_o, \Sigma_o)}

    Nobody labels anything: skin are cheeks and nose as the landmarks have them, all else is the border of the crops.

    Args:
        means: (2, 3) sRGB in [0, 1], of skin and of all else.
        precisions: (2, 3, 3) inverse covariances.
        offsets: (2,) minus half the logarithm of the covariances' determinants.

    Source: after Deng et al. 2019 (Deep3D), whose skin attention is a Bayes classifier with Gaussians of colour,
    fitted to labelled skin; as a baseline in Li et al., "To fit or not to fit" (FOCUS), table 2.
    """

    means: Tensor
    precisions: Tensor
    offsets: Tensor

    __repr__ = short_repr

    @staticmethod
    def fit(
        images: NDArray[np.uint8], landmarks: NDArray[np.float32], rng: np.random.Generator
    ) -> SkinGaussian:
        """Learn both colours from crops of faces.

        Args:
            images: (N, S, S, 3) sRGB.
            landmarks: (N, 68, 2) crop pixels.
            rng: of the pixels that are looked at.
        """
        count, size = images.shape[:2]
        weights = rng.dirichlet((1.0, 1.0, 1.0), (count, len(_CHEEKS), _SAMPLES))
        corners = landmarks[:, np.array(_CHEEKS)]  # (N, T, 3, 2)
        # x_ntsk = sum_c w_ntsc p_ntck
        points = np.einsum("ntsc,ntck->ntsk", weights, corners).reshape(count, -1, 2)
        column, row = np.clip(np.rint(points), 0, size - 1).astype(np.int64).transpose(2, 0, 1)
        skin = images[np.arange(count)[:, None], row, column].reshape(-1, 3)
        edge = max(1, round(_BORDER * size))
        inner = slice(edge, size - edge)
        around = np.ones((size, size), bool)
        around[inner, inner] = False
        other = images[:, around].reshape(-1, 3)
        other = other[rng.integers(0, len(other), len(skin))]
        values = np.stack([skin, other]).astype(np.float64) / 255
        covariances = np.stack([np.cov(colours.T) + _LEAST * np.eye(3) for colours in values])
        return SkinGaussian(
            torch.from_numpy(values.mean(axis=1)).float(),
            torch.from_numpy(np.linalg.inv(covariances)).float(),
            torch.from_numpy(-0.5 * np.linalg.slogdet(covariances)[1]).float(),
        )

    def __call__(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 1, H, W) probability of skin."""
        logits = []
        for mean, precision, offset in zip(
            self.means.to(images), self.precisions.to(images), self.offsets.to(images)
        ):
            off = images - mean[:, None, None]
            logits.append(offset - 0.5 * torch.einsum("nihw,ij,njhw->nhw", off, precision, off))
        return torch.sigmoid(logits[0] - logits[1])[:, None]
