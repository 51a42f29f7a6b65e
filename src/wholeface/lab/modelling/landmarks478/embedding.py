"""Where the 478 MediaPipe points lie on a mesh: render, detect, unproject, average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.nearest import Surface
from ....morphable.embedding import Embedding
from ....morphable.model import MorphableModel
from ....perceive import LandmarkDetector
from ....perceive.mediapipe.mirror import MIRROR_478
from .samples import DetectionSet, detections
from .views import ViewSettings

__all__ = ["Calibration478", "calibrate_478", "embed_478", "skin_triangles"]

Array = NDArray[np.float64]

_IRIS = np.arange(468, 478)
_FRONTAL = np.cos(np.deg2rad(24.0))  # votes come from heads turned less than this
_LEAST_VOTES = 12


@dataclass(frozen=True)
class Calibration478:
    """Where the detector's points lie on a model.

    Args:
        embedding: of the 478 points.
        spread: (478,) mm, robust spread of the votes on the surface.
        votes: (478,) number of votes.
    """

    embedding: Embedding
    spread: Array
    votes: NDArray[np.int64]


def calibrate_478(
    model: MorphableModel,
    detector: LandmarkDetector,
    *,
    count: int = 400,
    seed: int = 478,
    settings: ViewSettings | None = None,
) -> Calibration478:
    """Embedding of the 478 points, measured by rendering ``count`` random views of the model.

    Deterministic in ``seed``. Takes about 0.1 s per view on one core. In most views the mouth is all but closed, so
    the inner edge of the lower lip is found on the upper one; :func:`..landmarks478_lips.measure_lips` mends that.

    Args:
        model: with 68 landmarks (for the painted colours) or albedo statistics, and the region ``eyeballs``.
        detector: whose points are to be embedded.

    Raises:
        UsageError: the detector found too few of the rendered faces.
    """
    samples = detections(model, detector, count, seed, settings or ViewSettings(yaw=15, pitch=9))
    if len(samples) < 0.5 * count:
        raise UsageError(
            f"the detector found only {len(samples)} of {count} rendered faces; are the model's regions and "
            "68 landmarks (used to paint brows, lips and eyes) right?"
        )
    return embed_478(model, samples)


def embed_478(
    model: MorphableModel, samples: DetectionSet, within: NDArray[np.bool_] | None = None
) -> Calibration478:
    """Embedding from detections: a robust, mirror-symmetric mean of the votes on the mean mesh, back on its surface.

    Each detection votes for the surface point that the rendering shows there. Votes are material points, so
    identity, expression and pose drop out; they are averaged as positions on the mean mesh.

    Args:
        model: whose renderings were looked at.
        samples: the detections.
        within: (F,) triangles of the skin that votes count on, mirror-symmetric; None = all of it.
    """
    triangles = model.triangles.cpu().numpy()
    mean = model.mean.double().cpu().numpy()
    eyeballs = _triangle_mask(model, "eyeballs", triangles)
    skin = skin_triangles(model)
    if within is not None:
        skin = skin & within
    surfaces = {
        True: Surface(mean, triangles[eyeballs]) if eyeballs.any() else None,
        False: Surface(mean, triangles[skin]),
    }
    owners = {True: np.nonzero(eyeballs)[0], False: np.nonzero(skin)[0]}
    frontal = samples.rotation[:, 2, 2] > _FRONTAL
    centres, spread = np.full((478, 3), np.nan), np.full(478, np.nan)
    votes = np.zeros(478, dtype=np.int64)
    for point in range(478):
        iris = point in _IRIS
        wanted = eyeballs if iris else skin
        hit = samples.triangle[:, point]
        usable = (hit >= 0) & wanted[hit] & ~samples.occluded[:, point] & (samples.visibility[:, point] > 0.5)
        chosen = usable & frontal if (usable & frontal).sum() >= _LEAST_VOTES else usable
        votes[point] = int(chosen.sum())
        if votes[point] < _LEAST_VOTES:
            continue
        corners = mean[triangles[hit[chosen]]]
        positions = (samples.barycentric[chosen, point][..., None] * corners).sum(axis=1)
        centres[point], spread[point] = _robust_mean(positions)
    mirrored = centres[MIRROR_478] * np.array([-1.0, 1.0, 1.0])
    both = (
        np.where(np.isnan(centres), mirrored, centres) + np.where(np.isnan(mirrored), centres, mirrored)
    ) / 2
    triangle, barycentric = np.zeros(478, dtype=np.int64), np.full((478, 3), np.nan)
    for iris in (False, True):
        index = np.nonzero(np.isin(np.arange(478), _IRIS) == iris)[0]
        index = index[np.isfinite(both[index]).all(axis=1)]
        surface = surfaces[iris]
        if surface is None or len(index) == 0:
            continue
        local, weights = surface.barycentric(both[index])
        triangle[index], barycentric[index] = owners[iris][local], weights
    embedding = Embedding(torch.from_numpy(triangle), torch.from_numpy(barycentric).to(model.mean.dtype))
    return Calibration478(embedding, np.fmax(spread, spread[MIRROR_478]), votes)


def skin_triangles(model: MorphableModel) -> NDArray[np.bool_]:
    """(F,) triangles that are not eyeballs, teeth or the inside of the mouth."""
    triangles = model.triangles.cpu().numpy()
    hollow = [_triangle_mask(model, region, triangles) for region in ("eyeballs", "teeth", "inner_mouth")]
    return np.asarray(~np.any(hollow, axis=0))


def _triangle_mask(model: MorphableModel, region: str, triangles: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(F,) triangles that lie wholly in a region; none where the model lacks it."""
    if region not in model.regions:
        return np.zeros(len(triangles), dtype=bool)
    return np.asarray(model.regions[region].cpu().numpy()[triangles].all(axis=1))


def _robust_mean(positions: Array) -> tuple[Array, float]:
    """Cauchy-weighted mean (3,) and median distance from it."""
    centre = np.median(positions, axis=0)
    spread = 0.0
    for _ in range(20):
        distance = np.linalg.norm(positions - centre, axis=1)
        spread = float(np.median(distance)) + 1e-9
        weights = 1.0 / (1.0 + (distance / (2.0 * spread)) ** 2)
        centre = (weights[:, None] * positions).sum(axis=0) / weights.sum()
    return centre, spread
