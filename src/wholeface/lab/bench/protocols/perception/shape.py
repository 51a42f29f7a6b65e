"""Does the landmark fit beat the mean face? On synthetic faces, and on avatars whose geometry is not the model's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from .....core.errors import UsageError
from .....morphable import MorphableModel
from .....perceive import FaceLandmarks
from .....stages.shape import fit_landmarks
from ....data import FaceSample
from ...metrics.scan_error import SEVEN, scan_distances
from ...report.table import Cell, Table
from ...sets.avatars import avatar_views
from ..shrinkage import FACTORS, sweep
from .context import SETS, Context

__all__ = ["shape_tables"]

Array = NDArray[np.float64]
_AVATARS = 8  # at most, each in two views


def shape_tables(context: Context) -> list[Table]:
    """Scan-to-mesh distance over factors on the fitted identity."""
    if not context.finders:
        return []
    rows: list[tuple[Cell, ...]] = []
    for name in ("clean", "occluded"):
        for finder in context.finders:
            rows += _synthetic(
                context, SETS[name], finder.name, context.samples(name), context.found(finder, name)
            )
    notes = [
        "median distance in mm as NoW measures it, after alignment with scale; the identity times each factor, 0 is "
        "the mean face. ratio: shipped shrinkage over mean face; better: share of faces nearer than the mean face.",
    ]
    if context.has("avatars"):
        rows += _avatars(context)
        notes.append(
            "avatars: heads by artists, not of the model's statistics; rendered clean with their own skin. "
            "The model's albedo was learned from them, its geometry was not."
        )
    else:
        notes.append("left out, because they are not at hand: avatars.")
    columns = (
        ("faces", ""), ("landmarks", ""), ("faces found", "d"),
        *((f"{factor:g}" if factor else "mean face", ".3f") for factor in FACTORS),
        ("ratio", ".2f"), ("better", ".0%"),
    )  # fmt: skip
    return [Table("Shape of the landmark fit, with the shrinkage sweep", columns, rows, notes)]


def _identity(model: MorphableModel, face: FaceLandmarks, size: int) -> Array | None:
    """(K,) fitted identity; None where the points cannot be fitted."""
    try:
        fit = fit_landmarks(model, face, size, size)
    except UsageError:
        return None
    return np.asarray(fit.parameters.identity.double().numpy())


def _synthetic(
    context: Context,
    name: str,
    system: str,
    samples: Sequence[FaceSample],
    found: Sequence[FaceLandmarks | None],
) -> list[tuple[Cell, ...]]:
    fitted, truth = [], []
    for sample, face in zip(samples, found, strict=True):
        identity = None if face is None else _identity(context.model, face, sample.size)
        if identity is not None:
            fitted.append(identity)
            truth.append(sample.parameters["identity"].astype(np.float64))
    if not fitted:
        return []
    rows = sweep(context.model, np.stack(fitted), np.stack(truth), name)
    medians = [row.median_mm for row in rows]
    return [_row(name, system, len(fitted), medians, rows[list(FACTORS).index(1.0)].better)]


def _row(name: str, system: str, count: int, medians: Sequence[float], better: float) -> tuple[Cell, ...]:
    ratio = medians[list(FACTORS).index(1.0)] / medians[list(FACTORS).index(0.0)]
    return (name, system, count, *medians, ratio, better)


def _avatars(context: Context) -> list[tuple[Cell, ...]]:
    assert context.data is not None
    model = context.model
    region = model.regions["face"].numpy()
    triangles = model.triangles.numpy()
    part = triangles[region[triangles].all(axis=1)]
    views = avatar_views(
        context.data / "avatars",
        context.finders,
        model,
        min(_AVATARS, max(2, context.count // 8)),
        context.seed,
    )
    rows = []
    for finder in context.finders:
        medians = []
        for view in views:
            face = finder.find(view.pixels, view.points_478)
            identity = None if face is None else _identity(model, face, view.pixels.shape[0])
            if identity is None:
                continue
            distances = []
            for factor in FACTORS:
                shape = model.vertices(torch.from_numpy(identity * factor).to(model.mean)).double()
                found = scan_distances(
                    shape.numpy(), part, _seven(model, shape), view.scan, view.seven, iterations=4
                )
                distances.append(float(np.median(found)))
            medians.append(distances)
        if medians:
            table = np.array(medians)
            zero, one = list(FACTORS).index(0.0), list(FACTORS).index(1.0)
            better = float((table[:, one] < table[:, zero]).mean())
            rows.append(_row("avatars, clean", finder.name, len(table), list(table.mean(axis=0)), better))
    return rows


def _seven(model: MorphableModel, vertices: torch.Tensor) -> Array:
    assert model.landmarks_68 is not None
    return np.asarray(model.landmarks_68.points(vertices, model.triangles).numpy()[list(SEVEN)])
