"""How far landmarks lie from the truth, or from the teacher's clean prediction, and whether their sigma is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....perceive import FaceLandmarks
from ....data import FaceSample
from ...report.table import Cell, Table
from .context import SETS, Context
from .convention import shifted, training_offset
from .metrics import FAILURE, calibration, eye_scale, nme_summary, point_errors
from .systems import Finder, teacher_68_weights

__all__ = ["landmark_tables", "total_sigma"]

Points = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class _Group:
    """Some of the points: how many, and how to take them from findings and from truth."""

    name: str
    found: Callable[[FaceLandmarks], NDArray[np.float64] | None]
    truth: Callable[[FaceSample], Points]


def _groups(weights: NDArray[np.float64]) -> list[_Group]:
    def sixty_eight(face: FaceLandmarks) -> NDArray[np.float64] | None:
        own, others = face.points_68, face.points_478
        return own if own is not None else weights @ others if others is not None else None

    return [
        _Group("68", sixty_eight, lambda s: s.landmarks_68),
        _Group("478", lambda face: face.points_478, lambda s: s.dense[:478]),
        _Group("668", lambda face: face.points if len(face.points) == 668 else None, _all_points),
    ]


def _all_points(sample: FaceSample) -> Points:
    return np.concatenate([sample.landmarks_68, sample.dense])


def landmark_tables(context: Context) -> list[Table]:
    """Errors against synthetic truth, against the teacher's clean prediction, and of the stated uncertainty."""
    if not context.finders:
        return []
    tables = [_truth_table(context)]
    if context.has("portraits") and context.systems.teacher is not None:
        tables.append(_portrait_table(context))
    return [*tables, _calibration_table(context)]


_COLUMNS = (
    ("faces", ""), ("system", ""), ("points", ""), ("images", "d"), ("not found", "d"), ("mean", ".2f"),
    ("median", ".2f"), ("hidden points", ".2f"), (f"failed at {FAILURE:.0f} %", ".1%"),
)  # fmt: skip
_UNIT = (
    "per cent of the outer-eye distance (for turned heads at least 0.4 of forehead to chin, which takes over from "
    "about 40 degrees); hidden points: mean over the points behind something; failed: not found, or worse than "
    f"{FAILURE:.0f} %."
)


def _truth_table(context: Context) -> Table:
    groups = _groups(teacher_68_weights(context.model))
    rows: list[tuple[Cell, ...]] = []
    for name in ("clean", "occluded"):
        samples = context.samples(name)
        for finder in context.finders:
            found = context.found(finder, name)
            for group in groups:
                errors, hidden = _errors(samples, found, group)
                if errors is not None:
                    rows.append((SETS[name], finder.name, group.name, *_summary(errors, hidden)))
    notes = [
        _UNIT,
        "668: the 68, the 478 and 122 more of cheeks, forehead, jaw, ears and neck. mediapipe's 68 follow from its "
        "478 (which adds about 0.6 %).",
    ]
    return Table("Landmarks: error against the truth of synthetic faces", _COLUMNS, rows, notes)


def _summary(errors: list[float | None], hidden: float | None) -> tuple[Cell, ...]:
    total = nme_summary(errors)
    return (total.images, total.missed, total.mean, total.median, hidden, total.failed)


def _errors(
    samples: Sequence[FaceSample], found: Sequence[FaceLandmarks | None], group: _Group
) -> tuple[list[float | None] | None, float | None]:
    """NME of each image (None where nothing was found), or None without such points; mean over occluded points."""
    errors: list[float | None] = []
    hidden: list[NDArray[np.float64]] = []
    for sample, face in zip(samples, found, strict=True):
        points = None if face is None else group.found(face)
        if face is not None and points is None:
            return None, None
        if points is None:
            errors.append(None)
            continue
        truth = group.truth(sample)
        each = point_errors(points, truth, eye_scale(sample.dense[:478]))
        errors.append(float(each.mean()))
        hidden.append(each[_occluded(sample, truth)])
    pooled = np.concatenate(hidden) if hidden else np.zeros(0)
    return errors, float(pooled.mean()) if len(pooled) else None


def _occluded(sample: FaceSample, points: Points) -> NDArray[np.bool_]:
    """Which points (L, 2) lie on something in front of the face."""
    column, row = np.clip(np.rint(points), 0, sample.size - 1).astype(np.int64).T
    return np.asarray(sample.occluder[row, column] > 0)


def _portrait_table(context: Context) -> Table:
    teacher = next(f for f in context.finders if f.name == "mediapipe")
    samples = context.samples("portraits")
    reference = context.found(teacher, "portraits", bare=True)
    kept = [i for i, face in enumerate(reference) if face is not None]
    assert context.data is not None
    offset = training_offset(context.data)
    rows: list[tuple[Cell, ...]] = []
    per_system: dict[str, list[float | None]] = {}
    for bare in (True, False):
        for finder in context.finders:
            if bare and finder is teacher:
                continue
            found = context.found(finder, "portraits", bare=bare)
            what = "portraits, clean" if bare else SETS["portraits"]
            errors, hidden = _against(samples, found, reference, kept, bare)
            rows.append((what, finder.name, "478", *_summary(errors, hidden)))
            if finder is not teacher:
                errors, hidden = _against(samples, shifted(found, offset), reference, kept, bare)
                rows.append((what, f"{finder.name}, offset", "478", *_summary(errors, hidden)))
            if not bare:
                per_system[finder.name] = errors
    for finder in context.finders:
        own = context.found(finder, "portraits", bare=True)
        there = [i for i, face in enumerate(own) if face is not None]
        if there:
            errors, hidden = _against(samples, context.found(finder, "portraits"), own, there, False)
            rows.append(
                ("the same, against its own clean points", finder.name, "478", *_summary(errors, hidden))
            )
    both = [i for i in range(len(kept)) if all(errors[i] is not None for errors in per_system.values())]
    notes = [
        "reference: mediapipe on the same image without the occluder "
        f"({len(samples) - len(kept)} of {len(samples)} images, in which it finds nothing, are left out). "
        + _UNIT,
        "offset: our points name places on the mesh of our model, mediapipe's habit lies "
        f"{100 * float(np.linalg.norm(offset, axis=1).mean()):.1f} % beside them on average (most at the forehead's "
        "edge); each point is moved by a constant of its own, from the portraits that the networks learned from.",
        "portraits, clean: how far the two differ "
        "without any occluder, which no robustness can undo. own clean points: how far occluders move each system.",
    ]
    if len(per_system) > 1 and both:
        shown = ", ".join(
            f"{name} {_mean([errors[i] for i in both]):.2f}" for name, errors in per_system.items()
        )
        notes.append(f"mean over the {len(both)} occluded images in which both find the face: {shown}.")
    title = "Landmarks: error against mediapipe's clean prediction on real portraits"
    return Table(title, _COLUMNS, rows, notes)


def _mean(values: Sequence[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))


def _against(
    samples: Sequence[FaceSample],
    found: Sequence[FaceLandmarks | None],
    reference: Sequence[FaceLandmarks | None],
    kept: Sequence[int],
    bare: bool,
) -> tuple[list[float | None], float | None]:
    errors: list[float | None] = []
    hidden: list[NDArray[np.float64]] = []
    for i in kept:
        face, other = found[i], reference[i]
        assert other is not None
        truth = other.points_478
        points = None if face is None else face.points_478
        if points is None or truth is None:
            errors.append(None)
            continue
        each = point_errors(points, truth, eye_scale(truth))
        errors.append(float(each.mean()))
        hidden.append(each[_occluded(samples[i], truth)])
    pooled = np.concatenate(hidden) if hidden and not bare else np.zeros(0)
    return errors, float(pooled.mean()) if len(pooled) else None


def total_sigma(face: FaceLandmarks) -> NDArray[np.float64]:
    """(L, 2) standard deviation of each coordinate in pixels: the point's own errors and those common to several."""
    own = np.repeat(face.sigma[:, None] ** 2, 2, axis=1)
    common = 0.0 if face.modes is None else (face.modes**2).sum(axis=0)
    return np.sqrt(own + common)


def _calibration_table(context: Context) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name in ("clean", "occluded"):
        samples = context.samples(name)
        for finder in context.finders:
            errors, sigmas, states = _deviations(samples, context.found(finder, name))
            for state, label in enumerate(("seen", "occluded", "turned away")):
                chosen = states == state
                if chosen.any():
                    result = calibration(errors[chosen], sigmas[chosen])
                    rows.append(
                        (
                            SETS[name],
                            finder.name,
                            label,
                            int(chosen.sum()),
                            result.rms,
                            result.within_68,
                            result.within_95,
                        )
                    )
    columns = (
        ("faces", ""), ("system", ""), ("points", ""), ("number", "d"), ("rms of error/sigma", ".2f"),
        ("within 1", ".1%"), ("within 1.96", ".1%"),
    )  # fmt: skip
    notes = [
        "each coordinate of all points against the sigma that comes with them; right is 1.00, 68.3 %, 95.0 %. "
        "An rms above 1 means: surer than it may be."
    ]
    return Table("Landmarks: is the uncertainty right?", columns, rows, notes)


def _deviations(
    samples: Sequence[FaceSample], found: Sequence[FaceLandmarks | None]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Errors (P, 2) and sigmas (P, 2) in pixels; state (P,): 0 seen, 1 occluded, 2 turned away."""
    errors, sigmas, states = [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros(0, dtype=np.int64)]
    for sample, face in zip(samples, found, strict=True):
        if face is None:
            continue
        whole = len(face.points) == 668
        truth = _all_points(sample) if whole else sample.dense[:478]
        self_visible = (
            np.concatenate([sample.facing_68, sample.facing_dense]) if whole else sample.facing_dense[:478]
        )
        errors.append(face.points - truth)
        sigmas.append(total_sigma(face))
        states.append(np.where(self_visible, np.where(_occluded(sample, truth), 1, 0), 2))
    return np.concatenate(errors), np.concatenate(sigmas), np.concatenate(states)


def times_note(finders: Sequence[Finder]) -> str:
    """Median milliseconds of each system over all its images."""
    return ", ".join(f"{f.name} {1000 * float(np.median(f.seconds)):.1f} ms" for f in finders if f.seconds)
