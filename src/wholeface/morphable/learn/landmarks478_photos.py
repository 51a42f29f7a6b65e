"""What real photos add to the renderings: the detector's mean shift on real skin, and how people look at cameras."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import UsageError
from ...perceive import FaceLandmarks
from ..model import MorphableModel
from .landmarks478_samples import expression_mirror, identity_mirror

__all__ = ["PhotoStatistics", "photo_statistics", "read_portraits"]

Array = NDArray[np.float64]

_EXCLUDED = ("glasses", "discoloured", "other_occluder")


@dataclass(frozen=True)
class PhotoStatistics:
    """Means over many photos of different people.

    Args:
        shift: (478, 3) mm, what the landmarks of real photos are off on average, head space.
        expression_rate: (E,) of the exponential prior of the expression weights.
        identity: (K,) mean identity that was left after the shift, a check: near zero.
        photos: how many.
    """

    shift: Array
    expression_rate: Array
    identity: Array
    photos: int


def read_portraits(source: Path, limit: int | None = None) -> list[tuple[FaceLandmarks, int, int]]:
    """Landmarks, width and height of the portraits that may be used for what ships.

    Args:
        source: folder of the source material, with ``portraits/index.json`` and ``portraits/mediapipe_478.npz``.
        limit: at most so many, evenly spread.

    Raises:
        UsageError: the folder lacks them.
    """
    folder = source / "portraits"
    try:
        index = json.loads((folder / "index.json").read_text())
        with np.load(folder / "mediapipe_478.npz") as data:
            points = data["landmarks"].astype(np.float64)
    except OSError as error:
        raise UsageError(f"no portraits with landmarks in {folder}: {error}") from error
    usable = [
        i for i, entry in enumerate(index) if entry["source"] == "bio_guide" and not any(entry[k] for k in _EXCLUDED)
    ]
    usable = [i for i in usable if np.isfinite(points[i]).all()]
    if limit is not None and len(usable) > limit:
        usable = [usable[i] for i in np.linspace(0, len(usable) - 1, limit).astype(int)]
    return [
        (FaceLandmarks.from_points(points[i], "mediapipe478"), int(index[i]["width"]), int(index[i]["height"]))
        for i in usable
    ]


def photo_statistics(
    model: MorphableModel,
    photos: Sequence[tuple[FaceLandmarks, int, int]],
    *,
    rounds: int = 3,
    noise_scale: float = 1.5,
) -> PhotoStatistics:
    """Mean landmark shift of real photos, such that their mean identity becomes the model's mean.

    Renderings lack pores, stubble, make-up and lenses, and the detector answers to them. A shift that is common to
    all people cannot be told from an identity that is common to all; it is taken for the detector's, because the
    model's mean is that of a broader population. Each round fits all photos and moves the landmarks by the mean
    identity's displacement (made mirror-symmetric).

    Args:
        model: with ``landmarks_478`` and the noise of :func:`measure_478` in ``extras``.
        photos: landmarks, width and height, one per person.
        rounds: of fitting all photos.
        noise_scale: of the fits.
    """
    from ...fit.landmarks import LandmarkFitSettings, fit_landmarks

    if model.landmarks_478 is None or "landmarks_478_response" not in model.extras:
        raise UsageError("photo_statistics needs a model with landmarks_478 and their measured noise")
    settings = LandmarkFitSettings(noise_scale=noise_scale, identity_shrinkage=1.0)
    response = model.extras["landmarks_478_response"].double().numpy()
    size = model.identity_size
    basis = model.landmarks_478.points(model.identity.double(), model.triangles).numpy()  # (K, 478, 3)
    basis = basis + response[:, :, 1 : 1 + size].transpose(2, 0, 1)
    shift, identity = np.zeros((478, 3)), np.zeros(size)
    expressions = np.zeros((0, model.expression_size))
    for _ in range(rounds):
        moved = response.copy()
        moved[:, :, 0] += shift
        current = replace(model, extras={**model.extras, "landmarks_478_response": torch.from_numpy(moved)})
        fits = [fit_landmarks(current, *photo, occluded=np.zeros(478), settings=settings) for photo in photos]
        identity = np.mean([f.parameters.identity.double().numpy() for f in fits], axis=0)
        if model.mirror is not None:
            identity = (identity + identity_mirror(model) @ identity) / 2
        expressions = np.stack([f.parameters.expression.double().numpy() for f in fits])
        shift = shift + np.einsum("k,kli->li", identity, basis)
    mean = expressions.mean(axis=0)
    try:
        mean = (mean + mean[expression_mirror(model)]) / 2
    except UsageError:
        pass
    return PhotoStatistics(shift, np.clip(1.0 / np.maximum(mean, 1e-3), 2.0, 12.0), identity, len(photos))
