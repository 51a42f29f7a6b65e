"""How the 478-point detector errs on rendered truth: bias, response to each mode, and correlated noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.errors import UsageError
from ....morphable.model import MorphableModel
from .samples import DetectionSet

__all__ = [
    "NOISE_KINDS",
    "Noise478",
    "NoiseSettings",
    "detector_residuals",
    "factor_analysis",
    "fit_response",
    "measure_478",
    "predict_response",
]

Array = NDArray[np.float64]

NOISE_KINDS = ("clean", "occluded", "any")
"""Statistics of images without occluder; of the points beside an occluder; of all points, hidden ones included."""

_EDGE = 0.15  # visibility below which a point is not compared
_CUT = 8.0  # mm beyond which a residual is an outlier that says no more about the response


@dataclass(frozen=True)
class NoiseSettings:
    """Priors of the estimates.

    Args:
        modes: number Q of correlated noise directions.
        shift: prior standard deviation of the detector's mean shift of a point, mm.
        identity_response: the same per standard deviation of identity, mm.
        expression_response: the same per unit of expression, mm.
        noise: standard deviation of a residual assumed while the response is estimated, mm.
        rounds: of filling missing points in.
        folds: the noise is measured on images that the response was not estimated from, in so many parts.
    """

    modes: int = 32
    shift: float = 3.0
    identity_response: float = 0.2
    expression_response: float = 1.0
    noise: float = 1.5
    rounds: int = 4
    folds: int = 4


@dataclass(frozen=True)
class Noise478:
    """Detector minus truth, as the fit uses it; all in mm on the face, 2D parts along the face's own image axes.

    Args:
        response: (478, 3, 1 + K + E) shift of each point in model space: constant, per identity mode, per expression.
        sigma: (3, 478, 2) independent noise for each of :data:`NOISE_KINDS`.
        modes: (3, 478, 2, Q) correlated noise, one standard deviation each.
        report: numbers for the model card: root mean squares in mm before and after the response.
    """

    response: Array
    sigma: Array
    modes: Array
    report: Mapping[str, float]

    def extras(self, dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
        """The tensors under the names that :func:`wholeface.stages.shape.fit_landmarks` looks for in
        ``model.extras``."""
        return {
            f"landmarks_478_{name}": torch.from_numpy(getattr(self, name)).to(dtype)
            for name in ("response", "sigma", "modes")
        }


def detector_residuals(model: MorphableModel, samples: DetectionSet) -> Array:
    """(N, 478, 2) detected minus true points in mm on the face, camera axes (x right, y up)."""
    if model.landmarks_478 is None:
        raise UsageError(f"face model {model.name!r} has no embedding of the 478 points; calibrate it first")
    triangles = model.triangles
    mean = model.landmarks_478.points(model.mean.double(), triangles).numpy()
    basis = model.landmarks_478.points(
        torch.cat([model.identity, model.expression]).double(), triangles
    ).numpy()
    coefficients = np.concatenate([samples.identity, samples.expression], axis=1)
    points = mean + np.einsum("nk,kli->nli", coefficients, basis, optimize=True)
    camera = np.einsum("nij,nlj->nli", samples.rotation, points) + samples.translation[:, None]
    focal, centre = samples.camera[:, None, :1], samples.camera[:, None, 1:]
    depth = -camera[..., 2:]
    flip = np.array([1.0, -1.0])
    projected = centre + focal * camera[..., :2] * flip / depth
    return np.asarray((samples.points - projected) * flip * depth / focal)


def measure_478(
    model: MorphableModel, clean: DetectionSet, occluded: DetectionSet, settings: NoiseSettings | None = None
) -> Noise478:
    r"""Bias, response and noise of the detector.

    Regression: the detected point moves with the face's coefficients by more or less than the surface does (the
    network regresses to its own mean face), so the shift of point l is modelled in head space,
    :math:`\delta_l = D_{l0} + D_{lI} α + D_{lE} ε`, seen by the camera as the first two rows of
    :math:`R\,\delta_l`; ridge estimate from clean and occluded images. What remains, on images that were left
    out of the estimate, is split into Q correlated directions (over all points) and independent noise per point by
    factor analysis with missing points. Images enter with their mirror images where the model is symmetric.

    Args:
        model: with ``landmarks_478``.
        clean: detections without occluders.
        occluded: detections with occluders.
        settings: priors.
    """
    settings = settings or NoiseSettings()
    samples = DetectionSet.concatenate([clean, occluded])
    twins = [samples] if model.mirror is None else [samples, samples.mirrored(model)]
    residual = [detector_residuals(model, s) for s in twins]
    seen = [(s.visibility >= _EDGE) & ~s.occluded for s in twins]
    response = fit_response(
        np.concatenate(residual), np.concatenate(seen), DetectionSet.concatenate(twins), settings
    )
    left = np.empty_like(residual[0])
    fold = np.arange(len(samples)) % settings.folds
    for part in range(settings.folds):
        kept, out = fold != part, fold == part
        partial = fit_response(
            np.concatenate([r[kept] for r in residual]),
            np.concatenate([s[kept] for s in seen]),
            DetectionSet.concatenate([t[kept] for t in twins]),
            settings,
        )
        left[out] = residual[0][out] - predict_response(partial, samples[out])
    aligned = to_face_axes(left, samples.rotation)
    visible = samples.visibility >= _EDGE
    behind = samples.has_occluder
    sets = {
        "clean": (aligned[~behind], visible[~behind]),
        "occluded": (aligned[behind], seen[0][behind]),
        "any": (aligned, visible),
    }
    modes, sigma = zip(
        *(factor_analysis(*_with_mirror(*sets[kind], model), settings.modes) for kind in NOISE_KINDS)
    )
    report = {"raw": _rms(residual[0], seen[0])}
    report |= {kind: _rms(*sets[kind]) for kind in NOISE_KINDS}
    return Noise478(response, np.stack(sigma), np.stack(modes), report)


def _rms(residual: Array, seen: NDArray[np.bool_]) -> float:
    return float(np.sqrt((np.clip(residual, -_CUT, _CUT)[seen] ** 2).mean()))


def _with_mirror(
    aligned: Array, seen: NDArray[np.bool_], model: MorphableModel
) -> tuple[Array, NDArray[np.bool_]]:
    """Residuals and their mirror images; along the face's x axis the sign turns."""
    from ....perceive.mediapipe.mirror import MIRROR_478

    if model.mirror is None:
        return aligned, seen
    flipped = aligned[:, MIRROR_478] * np.array([-1.0, 1.0])
    return np.concatenate([aligned, flipped]), np.concatenate([seen, seen[:, MIRROR_478]])


def features(samples: DetectionSet) -> Array:
    """(N, 1 + K + E) constant, identity, expression."""
    return np.concatenate([np.ones((len(samples), 1)), samples.identity, samples.expression], axis=1)


def fit_response(
    residual: Array, seen: NDArray[np.bool_], samples: DetectionSet, settings: NoiseSettings
) -> Array:
    """(478, 3, 1 + K + E) ridge regression of the shift in head space.

    Points that are not seen, and the excess of outliers, are replaced by the current prediction
    (expectation–maximisation), so that one factorisation serves all points.
    """
    phi = features(samples)
    width, size = phi.shape[1], samples.identity.shape[1]
    scales = np.full(width, settings.expression_response)
    scales[0], scales[1 : 1 + size] = settings.shift, settings.identity_response
    # rows (n, c): sum_if R_cif phi_f D_if, c the image axis, i the head axis; unknowns in units of their prior
    design = np.einsum("nci,nf->ncif", samples.rotation[:, :2], phi * scales / settings.noise)
    design = design.reshape(-1, 3 * width)
    normal = design.T @ design + np.eye(3 * width)
    factor = np.linalg.inv(normal)
    flat = residual.transpose(0, 2, 1).reshape(len(design), -1)  # (2N, L)
    known = np.repeat(seen[:, None], 2, axis=1).reshape(flat.shape)
    predicted = np.zeros_like(flat)
    solution = np.zeros((3 * width, flat.shape[1]))
    for _ in range(settings.rounds):
        filled = predicted + np.where(known, np.clip(flat - predicted, -_CUT, _CUT), 0.0)
        solution = factor @ (design.T @ (filled / settings.noise))
        predicted = (design @ solution) * settings.noise
    return np.asarray(solution.T.reshape(-1, 3, width) * scales)


def predict_response(response: Array, samples: DetectionSet) -> Array:
    """(N, 478, 2) shift that the response predicts, camera axes."""
    shift = np.einsum("lif,nf->nli", response, features(samples), optimize=True)
    return np.asarray(np.einsum("nci,nli->nlc", samples.rotation[:, :2], shift))


def to_face_axes(residual: Array, rotation: Array) -> Array:
    """Turn residuals by the heads' roll: along and across the face's own x axis in the image, y DOWN as in pixels."""
    direction = rotation[:, :2, 0] + np.stack([rotation[:, 1, 1], -rotation[:, 0, 1]], axis=-1)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    across = np.stack([direction[:, 1], -direction[:, 0]], axis=-1)  # image down
    return np.stack(
        [np.einsum("nlc,nc->nl", residual, direction), np.einsum("nlc,nc->nl", residual, across)], axis=-1
    )


def factor_analysis(
    residual: Array, seen: NDArray[np.bool_], count: int, rounds: int = 10
) -> tuple[Array, Array]:
    """Correlated directions (478, 2, Q) and independent sigma (478, 2) of residuals with missing points.

    Expectation–maximisation of the factor model r = U z + e with missing entries; outliers are cut at four spreads.

    Source: Rubin & Thayer 1982.
    """
    samples, points, _ = residual.shape
    mask = np.repeat(seen, 2, axis=1)
    data = residual.reshape(samples, -1)
    known = [data[mask[:, j], j] for j in range(data.shape[1])]
    spread = np.array([1.4826 * np.median(np.abs(v)) if len(v) else 5.0 for v in known])
    data = np.asarray(np.clip(data, -4 * spread, 4 * spread) * mask, dtype=np.float64)
    weight = mask.astype(np.float64)
    seen_count = np.maximum(weight.sum(axis=0), 1)
    count = min(count, samples // 3)
    _, s, vt = np.linalg.svd(data / np.sqrt(samples), full_matrices=False)
    loadings = vt[:count].T * s[:count]
    variance = np.maximum((data**2).sum(axis=0) / seen_count - (loadings**2).sum(axis=1), 0.05)
    eye = np.eye(count)
    for _ in range(rounds):
        scaled = loadings / variance[:, None]
        # posterior precision of z_n = I + sum_j mask_nj U_j U_j^T / v_j
        outer = (scaled[:, :, None] * loadings[:, None, :]).reshape(len(variance), -1)
        covariance = np.linalg.inv(eye + (weight @ outer).reshape(samples, count, count))
        z = np.einsum("nab,nb->na", covariance, data @ scaled)
        second = (weight.T @ (covariance + z[:, :, None] * z[:, None, :]).reshape(samples, -1)).reshape(
            -1, count, count
        )
        cross = data.T @ z
        loadings = np.linalg.solve(second + 1e-6 * eye, cross[..., None])[..., 0]
        variance = np.maximum(((data**2).sum(axis=0) - (loadings * cross).sum(axis=1)) / seen_count, 0.02)
    return loadings.reshape(points, 2, count), np.sqrt(variance).reshape(points, 2)
