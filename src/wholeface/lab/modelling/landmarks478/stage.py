"""The build's last stage: how the landmark detector errs, measured on renderings of the finished model."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ....morphable.loaders.wholeface import read_asset
from ....morphable.model import MorphableModel
from .noise import NoiseSettings, measure_478
from .photos import expression_rates, read_portraits
from .samples import DetectionSet, detect_views
from .views import ViewSettings, random_view

__all__ = ["StageSettings", "learn_landmark_noise", "render_detections"]

_BLOCK = 25  # views per task


@dataclass(frozen=True)
class StageSettings:
    """How much is rendered, and what is estimated from it.

    Args:
        clean: views without occluder.
        occluded: views behind an occluder.
        modes: correlated noise directions.
        portraits: portraits that the rates of expressions are estimated from.
        workers: processes; the result does not depend on it.
    """

    clean: int = 900
    occluded: int = 700
    modes: int = 24
    portraits: int = 120
    workers: int = 2


def learn_landmark_noise(
    path: Path, source: Path, seed: int = 0, settings: StageSettings | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Bias, response and correlated noise of the 478 points, and priors of the expressions.

    Views are drawn from the model with its albedo; the detector is the package's own. Then real portraits say how
    strongly subjects in photos move each muscle.

    Args:
        path: model file with ``landmarks_478`` and albedo (processes read it themselves).
        source: folder of the source material, with ``portraits``.
        seed: of the views.
        settings: counts.

    Returns:
        ``extras`` of the model under the names that :func:`wholeface.stages.shape.fit_landmarks` looks for
        (``landmarks_478_response``, ``landmarks_478_sigma``, ``landmarks_478_modes``, ``expression_rate``), and a
        report for the model card.
    """
    settings = settings or StageSettings()
    model = read_asset(path)
    clean = render_detections(path, settings.clean, 2 * seed + 1000, ViewSettings(), settings.workers)
    occluded = render_detections(
        path, settings.occluded, 2 * seed + 1001, ViewSettings(occluded=1.0), settings.workers
    )
    noise = measure_478(model, clean, occluded, NoiseSettings(modes=settings.modes))
    measured = replace(model, extras={**model.extras, **noise.extras(torch.float32)})
    portraits = read_portraits(source, settings.portraits)
    rates = expression_rates(measured, portraits)
    extras = noise.extras()
    extras["expression_rate"] = torch.from_numpy(rates).to(torch.float16)
    report = {
        "views_clean": len(clean),
        "views_occluded": len(occluded),
        "portraits": len(portraits),
        "residual_rms_mm": {name: round(float(value), 4) for name, value in noise.report.items()},
    }
    return extras, report


def render_detections(
    path: Path, count: int, seed: int, settings: ViewSettings, workers: int = 2
) -> DetectionSet:
    """Render and detect ``count`` views in several processes; view i depends on (``seed``, i) alone."""
    tasks = [(path, seed, settings, first, min(first + _BLOCK, count)) for first in range(0, count, _BLOCK)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return DetectionSet.concatenate(pool.map(_block, tasks))


_held: dict[Path, tuple[MorphableModel, Any]] = {}


def _block(task: tuple[Path, int, ViewSettings, int, int]) -> DetectionSet:
    """One task of a worker process, which keeps model and detector between tasks."""
    path, seed, settings, first, last = task
    if path not in _held:
        from ....perceive import MediapipeDetector

        torch.set_num_threads(1)
        _held[path] = (read_asset(path), MediapipeDetector(thorough=False))
    model, detector = _held[path]
    views = (random_view(model, np.random.default_rng([seed, i]), settings) for i in range(first, last))
    return detect_views(views, detector)
