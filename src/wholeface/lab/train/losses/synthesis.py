"""Weighted sums with which the two generators are trained."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["EyeglassesWeights", "FisnWeights", "eyeglasses_loss", "fisn_loss"]


@dataclass(frozen=True)
class FisnWeights:
    """Weights of equation 9.

    Args:
        adversarial: of L_GAN.
        matching: λ_1, of L_fea.
        perceptual: λ_2, of L_per.
    """

    adversarial: float = 1.0
    matching: float = 10.0
    perceptual: float = 10.0


def fisn_loss(
    adversarial: Tensor, matching: Tensor, perceptual: Tensor, weights: FisnWeights = FisnWeights()
) -> Tensor:
    r"""Equation 9.

    .. math:: \mathcal L_{FISN} = \mathcal L_{GAN} + \lambda_1 \mathcal L_{fea} + \lambda_2 \mathcal L_{per}

    Args:
        adversarial: of :func:`generator_loss`.
        matching: of :func:`feature_matching_loss`.
        perceptual: of :func:`perceptual_loss`.
        weights: the paper's unless said otherwise.

    Source: Zhao & Qi, "Generative face parsing map guided 3D face reconstruction under occluded scenes", eq. 9.
    """
    return weights.adversarial * adversarial + weights.matching * matching + weights.perceptual * perceptual


@dataclass(frozen=True)
class EyeglassesWeights:
    """Weights of equation 5, and of two losses that the paper names without a weight.

    Args:
        pixel: λ_pixe.
        style: λ_style.
        variation: λ_var.
        adversarial: as in Yang et al. 2020, "Generative landmark guided face inpainting", whose losses these are.
        perceptual: likewise.
    """

    pixel: float = 1.0
    style: float = 250.0
    variation: float = 0.1
    adversarial: float = 0.01
    perceptual: float = 0.1


def eyeglasses_loss(
    pixel: Tensor,
    style: Tensor,
    variation: Tensor,
    adversarial: Tensor,
    perceptual: Tensor,
    weights: EyeglassesWeights = EyeglassesWeights(),
) -> Tensor:
    r"""Equation 5, with the adversarial and the perceptual loss that the text names beside it.

    .. math:: \mathcal L_{fsm} = \lambda_{pixe} \mathcal L_{pixe} + \lambda_{style} \mathcal L_{style}
        + \lambda_{var} \mathcal L_{var} + \lambda_{adv} \mathcal L_{adv} + \lambda_{per} \mathcal L_{per}

    Args:
        pixel: of :func:`pixel_loss`.
        style: of :func:`style_loss`.
        variation: of :func:`total_variation`.
        adversarial: of :func:`generator_loss`.
        perceptual: of :func:`perceptual_loss`.
        weights: the paper's unless said otherwise.

    Source: Zhao & Qi, "Generative landmarks guided eyeglasses removal 3D face reconstruction", eq. 5.
    """
    return (
        weights.pixel * pixel
        + weights.style * style
        + weights.variation * variation
        + weights.adversarial * adversarial
        + weights.perceptual * perceptual
    )
