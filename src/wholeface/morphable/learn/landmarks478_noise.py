"""How the 478-point detector errs on rendered truth: bias, response to each mode, and correlated noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..model import MorphableModel
from .landmarks478_samples import DetectionSet

__all__ = ["Noise478", "NoiseSettings", "detector_residuals", "fit_response", "measure_478", "predict_response"]

Array = NDArray[np.float64]

_EDGE = 0.15  # visibility below which a point is not compared


@dataclass(frozen=True)
class NoiseSettings:
    """Priors of the estimates.

    Args:
        modes: number Q of correlated noise directions.
        shift: prior standard deviation of the detector's mean shift of a point, mm.
        identity_response: the same per standard deviation of identity, mm.
        expression_response: the same per unit of expression, mm.
        identity_modes: response is measured for the first modes only.
        pixel_noise: standard deviation of a residual assumed while the response is estimated, mm.
    """

    modes: int = 32
    shift: float = 3.0
    identity_response: float = 0.15
    expression_response: float = 1.0
    identity_modes: int = 50
    pixel_noise: float = 1.5


@dataclass(frozen=True)
class Noise478:
    """Detector minus truth, as the fit uses it; all in mm on the face, 2D parts along the face's own image axes.

    Args:
        response: (478, 3, 1 + K + E) shift of each point in model space: constant, per identity mode, per expression.
        sigma: (478, 2) independent noise of visible points.
        sigma_hidden: (478, 2) of points behind an occluder.
        modes: (478, 2, Q) correlated noise, one standard deviation each.
        explained: share of the residual variance that the response explains.
    """

    response: Array
    sigma: Array
    sigma_hidden: Array
    modes: Array
    explained: float

    def extras(self, dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
        """The tensors under the names that :func:`wholeface.fit.fit_landmarks` looks for in ``model.extras``."""
        return {
            f"landmarks_478_{name}": torch.from_numpy(getattr(self, name)).to(dtype)
            for name in ("response", "sigma", "sigma_hidden", "modes")
        }


def detector_residuals(model: MorphableModel, samples: DetectionSet) -> Array:
    """(N, 478, 2) detected minus true points in mm on the face, camera axes (x right, y up)."""
    if model.landmarks_478 is None:
        raise ValueError("the model has no landmarks_478")
    triangles = model.triangles
    mean = model.landmarks_478.points(model.mean.double(), triangles).numpy()
    basis = model.landmarks_478.points(torch.cat([model.identity, model.expression]).double(), triangles).numpy()
    coefficients = np.concatenate([samples.identity, samples.expression], axis=1)
    points = mean + np.einsum("nk,kli->nli", coefficients, basis, optimize=True)
    camera = np.einsum("nij,nlj->nli", samples.rotation, points) + samples.translation[:, None]
    focal, centre = samples.camera[:, None, :1], samples.camera[:, None, 1:]
    depth = -camera[..., 2:]
    flip = np.array([1.0, -1.0])
    projected = centre + focal * camera[..., :2] * flip / depth
    return np.asarray((samples.points - projected) * flip * depth / focal)


def measure_478(
    model: MorphableModel, clean: DetectionSet, occluded: DetectionSet | None, settings: NoiseSettings | None = None
) -> Noise478:
    r"""Bias, response and noise of the detector.

    Regression: the detected point moves with the face's coefficients by more or less than the surface does (the
    network regresses to its own mean face), so the shift of point l is modelled in head space,
    :math:`\delta_l = D_{l0} + D_{lI} α + D_{lE} ε`, seen by the camera as the first two rows of
    :math:`R\,\delta_l`; ridge estimate. What remains is split into Q correlated directions (over all points) and
    independent noise per point by a factor analysis in which invisible points are missing.

    Args:
        model: with ``landmarks_478``.
        clean: detections without occluders.
        occluded: detections with occluders; None leaves 4 × sigma behind occluders.
        settings: priors.
    """
    settings = settings or NoiseSettings()
    residual = detector_residuals(model, clean)
    seen = clean.visibility >= _EDGE
    response = fit_response(residual, seen, clean, settings)
    left = residual - predict_response(response, clean)
    aligned = to_face_axes(left, clean.rotation)
    explained = 1.0 - float((left[seen] ** 2).sum() / (residual[seen] ** 2).sum())
    modes, sigma = factor_analysis(aligned, seen, settings.modes)
    hidden = 4.0 * sigma
    if occluded is not None:
        behind = to_face_axes(
            detector_residuals(model, occluded) - predict_response(response, occluded), occluded.rotation
        )
        hidden = _hidden_sigma(behind, occluded, sigma)
    return Noise478(response, sigma, hidden, modes, explained)


def features(samples: DetectionSet, identity_modes: int) -> Array:
    """(N, 1 + K' + E) constant, identity, expression."""
    return np.concatenate(
        [np.ones((len(samples), 1)), samples.identity[:, :identity_modes], samples.expression], axis=1
    )


def fit_response(residual: Array, seen: NDArray[np.bool_], samples: DetectionSet, settings: NoiseSettings) -> Array:
    """(478, 3, 1 + K + E) ridge regression of the shift in head space."""
    k = min(settings.identity_modes, samples.identity.shape[1])
    phi = features(samples, k)
    width = phi.shape[1]
    scales = np.concatenate(
        [[settings.shift], np.full(k, settings.identity_response), np.full(width - 1 - k, settings.expression_response)]
    )
    phi = phi * scales  # unknowns in units of their prior
    # rows (n, c): sum_if R_cif phi_f D_if, c the image axis, i the head axis
    design = np.einsum("nci,nf->ncif", samples.rotation[:, :2], phi).reshape(len(phi), 2, 3 * width)
    design /= settings.pixel_noise
    target = residual / settings.pixel_noise
    found = np.zeros((residual.shape[1], 3 * width))
    for point in range(residual.shape[1]):
        rows = design[seen[:, point]].reshape(-1, 3 * width)
        values = target[seen[:, point], point].ravel()
        spread = 2.5
        weights = 1.0 / (1.0 + (values - np.median(values)) ** 2 / spread**2)
        normal = (rows * weights[:, None]).T @ rows + np.eye(3 * width)
        found[point] = np.linalg.solve(normal, rows.T @ (weights * values))
    found = found.reshape(-1, 3, width) * scales
    size = samples.identity.shape[1]
    full = np.zeros((len(found), 3, 1 + size + samples.expression.shape[1]))
    full[:, :, : 1 + k] = found[:, :, : 1 + k]
    full[:, :, 1 + size :] = found[:, :, 1 + k :]
    return full


def predict_response(response: Array, samples: DetectionSet) -> Array:
    """(N, 478, 2) shift that the response predicts, camera axes."""
    shift = np.einsum("lif,nf->nli", response, features(samples, samples.identity.shape[1]), optimize=True)
    return np.asarray(np.einsum("nci,nli->nlc", samples.rotation[:, :2], shift))


def to_face_axes(residual: Array, rotation: Array) -> Array:
    """Turn residuals by the heads' roll: along and across the face's own x axis in the image, y DOWN as in pixels."""
    direction = rotation[:, :2, 0] + np.stack([rotation[:, 1, 1], -rotation[:, 0, 1]], axis=-1)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    across = np.stack([direction[:, 1], -direction[:, 0]], axis=-1)  # image down
    return np.stack(
        [np.einsum("nlc,nc->nl", residual, direction), np.einsum("nlc,nc->nl", residual, across)], axis=-1
    )


def factor_analysis(residual: Array, seen: NDArray[np.bool_], count: int, rounds: int = 12) -> tuple[Array, Array]:
    """Correlated directions (478, 2, Q) and independent sigma (478, 2) of residuals with missing points.

    Expectation–maximisation of the factor model r = U z + e with missing entries and outliers cut at four spreads.

    Source: Rubin & Thayer 1982.
    """
    samples, points, _ = residual.shape
    mask = np.repeat(seen, 2, axis=1)
    data = residual.reshape(samples, -1)
    spread = np.array([1.4826 * np.median(np.abs(data[mask[:, j], j])) if mask[:, j].any() else 5.0 for j in range(data.shape[1])])
    data = np.clip(data, -4 * spread, 4 * spread) * mask
    count = min(count, samples // 3)
    _, s, vt = np.linalg.svd(data / np.sqrt(samples), full_matrices=False)
    loadings = vt[:count].T * s[:count]
    variance = np.maximum((data**2).sum(axis=0) / np.maximum(mask.sum(axis=0), 1) - (loadings**2).sum(axis=1), 0.05)
    for _ in range(rounds):
        scaled = loadings / variance[:, None]
        z = np.empty((samples, count))
        zz = np.empty((samples, count, count))
        for n in range(samples):
            kept = mask[n]
            covariance = np.linalg.inv(np.eye(count) + loadings[kept].T @ scaled[kept])
            z[n] = covariance @ (scaled[kept].T @ data[n, kept])
            zz[n] = covariance + np.outer(z[n], z[n])
        second = np.einsum("nj,nab->jab", mask.astype(float), zz, optimize=True)
        cross = data.T @ z
        loadings = np.linalg.solve(second + 1e-6 * np.eye(count), cross[..., None])[..., 0]
        explained = (loadings * cross).sum(axis=1)
        variance = np.maximum(((data**2).sum(axis=0) - explained) / np.maximum(mask.sum(axis=0), 1), 0.02)
    return loadings.reshape(points, 2, count), np.sqrt(variance).reshape(points, 2)


def _hidden_sigma(residual: Array, samples: DetectionSet, sigma: Array) -> Array:
    """(478, 2) robust spread behind occluders, shrunk towards the mean ratio where few samples exist."""
    behind = samples.occluded & (samples.visibility >= _EDGE)
    total = np.array([1.4826 * np.median(np.abs(residual[behind[:, p], p]), axis=0) if behind[:, p].sum() >= 8 else [np.nan, np.nan] for p in range(len(sigma))])
    ratio = np.nanmedian(total / sigma)
    count = behind.sum(axis=0)[:, None]
    fallback = ratio * sigma
    filled = np.where(np.isfinite(total), total, fallback)
    weight = count / (count + 20.0)
    return np.asarray(np.maximum(np.exp(weight * np.log(filled) + (1 - weight) * np.log(fallback)), sigma))
