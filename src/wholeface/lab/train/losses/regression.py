r"""Losses of the parameter regressors of Zhao & Qi: between a picture and the rendering of what was regressed.

Parsing-map guided (eq. 12 to 16):

.. math:: \mathcal{L}_{3D} = \lambda_3 \mathcal{L}_{lmk} + \lambda_4 \mathcal{L}_{pix} + \lambda_5 \mathcal{L}_{reg}
    + \lambda_6 \mathcal{L}_{ff}

Eyeglasses (eq. 8 and 9): :math:`\mathcal{L}_{3D} = \lambda_1 \mathcal{L}_1 + \lambda_2 \mathcal{L}_2`, its pixels all
alike.

Colours are sRGB in [0, 1] and landmarks are pixels, as the papers' weights want them; a rendering is in linear light
and must be encoded first (:func:`wholeface.core.srgb_torch.linear_to_srgb`).

Source: Zhao & Qi 2021, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §3.5;
Zhao & Qi 2022, "Generative landmarks guided eyeglasses removal 3D face reconstruction", §3.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ....perceive.labels import FACE_CLASSES

__all__ = [
    "EYEGLASSES_REGRESSION",
    "PARSING_GUIDED_REGRESSION",
    "RegressionTerms",
    "RegressionWeights",
    "face_feature_term",
    "landmark_term",
    "occlusion_attention",
    "pixel_term",
    "regression_loss",
    "regularisation_term",
]

_OTHERWISE = 0.1  # P_i of a pixel that shows no facial feature
_LEAST = 1e-12  # under the square root, whose slope at 0 is infinite


@dataclass(frozen=True)
class RegressionWeights:
    r"""Weights of the terms, :math:`\lambda` of the papers.

    Args:
        landmarks: λ₃.
        pixels: λ₄; λ₁ of the eyeglasses paper.
        regularisation: λ₅.
        features: λ₆; λ₂ of the eyeglasses paper.
        shape: ω_α of equation 14.
        albedo: ω_β of equation 14.
    """

    landmarks: float = 1.6e-3
    pixels: float = 1.4
    regularisation: float = 3.7e-4
    features: float = 0.2
    shape: float = 1.0
    albedo: float = 1.75e-3


PARSING_GUIDED_REGRESSION = RegressionWeights()
"""Equations 14 and 16 of the parsing-map guided method."""
EYEGLASSES_REGRESSION = RegressionWeights(landmarks=0.0, pixels=1.4, regularisation=0.0, features=0.25)
"""§3.3 of the eyeglasses paper, which has neither landmarks nor a prior."""


@dataclass(frozen=True)
class RegressionTerms:
    """The terms, unweighted, each a scalar tensor, and their weighted sum."""

    total: Tensor
    landmarks: Tensor
    pixels: Tensor
    regularisation: Tensor
    features: Tensor


def landmark_term(found: Tensor, rendered: Tensor) -> Tensor:
    r"""Equation 12: how far the model's landmarks lie from those that were found.

    .. math:: \mathcal{L}_{lmk} = \frac{1}{N} \sum_n \|z^{(n)}_{lmk} - l^{(n)}_y\|_2^2

    Args:
        found: (B, N, 2) pixels.
        rendered: (B, N, 2) pixels.

    Returns:
        (), the mean over the batch, square pixels.
    """
    return (found - rendered).square().sum(dim=-1).mean()


def occlusion_attention(parsing: Tensor) -> Tensor:
    r""":math:`P_i` of equation 13: 1 on facial features of the parsing map M_α, 0.1 on all else.

    Facial features are skin, brows, eyes, nose, mouth and lips: what the map sees of the face. An occluder that it
    sees in front of the face is none.

    Args:
        parsing: (B, H, W) :class:`wholeface.perceive.ParsingClass`.

    Returns:
        (B, H, W) float.
    """
    features = torch.tensor([int(c) for c in FACE_CLASSES], device=parsing.device)
    return torch.where(torch.isin(parsing, features), 1.0, _OTHERWISE)


def pixel_term(image: Tensor, rendering: Tensor, region: Tensor, attention: Tensor | None = None) -> Tensor:
    r"""Equation 13: colour differences over the projected face, weighted by how sure it is that face is seen.

    .. math:: \mathcal{L}_{pix} = \frac{\sum_{i \in M} P_i \|I^{(i)} - I_y^{(i)}\|_2}{\sum_{i \in M} P_i}

    With equal weights it is equation 8 of the eyeglasses paper, as the mean over the rendered pixels.

    Args:
        image: (B, 3, H, W).
        rendering: (B, 3, H, W).
        region: (B, H, W) bool or float, M: the reprojected face.
        attention: (B, H, W), P; None counts all pixels alike.

    Returns:
        (), the mean over the batch; an image whose region is empty counts 0.
    """
    weight = region.to(image) if attention is None else region.to(image) * attention.to(image)
    distance = ((image - rendering).square().sum(dim=1) + _LEAST).sqrt()
    total = weight.sum(dim=(1, 2))
    each = (weight * distance).sum(dim=(1, 2)) / torch.where(total > 0, total, torch.ones_like(total))
    return each.mean()


def regularisation_term(
    shape: Tensor, albedo: Tensor, weights: RegressionWeights = PARSING_GUIDED_REGRESSION
) -> Tensor:
    r"""Equation 14: :math:`\omega_\alpha \|\alpha\|^2 + \omega_\beta \|\beta\|^2`.

    Args:
        shape: (B, K) coefficients of the shape in standard deviations: identity, and expression where there is one.
        albedo: (B, A) likewise.
        weights: ω are taken from them.

    Returns:
        (), the mean over the batch.
    """
    return (weights.shape * shape.square().sum(dim=-1) + weights.albedo * albedo.square().sum(dim=-1)).mean()


def face_feature_term(image: Tensor, rendering: Tensor) -> Tensor:
    r"""Equation 15: :math:`1 - \cos(G(I), G(I_y))` of the two pictures' features.

    Args:
        image: (B, F) of a face recognition network.
        rendering: (B, F).

    Returns:
        (), the mean over the batch.
    """
    return (1 - torch.nn.functional.cosine_similarity(image, rendering, dim=-1)).mean()


def regression_loss(
    *,
    image: Tensor,
    rendering: Tensor,
    region: Tensor,
    found: Tensor,
    rendered: Tensor,
    shape: Tensor,
    albedo: Tensor,
    features: tuple[Tensor, Tensor] | None = None,
    attention: Tensor | None = None,
    weights: RegressionWeights = PARSING_GUIDED_REGRESSION,
) -> RegressionTerms:
    """Equation 16, or that of the eyeglasses paper with its weights.

    Args:
        image, rendering, region, attention: see :func:`pixel_term`.
        found, rendered: see :func:`landmark_term`.
        shape, albedo: see :func:`regularisation_term`.
        features: of image and rendering, see :func:`face_feature_term`; None leaves the term out.
        weights: of the terms.
    """
    landmarks = landmark_term(found, rendered)
    pixels = pixel_term(image, rendering, region, attention)
    prior = regularisation_term(shape, albedo, weights)
    likeness = image.new_zeros(()) if features is None else face_feature_term(*features)
    total = (
        weights.landmarks * landmarks
        + weights.pixels * pixels
        + weights.regularisation * prior
        + weights.features * likeness
    )
    return RegressionTerms(total, landmarks, pixels, prior, likeness)
