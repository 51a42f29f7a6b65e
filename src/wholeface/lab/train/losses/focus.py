r"""Losses of FOCUS: a face autoencoder and a segmentation network that teach each other which pixels to fit.

Convention: images are sRGB in [0, 1]; ``rendered`` is I_R, ``target`` I_T; ``mask`` is M, 1 where the face is seen;
``region`` is Φ, 1 where the model is rendered. The paper writes sums over pixels. Here every sum over pixels is
divided by the area S_Φ of the rendered region, as equation 3 is printed: with the paper's weights the terms only
balance so, and the resolution does not matter.

Source: Li et al., "To fit or not to fit: Model-based face reconstruction and occlusion segmentation from weak
supervision" (FOCUS), §3.2 and §3.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ....core.errors import UsageError

__all__ = [
    "LANDMARK_WEIGHTS",
    "ROBUST_THRESHOLD",
    "FocusWeights",
    "area_loss",
    "binary_loss",
    "coefficient_loss",
    "colour_distance",
    "face_log_likelihood",
    "feature_distance",
    "focus_encoder_loss",
    "focus_mask_loss",
    "landmark_distance",
    "masked_distance",
    "neighbour_distance",
    "robust_mask",
]

ROBUST_THRESHOLD = 0.17
"""ξ of equation 9."""

LANDMARK_WEIGHTS: tuple[float, ...] = (0.2,) * 17 + (0.1,) * 10 + (1.0,) * 41
"""Of the 68 iBUG landmarks in equation 7: contour, brows, the rest."""

_PIXELS = 224  # edge of the published crops, in whose pixels landmarks are compared


@dataclass(frozen=True)
class FocusWeights:
    """The weights a … j.

    Args:
        image_ex: a, of the neighbourhood loss (eq. 1).
        feature_ex: b, of the features of what both masks leave (eq. 2).
        area: c, of the area in the segmentation network's loss (eq. 3).
        feature_in: d, of the features that the mask must preserve (eq. 4).
        binary: e, of L_bi.
        image: f, of the pixels that the encoder fits (eq. 5).
        feature: g, of their features (eq. 6).
        area_encoder: h, of the area in the encoder's loss (eq. 3).
        landmarks: i, of the landmarks (eq. 7).
        coefficients: j, of L_reg.
    """

    image_ex: float = 15.0
    feature_ex: float = 3.0
    area: float = 0.5
    feature_in: float = 2.5
    binary: float = 10.0
    image: float = 4.0
    feature: float = 0.5
    area_encoder: float = 0.5
    landmarks: float = 0.01
    coefficients: float = 0.067


def colour_distance(target: Tensor, rendered: Tensor) -> Tensor:
    """Squared distance of the colours of two images, (N, 3, H, W) each -> (N, 1, H, W)."""
    return (target - rendered).square().sum(dim=1, keepdim=True)


def neighbour_distance(target: Tensor, rendered: Tensor, region: Tensor, neighbours: int = 3) -> Tensor:
    r"""How well any rendered pixel close by explains each pixel: the inner part of equation 1, squared.

    .. math:: d_{ij}^2 = \min_{(m, n) \in N_{ij} \cap \Phi} \| I_{T, ij} - I_{R, mn} \|^2

    Neighbours beyond the rendered region explain nothing. All pixels at once; one pass for each of the neighbours.

    Args:
        target: (N, 3, H, W).
        rendered: (N, 3, H, W).
        region: (N, 1, H, W), 1 where the model is rendered.
        neighbours: edge of the square neighbourhood in pixels, odd.

    Returns:
        (N, 1, H, W), 0 outside of the region.

    Raises:
        UsageError: an even number of neighbours.

    Source: FOCUS, eq. 1.
    """
    if neighbours < 1 or neighbours % 2 == 0:
        raise UsageError(f"a neighbourhood has an odd edge, got {neighbours}")
    reach = neighbours // 2
    height, width = target.shape[-2:]
    around = F.pad(rendered, (reach,) * 4)
    there = F.pad(region, (reach,) * 4) > 0
    best = target.new_full((len(target), 1, height, width), torch.inf)
    for row in range(neighbours):
        for column in range(neighbours):
            part = (..., slice(row, row + height), slice(column, column + width))
            distance = colour_distance(target, around[part])
            best = torch.minimum(best, torch.where(there[part], distance, torch.inf))
    return torch.where(region > 0, best, 0.0)


def masked_distance(distance: Tensor, mask: Tensor, region: Tensor) -> Tensor:
    r"""Equations 1 and 5, given the squared distances of the pixels.

    .. math:: L = \frac{1}{S_\Phi} \sum_{ij \in \Phi} M_{ij}^2 d_{ij}^2

    Args:
        distance: (N, 1, H, W), :func:`neighbour_distance` for equation 1, :func:`colour_distance` for equation 5.
        mask: (N, 1, H, W) M in [0, 1].
        region: (N, 1, H, W), 1 on Φ.

    Returns:
        (), mean over the images.
    """
    return _per_area(mask.square() * distance, region)


def feature_distance(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    r"""Equations 2, 4 and 6: how differently two images look to a network that only looks.

    .. math:: L = \frac{1}{L} \sum_l \frac{1}{P_l} \sum_p \Bigl\| \frac{F_{l, p}(I)}{\|F_{l, p}(I)\|}
        - \frac{F_{l, p}(I')}{\|F_{l, p}(I')\|} \Bigr\|^2

    Features of all layers count alike when they have unit length; an embedding is one layer with one place.

    Args:
        found: maps (N, C, h, w) or embeddings (N, C).
        wanted: likewise, of the other image.

    Returns:
        () in [0, 4], mean over the images.
    """
    parts = [
        (F.normalize(one, dim=1, eps=1e-6) - F.normalize(other, dim=1, eps=1e-6)).square().sum(dim=1).mean()
        for one, other in zip(found, wanted, strict=True)
    ]
    return torch.stack(parts).mean()


def area_loss(mask: Tensor, region: Tensor) -> Tensor:
    r"""Equation 3: the valid region should be large.

    .. math:: L_{img}^{in} = -\frac{1}{S_\Phi} \sum_{ij \in \Phi} M_{ij}^2

    Args:
        mask: (N, 1, H, W) M in [0, 1].
        region: (N, 1, H, W), 1 on Φ.

    Returns:
        () in [−1, 0], mean over the images.
    """
    return -_per_area(mask.square(), region)


def binary_loss(mask: Tensor, region: Tensor) -> Tensor:
    r"""The mask should say yes or no.

    .. math:: L_{bi} = -\frac{1}{S_\Phi} \sum_{ij \in \Phi} (M_{ij} - \tfrac12)^2

    Args:
        mask: (N, 1, H, W) M in [0, 1].
        region: (N, 1, H, W), 1 on Φ.

    Returns:
        () in [−¼, 0], mean over the images.
    """
    return -_per_area((mask - 0.5).square(), region)


def landmark_distance(found: Tensor, wanted: Tensor, size: int) -> Tensor:
    r"""Equation 7: the model's landmarks lie where those of the image are.

    .. math:: L_{lm} = \frac{1}{68} \sum_l w_l \| lm_{T, l} - lm_{R, l} \|^2

    in pixels of the published crops of 224 pixels, whatever the crop's size.

    Args:
        found: (N, 68, 2) crop pixels.
        wanted: (N, 68, 2) crop pixels.
        size: edge of the crop in pixels.

    Returns:
        (), mean over the images.
    """
    weights = found.new_tensor(LANDMARK_WEIGHTS)
    squared = ((found - wanted) * (_PIXELS / size)).square().sum(dim=-1)
    return (weights * squared).mean()


def coefficient_loss(*blocks: Tensor) -> Tensor:
    r"""L_reg, of the coefficients of the face model: mean of their squares, in standard deviations.

    Args:
        blocks: (N, K_b) each.

    Returns:
        (), mean over the images.
    """
    return torch.cat(blocks, dim=-1).square().mean()


def robust_mask(
    target: Tensor, rendered: Tensor, region: Tensor, threshold: float = ROBUST_THRESHOLD
) -> Tensor:
    r"""Equation 9: a pixel that is rendered roughly as it is belongs to the face.

    .. math:: M_{pre, ij} = 1 \text{ where } \| I_{T, ij} - I_{R, ij} \|^2 < \xi \text{ on } \Phi, \text{ else } 0

    Args:
        target: (N, 3, H, W).
        rendered: (N, 3, H, W).
        region: (N, 1, H, W), 1 on Φ.
        threshold: ξ.

    Returns:
        (N, 1, H, W) 0 or 1; no gradient.
    """
    with torch.no_grad():
        return ((colour_distance(target, rendered) < threshold) & (region > 0)).to(target.dtype)


def face_log_likelihood(target: Tensor, rendered: Tensor, sigma: float) -> Tensor:
    r"""Equation 8, with the constant of a Gaussian over three channels.

    .. math:: \log P_{face} = -\frac{\|I_T - I_R\|^2}{2 \sigma^2} + N_c, \quad N_c = -\tfrac32 \log (2 \pi \sigma^2)

    Equation 9 is the comparison with a constant :math:`\log P_{non-face}`, :math:`\xi = 2 \sigma^2 (N_c - \log
    P_{non-face})`.

    Args:
        target: (N, 3, H, W).
        rendered: (N, 3, H, W).
        sigma: standard deviation of a channel on the face.

    Returns:
        (N, 1, H, W).
    """
    return -colour_distance(target, rendered) / (2 * sigma**2) - 1.5 * math.log(2 * math.pi * sigma**2)


def focus_mask_loss(
    image_ex: Tensor,
    feature_ex: Tensor,
    area: Tensor,
    feature_in: Tensor,
    binary: Tensor,
    weights: FocusWeights = FocusWeights(),
) -> Tensor:
    r"""What the segmentation network makes small.

    .. math:: L_S = a L_{img}^{ex} + b L_{per}^{ex} + c L_{img}^{in} + d L_{per}^{in} + e L_{bi}

    Source: FOCUS, §3.2.
    """
    return (
        weights.image_ex * image_ex
        + weights.feature_ex * feature_ex
        + weights.area * area
        + weights.feature_in * feature_in
        + weights.binary * binary
    )


def focus_encoder_loss(
    image: Tensor,
    feature: Tensor,
    area: Tensor,
    landmarks: Tensor,
    coefficients: Tensor,
    weights: FocusWeights = FocusWeights(),
) -> Tensor:
    r"""What the encoder makes small.

    .. math:: L_R = f L_{img}^R + g L_{per}^R + h L_{img}^{in} + i L_{lm} + j L_{reg}

    Source: FOCUS, §3.2.
    """
    return (
        weights.image * image
        + weights.feature * feature
        + weights.area_encoder * area
        + weights.landmarks * landmarks
        + weights.coefficients * coefficients
    )


def _per_area(values: Tensor, region: Tensor) -> Tensor:
    """Sum of (N, 1, H, W) over Φ over its area, mean over the images."""
    there = (region > 0).to(values.dtype)
    return ((values * there).sum(dim=(1, 2, 3)) / there.sum(dim=(1, 2, 3)).clamp_min(1)).mean()
