"""Residuals of a landmark fit, their analytic Jacobian, and the priors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._landmark_basis import LandmarkBasis

Array = NDArray[np.float64]

POSE = 7  # rotation (3), a, b, log distance, log focal


@dataclass(frozen=True)
class State:
    """Where a fit stands.

    Args:
        rotation: (3, 3).
        pose: (4,) a, b, log d, log f; the translation is d · (a, b, −1) mm.
        coefficients: (K + E,) identity, then expression.
        nuisance: (Q,) amplitudes of the correlated noise, in standard deviations.
    """

    rotation: Array
    pose: Array
    coefficients: Array
    nuisance: Array

    @property
    def translation(self) -> Array:
        """(3,) mm."""
        return np.exp(self.pose[2]) * np.array([self.pose[0], self.pose[1], -1.0])

    @property
    def focal(self) -> float:
        """Pixels."""
        return float(np.exp(self.pose[3]))

    @property
    def scale(self) -> float:
        """Pixels per millimetre at the model's origin."""
        return float(np.exp(self.pose[3] - self.pose[2]))

    def moved(self, step: Array, bounded: slice) -> State:
        """The state after a step (rotation, a, b, log d, log f, coefficients, nuisance); bounded ones clipped."""
        size = len(self.coefficients)
        coefficients = self.coefficients + step[POSE : POSE + size]
        coefficients[bounded] = np.clip(coefficients[bounded], 0.0, 1.0)
        return State(
            rotation=exponential(step[:3]) @ self.rotation,
            pose=self.pose + step[3:POSE],
            coefficients=coefficients,
            nuisance=self.nuisance + step[POSE + size :],
        )


def exponential(vector: Array) -> Array:
    """(3, 3) rotation by ``|vector|`` radians about ``vector`` (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    cross = cross_matrix(vector)
    if angle < 1e-8:
        return np.eye(3) + cross + 0.5 * cross @ cross
    return np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * cross @ cross


def cross_matrix(vector: Array) -> Array:
    """(3, 3) with ``cross_matrix(a) @ b = a × b``."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def project(points: Array, state: State, principal: Array) -> Array:
    """(…, 2) pixels of model points (…, 3)."""
    camera = points @ state.rotation.T + state.translation
    depth = -camera[..., 2:]
    return np.asarray(principal + state.focal * camera[..., :2] * np.array([1.0, -1.0]) / depth)


def roll_axes(state: State) -> Array:
    """(2, 2) image directions of the face's own x axis and of the axis across it, as columns.

    Noise is measured along these axes, so that a turned photo gives a turned result.
    """
    # The mean direction of the projected x axis and of the (turned) y axis: defined at every yaw and pitch.
    x = np.array([state.rotation[0, 0], -state.rotation[1, 0]])
    y = np.array([state.rotation[0, 1], -state.rotation[1, 1]])
    direction = x + np.array([y[1] * -1.0, y[0]])
    length = np.linalg.norm(direction)
    c, s = direction / length if length > 1e-9 else (1.0, 0.0)
    return np.array([[c, -s], [s, c]])


def predict(
    basis: LandmarkBasis, state: State, principal: Array, choice: NDArray[np.int64], jacobian: bool
) -> tuple[Array, Array | None]:
    """Predicted landmarks and their derivatives.

    Args:
        choice: (C,) candidate on which each contour landmark lies.
        jacobian: whether to compute derivatives.

    Returns:
        (L, 2) pixels, and (L, 2, 7 + K + E + Q) or None; noise modes are taken at the state's scale and roll,
        which are not differentiated.
    """
    mean, directions = slid(basis, choice)
    points = mean + directions @ state.coefficients
    turned = points @ state.rotation.T
    camera = turned + state.translation
    depth = -camera[:, 2]
    focal = state.focal
    centred = focal * camera[:, :2] * np.array([1.0, -1.0]) / depth[:, None]
    axes = roll_axes(state) * state.scale
    noise = np.einsum("ij,ljq->liq", axes, basis.modes)
    predicted = principal + centred + noise @ state.nuisance
    if not jacobian:
        return predicted, None
    count, size = len(points), directions.shape[2]
    # du/dc = f/w (1, 0, x/w), dv/dc = −f/w (0, 1, y/w) with w = −z
    image = np.zeros((count, 2, 3))
    image[:, 0, 0] = 1.0
    image[:, 1, 1] = -1.0
    image[:, 0, 2] = camera[:, 0] / depth
    image[:, 1, 2] = -camera[:, 1] / depth
    image *= (focal / depth)[:, None, None]
    result = np.empty((count, 2, POSE + size + noise.shape[2]))
    # d(exp(ω) R p)/dω = −[R p]×, so a row i of the image Jacobian gives (R p) × i
    result[:, :, :3] = np.cross(turned[:, None, :], image)
    distance = np.exp(state.pose[2])
    result[:, :, 3] = image[:, :, 0] * distance
    result[:, :, 4] = image[:, :, 1] * distance
    result[:, :, 5] = image @ state.translation
    result[:, :, 6] = centred
    result[:, :, POSE : POSE + size] = (image @ state.rotation) @ directions
    result[:, :, POSE + size :] = noise
    return predicted, result


def slid(basis: LandmarkBasis, choice: NDArray[np.int64]) -> tuple[Array, Array]:
    """Mean (L, 3) and basis (L, 3, K + E) with each contour landmark on its chosen candidate."""
    moved = choice > 0
    if not moved.any():
        return basis.mean, basis.basis
    mean, directions = basis.mean.copy(), basis.basis.copy()
    rows = np.nonzero(moved)[0]
    mean[basis.contour[rows]] = basis.candidate_mean[rows, choice[rows]]
    directions[basis.contour[rows]] = basis.candidate_basis[rows, choice[rows]]
    return mean, directions
