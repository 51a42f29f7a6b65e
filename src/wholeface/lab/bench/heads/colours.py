"""The face model in the colours of a photo: as it was fitted, and as the mean face under a light fitted to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.srgb import decode_srgb

if TYPE_CHECKING:
    from ....morphable import MorphableModel, Parameters
    from ....perceive import FaceLandmarks
    from ....render import Camera

__all__ = ["ModelRendering", "fit_light", "mean_face_of", "rendering_of", "with_fitted_light"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ModelRendering:
    """A rendered face.

    Args:
        codes: (H, W, 3) float64, sRGB codes 0 to 255; 0 in the background.
        mask: (H, W) bool, where the model is.
    """

    codes: Array
    mask: NDArray[np.bool_]


def fit_light(basis: NDArray[Any], albedo: NDArray[Any], colour: NDArray[Any], rounds: int = 3) -> Array:
    r"""(9, 3) spherical-harmonics light by least squares: the best light for a given albedo.

    .. math:: \min_{\gamma_c} \sum_p w_p (c_{pc} - a_{pc} \Phi_p \gamma_c)^2 + \epsilon \|\gamma_c\|^2

    per channel, with pixels further off than 2.5 robust standard deviations left out in the later rounds.

    Args:
        basis: (P, 9) harmonics at the normals.
        albedo: (P, 3) linear.
        colour: (P, 3) linear, of the photo.
        rounds: of leaving out.

    Raises:
        UsageError: fewer than 30 pixels.
    """
    phi, a, c = (np.asarray(x, np.float64) for x in (basis, albedo, colour))
    if len(phi) < 30:
        raise UsageError(f"a light needs at least 30 visible pixels, got {len(phi)}")
    keep = np.ones(len(phi), dtype=bool)
    light = np.zeros((9, 3))
    for _ in range(rounds):
        for k in range(3):
            row = a[keep, k, None] * phi[keep]
            ridge = 1e-3 * np.trace(row.T @ row) / 9 * np.eye(9)
            light[:, k] = np.linalg.solve(row.T @ row + ridge, row.T @ c[keep, k])
        off = np.abs(c - a * (phi @ light)).max(axis=1)
        keep = off <= max(2.5 * 1.4826 * float(np.median(off)), 1e-4)
    return light


def rendering_of(model: MorphableModel, parameters: Parameters, camera: Camera) -> ModelRendering:
    """The model's own rendering of fitted parameters: shape, albedo and light, no photo."""
    import torch

    from ....core.srgb_torch import linear_to_srgb
    from ....render import render_parameters

    with torch.no_grad():
        drawn = render_parameters(model, parameters, camera)
    linear = drawn.image[0].permute(1, 2, 0).double().clamp(0, 1)
    codes = 255 * linear_to_srgb(linear).numpy()
    mask = drawn.mask[0].numpy()
    return ModelRendering(np.where(mask[..., None], codes, 0.0), mask)


def with_fitted_light(
    model: MorphableModel,
    parameters: Parameters,
    camera: Camera,
    pixels: NDArray[np.uint8],
    visible: NDArray[np.bool_],
) -> Parameters:
    """The parameters with the light that fits the visible pixels best; see :func:`fit_light`.

    Args:
        model: face model.
        parameters: one face.
        camera: of the photo.
        pixels: (H, W, 3) uint8 sRGB.
        visible: (H, W) bool, pixels to look at.
    """
    import torch

    from ....render import render_parameters, sh_basis

    with torch.no_grad():
        drawn = render_parameters(model, parameters, camera)
        seen = torch.from_numpy(visible) & drawn.mask[0]
        basis = sh_basis(drawn.normals[0].permute(1, 2, 0)[seen])
        albedo = drawn.albedo[0].permute(1, 2, 0)[seen]
    colour = decode_srgb(pixels[seen.numpy()].astype(np.float64) / 255)
    light = torch.from_numpy(fit_light(basis.numpy(), albedo.numpy(), colour))
    return parameters.with_(light=light.to(parameters.light))


def mean_face_of(
    model: MorphableModel, landmarks: FaceLandmarks, width: int, height: int
) -> tuple[Parameters, Camera]:
    """The neutral mean face with its pose, focal length and distance fitted to the landmarks; mean albedo.

    Raises:
        UsageError: the landmarks cannot be fitted.
    """
    import torch

    from ....stages.shape import LandmarkFitSettings, fit_landmarks

    fit = fit_landmarks(model, landmarks, width, height, settings=LandmarkFitSettings(identity_shrinkage=0.0))
    p = fit.parameters
    mean = p.with_(
        identity=torch.zeros_like(p.identity),
        expression=torch.zeros_like(p.expression),
        albedo=torch.zeros_like(p.albedo),
    )
    return mean, fit.camera
