"""What is known before the photo's colours are looked at: statistics, landmarks, and how light behaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.spherical_harmonics import C0
from ....morphable import Embedding, MorphableModel
from ....perceive.landmarks import FaceLandmarks
from ....render import Camera, axis_angle
from .problem import State, sh_values

__all__ = ["GeometryPrior", "LightPrior"]

_F64 = NDArray[np.float64]
_BAND = np.repeat([0, 1, 2], [1, 3, 5])


@dataclass(frozen=True)
class GeometryPrior:
    r"""The landmark fit as a Gaussian about its result: ½ (g − g₀)ᵀ H (g − g₀).

    At the landmark fit's optimum its gradient vanishes, so its curvature alone says how far identity,
    expression and pose may move before the landmarks object.

    Args:
        start: g₀.
        precision: (G, G) H over identity, expression, rotation vector, translation.
        sizes: numbers of identity and expression coefficients in it.
    """

    start: State
    precision: _F64
    sizes: tuple[int, int]

    @staticmethod
    def of(
        model: MorphableModel,
        state: State,
        camera: Camera,
        landmarks: FaceLandmarks | None,
        sizes: tuple[int, int],
        *,
        landmark_weight: float,
        identity_precision: _F64,
        expression_precision: float,
    ) -> GeometryPrior:
        """Curvature of the landmarks' reprojection at the start, plus the model's own statistics.

        Without landmarks the pose is held by the 68 points with a sigma of 2 % of the face.
        """
        embedding, chosen, sigma = _points(model, landmarks)
        corners = model.triangles[embedding.triangle[chosen]].numpy()  # (L, 3)
        weights = embedding.barycentric[chosen].double().numpy()
        modes = (
            torch.cat([model.identity[: sizes[0]], model.expression[: sizes[1]]])[:, corners].double().numpy()
        )
        moved = np.einsum("klcx,lc->klx", modes, weights) @ state.rotation.T  # (K, L, 3)
        vertices = model.vertices(
            torch.from_numpy(state.identity).float(), torch.from_numpy(state.expression).float()
        )
        points = np.einsum("lcx,lc->lx", vertices[corners].double().numpy(), weights) @ state.rotation.T
        rotations = np.cross(np.eye(3)[:, None], points[None])
        shifts = np.broadcast_to(np.eye(3)[:, None], (3, *points.shape))
        by_parameter = np.concatenate([moved, rotations, shifts])  # (G, L, 3)
        place = points + state.translation
        focal, z = float(camera.focal), place[:, 2]
        u = -focal / z * by_parameter[..., 0] + focal * place[:, 0] / z**2 * by_parameter[..., 2]
        v = focal / z * by_parameter[..., 1] - focal * place[:, 1] / z**2 * by_parameter[..., 2]
        if sigma is None:
            pixels = camera.project(torch.from_numpy(place)).numpy()
            sigma = np.full(len(place), 0.02 * float(np.ptp(pixels, axis=0).max()))
        jacobian = np.concatenate([u, v], axis=1) / np.tile(sigma, 2)  # (G, 2L)
        precision = landmark_weight * jacobian @ jacobian.T
        count = len(precision)
        own = np.concatenate(
            [
                identity_precision,
                np.full(sizes[1], expression_precision),
                np.full(6, 1e-6),
            ]
        )
        precision[np.arange(count), np.arange(count)] += own
        return GeometryPrior(state, precision, sizes)

    def value_and_gradient(self, state: State) -> tuple[float, _F64]:
        """½ dᵀ H d and H d."""
        turn = torch.from_numpy(state.rotation @ self.start.rotation.T)
        difference = np.concatenate(
            [
                (state.identity - self.start.identity)[: self.sizes[0]],
                (state.expression - self.start.expression)[: self.sizes[1]],
                axis_angle(turn).numpy(),
                state.translation - self.start.translation,
            ]
        )
        gradient = self.precision @ difference
        return 0.5 * float(difference @ gradient), gradient


def _points(
    model: MorphableModel, landmarks: FaceLandmarks | None
) -> tuple[Embedding, NDArray[np.int64], _F64 | None]:
    """Embedding, the points with a place on the mesh, and their standard deviations (None: unknown)."""
    if landmarks is not None and landmarks.scheme == "wholeface668":
        landmarks = landmarks.as_scheme("mediapipe478" if model.landmarks_478 is not None else "ibug68")
    if landmarks is not None and landmarks.scheme == "mediapipe478" and model.landmarks_478 is not None:
        embedding = model.landmarks_478
        placed = embedding.barycentric.isfinite().all(dim=1).numpy()
        chosen = np.flatnonzero(placed & (landmarks.visibility > 0.3))
        return embedding, chosen, landmarks.total_sigma[chosen]
    assert model.landmarks_68 is not None
    embedding = model.landmarks_68
    if landmarks is not None and landmarks.scheme == "ibug68":
        chosen = np.flatnonzero(landmarks.visibility > 0.3)
        return embedding, chosen, landmarks.total_sigma[chosen]
    return embedding, np.arange(len(embedding)), None


class LightPrior:
    r"""Light is mostly ambient, no direction is darker than black, and exposure and tint are usual ones.

    .. math:: \tfrac12 \sum_{bc} (\gamma_{bc} / (\sigma_b \gamma_{0c}))^2
        + \tfrac12 \sum_{dc} \big(\max(0, \epsilon - \Phi(d)\gamma_c / s_c) / \tau\big)^2
        + \tfrac12 e^T (\sigma_L^2 1 1^T + \sigma_T^2 I)^{-1} e, \quad e_c = \log \bar\Phi\gamma_c - \mu

    with :math:`s_c` the ambient shading of the start, 64 directions d that a face can show, and
    :math:`\bar\Phi` their mean. The last term shares the skin's brightness between albedo and light: one photo
    cannot tell dark skin in bright light from light skin in dim light.

    Args:
        light: (9, 3) the start.
        sigma: standard deviations of bands 1 and 2 over the ambient coefficient.
        level: μ, expected log of the mean shading, or None for no such term.
        level_sigma: σ_L, exposure.
        tint_sigma: σ_T, colour of the light.
    """

    _least, _softness = 0.05, 0.05

    def __init__(
        self,
        light: _F64,
        sigma: tuple[float, float],
        level: float | None = None,
        level_sigma: float = 0.3,
        tint_sigma: float = 0.4,
    ) -> None:
        self._ambient = np.maximum(np.abs(light[0]), 1e-6)
        bands = np.array([np.inf, *sigma])[_BAND]
        self._precision = 1 / np.square(bands[:, None] * self._ambient)  # (9, 3)
        index = np.arange(64) + 0.5
        z = 1 - index / 64 * 1.2  # from the camera to a little beyond the silhouette
        angle = np.pi * (1 + 5**0.5) * index
        side = np.sqrt(np.maximum(1 - z**2, 0))
        directions = np.stack([side * np.cos(angle), side * np.sin(angle), z], axis=1)
        self._basis = sh_values(directions)
        self._mean = self._basis.mean(axis=0)
        self._level = level
        spread = level_sigma**2 * np.ones((3, 3)) + tint_sigma**2 * np.eye(3)
        self._exposure = np.linalg.inv(spread) if level is not None else np.zeros((3, 3))

    def value(self, light: _F64) -> float:
        """The prior's energy."""
        lack = self._lack(light)
        error, _ = self._brightness(light)
        return 0.5 * float(
            (self._precision * light**2).sum() + np.square(lack).sum() + error @ self._exposure @ error
        )

    def derivatives(self, light: _F64) -> tuple[_F64, _F64]:
        """Gradient (27,) and Gauss–Newton curvature (27, 27)."""
        lack = self._lack(light)  # (D, 3)
        slope = -self._basis[:, :, None] / (self._softness * C0 * self._ambient)  # (D, 9, 3)
        active = np.where((lack > 0)[:, None], slope, 0.0)
        gradient = self._precision * light + np.einsum("dc,dbc->bc", lack, active)
        curvature = np.diag(self._precision.ravel())
        for c in range(3):
            curvature[c::3, c::3] += active[:, :, c].T @ active[:, :, c]
        error, error_slope = self._brightness(light)
        jacobian = np.zeros((3, 27))
        for c in range(3):
            jacobian[c, c::3] = error_slope[:, c]
        gradient += (jacobian.T @ self._exposure @ error).reshape(9, 3)
        curvature += jacobian.T @ self._exposure @ jacobian
        return gradient.ravel(), curvature

    def _brightness(self, light: _F64) -> tuple[_F64, _F64]:
        """(3,) log mean shading less its expectation, and its derivative (9, 3)."""
        if self._level is None:
            return np.zeros(3), np.zeros((9, 3))
        mean = self._mean @ light
        bounded = np.maximum(mean, 1e-3)
        return np.log(bounded) - self._level, np.where(mean > 1e-3, self._mean[:, None] / bounded, 0.0)

    def _lack(self, light: _F64) -> _F64:
        shading = self._basis @ light / (C0 * self._ambient)
        return np.maximum(0.0, self._least - shading) / self._softness
