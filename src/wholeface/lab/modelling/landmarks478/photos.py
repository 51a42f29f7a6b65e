"""What real photos add to the renderings: how strongly subjects move each muscle when they look at a camera."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....morphable.model import MorphableModel
from ....perceive import FaceLandmarks
from .samples import expression_mirror

__all__ = ["expression_rates", "read_portraits"]

Array = NDArray[np.float64]

_RATES = (2.0, 12.0)  # no expression is taken for likelier or rarer than that
_EXCLUDED = ("glasses", "discoloured", "other_occluder")


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
        i
        for i, entry in enumerate(index)
        if entry["source"] == "bio_guide" and not any(entry[k] for k in _EXCLUDED)
    ]
    usable = [i for i in usable if np.isfinite(points[i]).all()]
    if limit is not None and len(usable) > limit:
        usable = [usable[i] for i in np.linspace(0, len(usable) - 1, limit).astype(int)]
    return [
        (
            FaceLandmarks.from_points(points[i], "mediapipe478"),
            int(index[i]["width"]),
            int(index[i]["height"]),
        )
        for i in usable
    ]


def expression_rates(
    model: MorphableModel,
    photos: Sequence[tuple[FaceLandmarks, int, int]],
    *,
    noise_scale: float = 1.5,
) -> Array:
    """(E,) rates of the exponential prior of expressions: one over the mean weight in photos, both sides alike.

    Args:
        model: with ``landmarks_478`` and the noise of :func:`measure_478` in ``extras``.
        photos: landmarks, width and height, one per person.
        noise_scale: of the fits.

    Raises:
        UsageError: the model lacks the landmarks or their noise.
    """
    from ....stages.shape.landmark_fit.fit import LandmarkFitSettings, fit_landmarks

    if model.landmarks_478 is None or "landmarks_478_response" not in model.extras:
        raise UsageError("expression_rates needs a model with landmarks_478 and their measured noise")
    settings = LandmarkFitSettings(noise_scale=noise_scale, identity_shrinkage=1.0, noise_inflation=1.0)
    fits = [fit_landmarks(model, *photo, occluded=np.zeros(478), settings=settings) for photo in photos]
    mean = np.mean([f.parameters.expression.double().numpy() for f in fits], axis=0)
    mean = (mean + mean[expression_mirror(model)]) / 2
    return np.clip(1.0 / np.maximum(mean, 1e-3), *_RATES)
