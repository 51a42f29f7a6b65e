"""Residuals of a landmark fit, their analytic Jacobian, and the priors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .basis import LandmarkBasis

Array = NDArray[np.float64]

POSE = 7
"""Unknowns of pose and camera: rotation (3), a, b, log distance d, log scale f/d.

Distance and scale are nearly independent in an image, distance and focal length are not. Where f is given, the last
unknown is left out and a step in log d leaves f as it is.
"""


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

    def moved(self, step: Array, bounds: Array, focal_free: bool) -> State:
        """The state after a step (rotation, a, b, log d, log f/d, coefficients, nuisance).

        ``bounds`` (2, K + E) are the smallest and largest coefficients, to which they are clipped.
        """
        size = len(self.coefficients)
        coefficients = np.clip(self.coefficients + step[POSE : POSE + size], bounds[0], bounds[1])
        return State(
            rotation=exponential(step[:3]) @ self.rotation,
            pose=self.pose + np.array([*step[3:6], step[5] + step[6] if focal_free else 0.0]),
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


@dataclass(frozen=True)
class Prediction:
    """Predicted landmarks with what their derivatives need.

    Args:
        pixels: (L, 2).
        turned: (L, 3) mm, R · p.
        camera: (L, 3) mm.
        centred: (L, 2) pixels, offset from the principal point without noise.
        directions: (L, 3, K + E) mm, basis of each landmark.
    """

    pixels: Array
    turned: Array
    camera: Array
    centred: Array
    directions: Array


def predict(basis: LandmarkBasis, state: State, principal: Array, choice: NDArray[np.int64]) -> Prediction:
    """Landmarks of a state, correlated noise included; ``choice`` (C,) places the contour landmarks."""
    mean, directions = slid(basis, choice)
    # One matrix–vector product over all landmarks; stacked ones take five times as long.
    points = mean + (
        directions.reshape(directions.shape[0] * 3, directions.shape[2]) @ state.coefficients
    ).reshape(-1, 3)
    turned = points @ state.rotation.T
    camera = turned + state.translation
    centred = state.focal * camera[:, :2] * np.array([1.0, -1.0]) / -camera[:, 2:]
    noise = (basis.modes @ state.nuisance) @ (roll_axes(state) * state.scale).T
    return Prediction(principal + centred + noise, turned, camera, centred, directions)


def jacobian(basis: LandmarkBasis, state: State, at: Prediction, left: Array, focal_free: bool) -> Array:
    """(L, 2, 7 + K + E + Q) derivatives of the pixels, multiplied by ``left`` (L, 2, 2).

    The scale and roll at which the noise modes are applied are not differentiated.
    """
    depth = -at.camera[:, 2]
    count, size = len(depth), at.directions.shape[2]
    # du/dc = f/w (1, 0, x/w), dv/dc = −f/w (0, 1, y/w) with w = −z
    image = np.zeros((count, 2, 3))
    image[:, 0, 0] = 1.0
    image[:, 1, 1] = -1.0
    image[:, 0, 2] = at.camera[:, 0] / depth
    image[:, 1, 2] = -at.camera[:, 1] / depth
    image = left @ (image * (state.focal / depth)[:, None, None])
    result = np.empty((count, 2, POSE + size + basis.modes.shape[2]))
    # d(exp(ω) R p)/dω = −[R p]×, so a row i of the image Jacobian gives (R p) × i
    t, i = at.turned[:, None, :], image
    result[:, :, 0] = t[..., 1] * i[..., 2] - t[..., 2] * i[..., 1]
    result[:, :, 1] = t[..., 2] * i[..., 0] - t[..., 0] * i[..., 2]
    result[:, :, 2] = t[..., 0] * i[..., 1] - t[..., 1] * i[..., 0]
    distance = np.exp(state.pose[2])
    result[:, :, 3] = image[:, :, 0] * distance
    result[:, :, 4] = image[:, :, 1] * distance
    result[:, :, 6] = (left @ at.centred[..., None])[..., 0]
    result[:, :, 5] = image @ state.translation + (result[:, :, 6] if focal_free else 0.0)
    np.matmul(image @ state.rotation, at.directions, out=result[:, :, POSE : POSE + size])
    np.matmul(left @ (roll_axes(state) * state.scale), basis.modes, out=result[:, :, POSE + size :])
    return result


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
