"""Is a system's identity worth having? Its heads scaled from the mean face (0) to beyond what it ships (1.25)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .....core.errors import UsageError
from ...metrics.florence_error import face_errors
from ...metrics.scan_distance import SEVEN, carry_points, scan_distance
from ...systems.system import HeadPrediction

if TYPE_CHECKING:
    from .....morphable import MorphableModel

__all__ = ["FACTORS", "SCAN_METRICS", "Sweep", "Verdict", "judge_sweep", "sweep_system"]

Array = NDArray[np.float64]

FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
"""What the difference from the mean head is multiplied by."""
SCAN_METRICS = (
    "NoW median",
    "NoW mean",
    "90 % error",
    "metric median",
    "metric mean",
    "metric 90 % error",
)
"""Statistics of a face's scan distances in mm: after alignment with scale, then (``metric``) without."""
_SCAN_POINTS = 500
_DRAWS = 1000
_ENOUGH = 6  # photos below which nothing is said
_SURE = 0.95  # share of draws in which 0 must be best


@dataclass(frozen=True)
class Sweep:
    """Errors of one system.

    Args:
        photos: (N,) numbers of the photos.
        errors: metric -> (N, F) mm for each factor; without the metric ones where a system has no scale.
    """

    photos: NDArray[np.int64]
    errors: Mapping[str, Array]


@dataclass(frozen=True)
class Verdict:
    """What a sweep says by one metric.

    Args:
        mean: (F,) mm, averaged over photos.
        best: factor with the least mean error.
        gain: mm by which factor 1 beats factor 0 on average; negative where the mean face is better.
        half_width: of its 95 % bootstrap interval over photos.
        zero_best: share of the bootstrap draws in which factor 0 is best.
        better: share of the photos on which factor 1 beats factor 0.
        words: the sentence; hard words only where the draws agree.
    """

    mean: Array
    best: float
    gain: float
    half_width: float
    zero_best: float
    better: float
    words: str


def sweep_system(
    heads: Mapping[int, HeadPrediction],
    truth: Mapping[int, NDArray[np.floating[Any]]],
    model: MorphableModel,
    factors: Sequence[float] = FACTORS,
) -> Sweep:
    """Scan distances of every head at every factor.

    The mean head is the model's for systems on the model's mesh, else the average of the system's own heads.

    Args:
        heads: photo number -> prediction with a neutral head.
        truth: photo number -> (K,) true identity.
        model: that the truth is of.
        factors: see :data:`FACTORS`.

    Raises:
        UsageError: no heads, heads without a neutral shape, or of different meshes.
    """
    numbers = sorted(heads)
    neutral = [heads[i].neutral for i in numbers]
    if not numbers or any(n is None for n in neutral):
        raise UsageError("the shrinkage sweep needs neutral heads")
    shapes = [np.asarray(n, np.float64) for n in neutral if n is not None]
    if len({s.shape for s in shapes}) != 1:
        raise UsageError("the shrinkage sweep needs heads of one mesh")
    mean = model.mean.double().numpy()
    centre = mean if shapes[0].shape == mean.shape else np.mean(shapes, axis=0)
    metric = all(heads[i].metric for i in numbers)
    names = SCAN_METRICS if metric else SCAN_METRICS[:3]
    errors = {name: np.empty((len(numbers), len(factors))) for name in names}
    for row, (i, shape) in enumerate(zip(numbers, shapes, strict=True)):
        head = heads[i]
        triangles = _face_triangles(head)
        seven = carry_points(head.landmarks[list(SEVEN)], head.vertices, head.triangles, shape)
        scan, scan_seven = _scan(model, truth[i], i)
        for column, factor in enumerate(factors):
            scaled = centre + factor * (shape - centre)
            marks = carry_points(seven, shape, head.triangles, scaled)
            for group in range(1 + metric):
                found = scan_distance(scaled, triangles, marks, scan, scan_seven, metric=group == 1)
                face = face_errors(found.distances)
                for name, value in zip(names[3 * group :], (face.median, face.mean, face.ninety)):
                    errors[name][row, column] = value
    return Sweep(np.array(numbers), errors)


def judge_sweep(errors: Array, factors: Sequence[float] = FACTORS, seed: int = 0) -> Verdict:
    """What the errors of one metric say; ties go to the smaller factor.

    Args:
        errors: (N, F) mm, finite.
        factors: 0 and 1 among them.
        seed: of the bootstrap.

    Raises:
        UsageError: unequal counts, or values that are not finite.
    """
    values = np.asarray(errors, np.float64)
    if values.ndim != 2 or values.shape[1] != len(factors) or not len(values):
        raise UsageError(f"a sweep needs (N, {len(factors)}) errors, got {values.shape}")
    if not np.isfinite(values).all():
        raise UsageError("a sweep has errors that are no numbers")
    if 0.0 not in factors or 1.0 not in factors:
        raise UsageError("a sweep needs the factors 0 and 1")
    order = np.argsort(factors, kind="stable")
    zero, one = list(factors).index(0.0), list(factors).index(1.0)
    rng = np.random.default_rng(seed)
    draws = values[rng.integers(len(values), size=(_DRAWS, len(values)))].mean(axis=1)  # (D, F)
    best_of_draws = order[np.argmin(_rounded(draws)[:, order], axis=1)]
    low, high = np.percentile(draws[:, zero] - draws[:, one], [2.5, 97.5])
    mean = values.mean(axis=0)
    best = float(factors[order[int(np.argmin(_rounded(mean)[order]))]])
    gain = float(mean[zero] - mean[one])
    zero_best = float((best_of_draws == zero).mean())
    if len(values) < _ENOUGH:
        words = "too few photos to say"
    elif best == 0.0:
        words = "has learned nothing about identity" if zero_best >= _SURE else "best at 0, perhaps by chance"
    elif low > 0:
        words = "beats the mean face"
    elif high < 0:
        words = f"worse than the mean face as shipped; would help at {best:g}"
    else:
        words = "not told apart from the mean face"
    return Verdict(
        mean=mean,
        best=best,
        gain=gain,
        half_width=float(high - low) / 2,
        zero_best=zero_best,
        better=float((values[:, one] < values[:, zero]).mean()),
        words=words,
    )


def _rounded(values: Array) -> Array:
    """To a nanometre, so that a system which never leaves the mean head ties with it."""
    return np.round(values, 6)


def _face_triangles(head: HeadPrediction) -> NDArray[np.int64]:
    if head.face_vertices is None:
        return head.triangles
    inside = np.zeros(len(head.vertices), bool)
    inside[head.face_vertices] = True
    return np.asarray(head.triangles[inside[head.triangles].all(axis=1)])


def _scan(model: MorphableModel, identity: NDArray[np.floating[Any]], seed: int) -> tuple[Array, Array]:
    """Points of the true neutral face (P, 3) and its seven landmarks."""
    import torch

    if model.landmarks_68 is None:
        raise UsageError(f"face model {model.name!r} has no 68 landmarks")
    true = model.vertices(torch.from_numpy(np.asarray(identity)).to(model.mean)).double()
    face = np.flatnonzero(model.regions["face"].numpy())
    taken = np.random.default_rng([seed, 31]).choice(face, min(_SCAN_POINTS, len(face)), replace=False)
    seven = model.landmarks_68.points(true, model.triangles).numpy()[list(SEVEN)]
    return true.numpy()[taken], seven
