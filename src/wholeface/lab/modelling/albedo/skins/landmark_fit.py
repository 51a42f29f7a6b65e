"""A landmark fit for the albedo stage: known points, no prior knowledge of fits in other parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .....morphable.embedding import Embedding
from .....morphable.model import MorphableModel

__all__ = ["FitBasis", "HeadFit", "fit_basis", "fit_points_2d", "fit_points_3d"]

Array = NDArray[Any]
_IDENTITY = 50
# Photographers of official portraits stand about this far away; the exact value hardly matters for sampling.
_DISTANCE_MM = 1800.0


@dataclass(frozen=True)
class FitBasis:
    """The parts of a face model that a landmark fit touches, as numpy arrays.

    Args:
        valid: (L,) bool, landmarks that have a place on the mesh.
        mean: (L', 3) mm, mean positions of the valid landmarks.
        modes: (M, L', 3) mm, identity modes first, then expressions.
        identity_count: number of identity modes among the modes.
        vertex_mean: (V, 3) mm.
        vertex_modes: (M, V, 3) mm, float32.
    """

    valid: NDArray[np.bool_]
    mean: Array
    modes: Array
    identity_count: int
    vertex_mean: Array
    vertex_modes: Array

    def vertices(self, coefficients: Array) -> Array:
        """(V, 3) mm for coefficients (M,)."""
        shape: Array = self.vertex_mean + np.tensordot(coefficients.astype(np.float32), self.vertex_modes, 1)
        return shape


@dataclass(frozen=True)
class HeadFit:
    """Result of a fit: camera = rotation · vertices + translation, pixel = centre + focal · (x, −y) / −z.

    Args:
        coefficients: (M,) of the modes.
        rotation: (3, 3).
        translation: (3,) mm.
        focal: pixels.
        centre: (2,) principal point, pixels.
        residual: (L', 2) detected minus fitted point, pixels.
    """

    coefficients: Array
    rotation: Array
    translation: Array
    focal: float
    centre: Array
    residual: Array

    def camera_space(self, points: Array) -> Array:
        """(…, 3) camera space, mm."""
        moved: Array = points @ self.rotation.T + self.translation
        return moved

    def project(self, points_cam: Array) -> Array:
        """(…, 2) pixels of camera-space points."""
        depth = -points_cam[..., 2:3]
        return self.centre + self.focal * points_cam[..., :2] * np.array([1.0, -1.0]) / depth


def fit_basis(model: MorphableModel, landmarks: Embedding) -> FitBasis:
    """Gather what a fit of this model to these landmarks needs."""
    k = min(_IDENTITY, model.identity_size)
    barycentric = landmarks.barycentric.double().numpy()
    valid = np.isfinite(barycentric).all(axis=1)
    corners = model.triangles.numpy()[landmarks.triangle.numpy()[valid]]
    weights = barycentric[valid]
    modes = np.concatenate((model.identity[:k].numpy(), model.expression.numpy())).astype(np.float32)
    vertices = model.mean.double().numpy()
    at = np.einsum("mlkc,lk->mlc", modes[:, corners], weights, optimize=True)
    return FitBasis(valid, np.einsum("lkc,lk->lc", vertices[corners], weights), at, k, vertices, modes)


def _ridge(basis: FitBasis, noise: float) -> Array:
    """Inverse prior variances in units of the data's: identity ~ N(0, 1), expressions ~ N(0, 0.35²)."""
    ridge = np.full(len(basis.modes), noise**2)
    ridge[basis.identity_count :] *= 1 / 0.35**2
    return ridge


def _rigid(source: Array, target: Array) -> tuple[Array, Array, float]:
    """Rotation, centroid-to-centroid shift and scale that take source (L, 3) to target (L, 3)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ flip @ vt
    scale = float((s * np.diag(flip)).sum() / (a**2).sum())
    return rotation, target.mean(0) - scale * rotation @ source.mean(0), scale


def fit_points_2d(
    basis: FitBasis, points: Array, width: int, height: int, *, noise_px: float = 1.0, iterations: int = 12
) -> HeadFit:
    """Pose, identity and expression from landmarks in a portrait by Gauss–Newton with Gaussian priors.

    Args:
        basis: from :func:`fit_basis`.
        points: (L, 2) pixels, all landmarks of the embedding.
        width: of the image, pixels; the principal point is its middle.
        height: of the image, pixels.
        noise_px: assumed landmark noise.
        iterations: of Gauss–Newton.

    Returns:
        The fit; its focal length follows from an assumed distance of 1.8 m.
    """
    target = points[basis.valid]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    span = np.linalg.norm(np.ptp(target, axis=0)) / np.linalg.norm(np.ptp(basis.mean[:, :2], axis=0))
    focal = float(span * _DISTANCE_MM)
    offset = (target.mean(0) - centre) / focal * _DISTANCE_MM
    rotation = np.eye(3)
    translation = np.array([offset[0], -offset[1], -_DISTANCE_MM]) - np.array([*basis.mean.mean(0)[:2], 0.0])
    coefficients = np.zeros(len(basis.modes))
    ridge = np.concatenate((np.full(6, 1e-9), _ridge(basis, noise_px)))
    robust = np.ones(len(target))
    for step in range(iterations):
        shape = basis.mean + np.tensordot(coefficients, basis.modes, 1)
        turned = shape @ rotation.T
        cam = turned + translation
        depth = -cam[:, 2]
        projected = centre + focal * cam[:, :2] * [1, -1] / depth[:, None]
        error = target - projected
        if step > 2:
            size = np.linalg.norm(error, axis=1)
            robust = 1 / (1 + (size / (3 * noise_px)) ** 2)
        # d(pixel)/d(camera point): (L, 2, 3)
        grad = np.zeros((len(target), 2, 3))
        grad[:, 0, 0] = focal / depth
        grad[:, 1, 1] = -focal / depth
        grad[:, 0, 2] = focal * cam[:, 0] / depth**2
        grad[:, 1, 2] = -focal * cam[:, 1] / depth**2
        skew = np.zeros((len(target), 3, 3))
        skew[:, 0, 1], skew[:, 0, 2] = turned[:, 2], -turned[:, 1]
        skew[:, 1, 0], skew[:, 1, 2] = -turned[:, 2], turned[:, 0]
        skew[:, 2, 0], skew[:, 2, 1] = turned[:, 1], -turned[:, 0]
        moved = np.einsum("ij,mlj->lim", rotation, basis.modes, optimize=True)
        jacobian = np.concatenate((grad @ skew, grad, grad @ moved), axis=2)
        jacobian = jacobian.reshape(-1, jacobian.shape[2])
        w = np.repeat(robust, 2)[:, None]
        current = np.concatenate((np.zeros(6), coefficients))
        delta = np.linalg.solve(
            jacobian.T @ (jacobian * w) + np.diag(ridge),
            jacobian.T @ (error.reshape(-1, 1) * w)[:, 0] - ridge * current,
        )
        rotation = Rotation.from_rotvec(delta[:3]).as_matrix() @ rotation
        translation = translation + delta[3:6]
        coefficients = coefficients + delta[6:]
        expression = coefficients[basis.identity_count :]
        np.clip(expression, -0.1, 1.1, out=expression)
    shape = basis.mean + np.tensordot(coefficients, basis.modes, 1)
    fit = HeadFit(coefficients, rotation, translation, focal, centre, np.zeros_like(target))
    residual = target - fit.project(fit.camera_space(shape))
    return HeadFit(coefficients, rotation, translation, focal, centre, residual)


def fit_points_3d(
    basis: FitBasis, points: Array, *, noise_mm: float = 2.0, iterations: int = 15
) -> tuple[Array, Array]:
    """Identity, expression and similarity from 3-D landmarks.

    Args:
        basis: from :func:`fit_basis`.
        points: (L, 3) in any unit and frame; rows of NaN are left out.
        noise_mm: assumed landmark noise.
        iterations: of alternating similarity and modes.

    Returns:
        Vertices (V, 3) of the fitted model in mm, model frame, and the points (L', 3) carried into that
        frame.
    """
    target = points[basis.valid]
    seen = np.isfinite(target).all(axis=1)
    coefficients = np.zeros(len(basis.modes))
    ridge = np.diag(_ridge(basis, noise_mm))
    carried = target
    for _ in range(iterations):
        shape = basis.mean + np.tensordot(coefficients, basis.modes, 1)
        rotation, shift, scale = _rigid(target[seen], shape[seen])
        carried = scale * target @ rotation.T + shift
        jacobian = basis.modes[:, seen].reshape(len(basis.modes), -1).T.astype(np.float64)
        error = (carried - basis.mean)[seen].ravel()
        coefficients = np.linalg.solve(jacobian.T @ jacobian + ridge, jacobian.T @ error)
        expression = coefficients[basis.identity_count :]
        np.clip(expression, -0.1, 1.1, out=expression)
    return basis.vertices(coefficients), carried
