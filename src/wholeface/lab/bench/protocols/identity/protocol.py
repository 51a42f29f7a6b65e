"""Identity that means something: does a system give one person one shape, and different subjects different ones?

Three questions, each of which a system that always answers with the mean face fails:

- *Spread.* Neutral shapes of several photos of each of several subjects: root mean square distance between
  subjects over that within subjects, by one-way random effects (:mod:`.metrics.identity_spread`). Shapes are
  first moved onto their mean, so that the choice of the origin does not count.
- *Verification.* Pairs of the same photos in folds that share no person, compared by the root mean square distance
  of their shapes in mm (:mod:`.metrics.verification`).
- *Shrinkage sweep*, on rendered subjects, whose truth is known: identity multiplied by 0 (the mean face) to 1.25,
  against every scan metric. A system whose best factor is 0 has learned nothing about identity.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .....core.errors import UsageError
from ...heads.identity import MEAN_FACE, Heads, Vector, fast_names, predict_heads, shape_points
from ...metrics.identity_spread import align_shapes, spread, spread_half_width
from ...metrics.verification import verify
from ...protocol import Metric, Missing, Protocol, Report, RunOptions
from ...report.table import Cell, Table
from ...sets.identity import PhotoSet, SyntheticSubjects, choose_photos, open_subjects
from ...sets.identity_pairs import Pairs, balanced_pairs
from ...systems.system import HeadPrediction
from .sweep import FACTORS, SCAN_METRICS, judge_sweep, sweep_system

__all__ = ["PROTOCOL", "run"]

Array = NDArray[np.float64]
_FOLDS = 10
_EYES = (36, 45)  # outer corners
_EYE_DISTANCE = 90.0  # mm between them, given to systems without a scale
_INTERVAL = "95 % bootstrap half-width over subjects"


@dataclass
class _Found:
    """What was measured so far."""

    spreads: list[tuple[Cell, ...]] = field(default_factory=list)
    sweeps: list[tuple[Cell, ...]] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    curves: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    lines: dict[str, tuple[Array, Array, Array | None]] = field(default_factory=dict)


def run(
    options: RunOptions, *, photos: int | None = None, sweep: int | None = None, whole: bool = False
) -> Report:
    """Measure.

    Args:
        options: ``data``: video frames with ``points_68.npz``, LFW, or one folder for each person; None = rendered
            subjects; ``count``: subjects at most.
        photos: of each person, at most.
        sweep: rendered subjects in the shrinkage sweep, one photo each; 0 for none.
        whole: run the whole shipped system instead of its landmark fit.

    Raises:
        UsageError: an option is out of range.
        DataError: the folder has another layout.
    """
    from ...systems import load_systems

    photo_set, chosen = _open(options, photos)
    subjects = np.array([photo_set.photos[i].person for i in chosen])
    names = fast_names(options.systems, whole=whole)
    systems = load_systems(names) if names else []
    usual = 8 if options.quick else 40
    keep = (
        _one_each(chosen, subjects, usual if sweep is None else sweep)
        if options.data is None
        else frozenset()
    )
    heads, missing = predict_heads(photo_set, chosen, systems, _shape_mm, keep=keep)
    found = _Found(missing=missing)
    pairs = balanced_pairs(photo_set.photos, chosen, folds=_FOLDS, seed=options.seed)
    constant = Heads(vectors={int(i): np.zeros((3, 3), np.float32) for i in chosen})
    for name, mine in {MEAN_FACE: constant, **heads}.items():
        _measure(found, name, mine, chosen, subjects, pairs, options.seed)
    tables = [_spread_table(found, photo_set.name, pairs, options, whole=whole)]
    if keep and isinstance(photo_set, SyntheticSubjects):
        truth = {i: photo_set.identity(i) for i in sorted(keep)}
        for name, mine in heads.items():
            _sweep(found, name, mine, truth, options.seed)
        tables.append(_sweep_table(found))
    return Report(
        tables=tables,
        metrics=found.metrics,
        images=_images(found, photo_set.name),
        missing=found.missing,
        settings={
            "data": photo_set.name,
            "subjects": len(np.unique(subjects)),
            "photos": len(chosen),
            "pairs": len(pairs),
            "folds": len(np.unique(pairs.fold)),
            "sweep": len(keep),
            "factors": list(FACTORS),
            "seed": options.seed,
        },
    )


def _open(options: RunOptions, each: int | None) -> tuple[PhotoSet, NDArray[np.int64]]:
    subjects = options.count or (
        (20 if options.quick else 60) if options.data is None or options.quick else None
    )
    if options.count is not None and options.count < 4:
        raise UsageError(f"--count {options.count}: at least 4 subjects")
    each = each or (3 if options.quick else 4)
    if options.data is None:
        assert subjects is not None
        synthetic = SyntheticSubjects(subjects, each, options.seed)
        return synthetic, choose_photos(synthetic.photos, subjects, each, options.seed)
    photos = open_subjects(options.data)
    return photos, choose_photos(photos.photos, subjects, each, options.seed)


def _one_each(chosen: NDArray[np.int64], subjects: NDArray[np.str_], count: int) -> frozenset[int]:
    """One photo of each of some subjects."""
    _, first = np.unique(subjects, return_index=True)
    return frozenset(int(chosen[i]) for i in first[:count])


def _shape_mm(head: HeadPrediction) -> Vector | None:
    """(P, 3) neutral face; systems without a scale are given the usual distance of the outer eye corners."""
    points = shape_points(head)
    if points is None or head.metric:
        return points
    apart = float(np.linalg.norm(head.landmarks[_EYES[0]] - head.landmarks[_EYES[1]]))
    return points * np.float32(_EYE_DISTANCE / apart) if apart > 0 else None


def _measure(
    found: _Found,
    name: str,
    heads: Heads,
    chosen: NDArray[np.int64],
    subjects: NDArray[np.str_],
    pairs: Pairs,
    seed: int,
) -> None:
    """The row of one system: spread and verification."""
    there = np.array([int(i) in heads.vectors for i in chosen])
    count, total = int(there.sum()), len(chosen)
    if count == 0:
        found.missing.append(Missing("all photos", name, "no neutral shape of any of them"))
        found.spreads.append((name, None, f"0 of {total}", *(None,) * 11))
        return
    stack: Array = np.stack([heads.vectors[int(i)] for i in chosen[there]])
    differ = bool(np.ptp(stack, axis=0).max() > 0)
    shapes = align_shapes(stack, scale=not heads.metric) if differ else stack
    owners = subjects[there]
    groups = [shapes[owners == person] for person in np.unique(owners)]
    try:
        got, width = spread(groups), spread_half_width(groups, seed=seed)
    except UsageError as error:
        found.missing.append(Missing("spread", name, str(error)))
        found.spreads.append((name, None, f"{count} of {total}", *(None,) * 11))
        return
    row: list[Cell] = [name, got.subjects, f"{count} of {total}"]
    for label, key, unit, better in (
        ("identity spread between subjects", "between_mm", "mm", "none"),
        ("identity spread within subjects", "within_mm", "mm", "none"),
        ("identity spread, between over within", "ratio", "1", "higher"),
        ("identity, share of variance between subjects", "same_share", "1", "higher"),
    ):
        value = float(getattr(got, key))
        if key != "same_share":
            row += [value, width[key]]
        found.metrics.append(
            Metric(label, name, "all", value, unit, better, width[key], _INTERVAL, count, total)  # type: ignore[arg-type]
        )
    row.append(got.same_share)
    where = {int(i): k for k, i in enumerate(chosen[there])}
    scores = np.array([_likeness(shapes, where, a, b) for a, b in zip(pairs.first, pairs.second)])
    compared = int((scores > -np.inf).sum())
    judged = verify(scores, pairs.same, pairs.fold)
    found.curves[name] = judged.roc
    folds = len(np.unique(pairs.fold))
    for label, (mean, deviation) in judged.summary().items():
        found.metrics.append(
            Metric(
                f"verification by shape, {label}",
                name,
                "all",
                mean,
                "%",
                "higher",
                deviation,
                f"sd over {folds} folds",
                compared,
                len(scores),
            )
        )
        if label != "100 %−EER":
            row += [mean, deviation]
    found.spreads.append(tuple(row))


def _likeness(shapes: Array, where: dict[int, int], a: int, b: int) -> float:
    """Minus the root mean square distance in mm; −∞ where a photo has no shape. To a micrometre: less is rounding."""
    if int(a) not in where or int(b) not in where:
        return -np.inf
    apart = shapes[where[int(a)]] - shapes[where[int(b)]]
    return -round(float(np.sqrt((apart**2).sum(axis=1).mean())), 3)


def _sweep(found: _Found, name: str, heads: Heads, truth: dict[int, NDArray[np.float32]], seed: int) -> None:
    """Rows of one system, one for each scan metric."""
    from .....morphable import load_model

    try:
        swept = sweep_system(heads.kept, truth, load_model())
    except UsageError as error:
        found.missing.append(Missing("shrinkage sweep", name, str(error)))
        return
    for metric in SCAN_METRICS:
        if metric not in swept.errors:
            continue
        errors = swept.errors[metric]
        verdict = judge_sweep(errors, seed=seed)
        counted = f"{len(errors)} of {len(truth)}"
        found.sweeps.append(
            (
                name,
                metric,
                *verdict.mean.tolist(),
                verdict.best,
                verdict.gain,
                verdict.half_width,
                verdict.better,
                counted,
                verdict.words,
            )
        )
        common = {"group": metric, "count": len(errors), "total": len(truth), "system": name}
        found.metrics.append(
            Metric(
                name="best identity factor",
                value=verdict.best,
                unit="1",
                better="one",
                spread_kind="",
                **common,  # type: ignore[arg-type]
            )
        )
        found.metrics.append(
            Metric(
                name="gain over the mean face",
                value=verdict.gain,
                unit="mm",
                better="higher",
                spread=verdict.half_width,
                spread_kind="95 % bootstrap half-width over photos",
                **common,  # type: ignore[arg-type]
            )
        )
        if metric == SCAN_METRICS[0]:
            spread_over = errors.std(axis=0, ddof=1) / np.sqrt(len(errors)) if len(errors) > 1 else None
            found.lines[name] = (np.array(FACTORS), verdict.mean, spread_over)


def _spread_table(found: _Found, data: str, pairs: Pairs, options: RunOptions, *, whole: bool) -> Table:
    columns = (
        ("system", ""), ("subjects", "d"), ("photos", ""), ("between mm", ".2f"), ("±", ".2f"), ("within mm", ".2f"),
        ("± ", ".2f"), ("between/within", ".2f"), ("±  ", ".2f"), ("share", ".0%"), ("accuracy %", ".1f"),
        ("±   ", ".1f"), ("nAUC %", ".1f"), ("±    ", ".1f"),
    )  # fmt: skip
    notes = [
        "root mean square distances of neutral face shapes, by one-way random effects; ±: "
        f"{_INTERVAL}; share: of the variance that is between subjects.",
        f"accuracy, nAUC: are two photos of one person, by the distance of their shapes; {len(pairs)} pairs in "
        f"{len(np.unique(pairs.fold))} folds that share no person, half of them of one; ±: sd over folds.",
        "mean face: the same shape for everybody; ratio 0 and 50 % by definition.",
    ]
    if "wholeface" in options.systems and not whole:
        notes.append(
            "wholeface landmarks: the landmark fit of the shipped system alone; --whole runs all of it."
        )
    return Table(f"Identity on {data}: spread and verification", columns, found.spreads, notes)


def _sweep_table(found: _Found) -> Table:
    columns = (
        ("system", ""), ("scan metric, mm", ""),
        *((f"{factor:g}" if factor else "0 = mean face", ".3f") for factor in FACTORS),
        ("best", ".2f"), ("gain", ".3f"), ("±", ".3f"), ("better", ".0%"), ("photos", ""), ("verdict", ""),
    )  # fmt: skip
    notes = [
        "error of the neutral head after its difference from the mean head is multiplied; averages over photos.",
        "gain: by how much factor 1, as shipped, beats the mean face, ± 95 % bootstrap half-width over photos; "
        "better: share of photos on which it does.",
        "a system whose best factor is 0 has learned nothing about identity; "
        "said where 95 % of bootstrap draws agree.",
    ]
    return Table("Identity on rendered subjects: shrinkage sweep", columns, found.sweeps, notes)


def _images(found: _Found, data: str) -> dict[str, NDArray[np.uint8]]:
    from ...report.plots import lines_plot, roc_plot

    images: dict[str, NDArray[np.uint8]] = {}
    draw: dict[str, Callable[[], NDArray[np.uint8]]] = {}
    if found.curves:
        draw["identity_roc"] = lambda: roc_plot(found.curves, f"Verification by shape on {data}")
    if found.lines:
        draw["identity_sweep"] = lambda: lines_plot(
            found.lines,
            "factor on the identity (0 = mean face)",
            f"{SCAN_METRICS[0]} (mm)",
            "Shrinkage sweep",
        )
    for name, make in draw.items():
        try:
            images[name] = make()
        except UsageError as error:
            found.missing.append(Missing(f"image {name}", "", str(error)))
    return images


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photos", type=int, help="of each person, at most (4)")
    parser.add_argument("--sweep", type=int, help="rendered subjects in the shrinkage sweep; 0 for none (40)")
    parser.add_argument("--whole", action="store_true", help="the whole system, not its landmark fit alone")


PROTOCOL = Protocol(
    name="identity",
    title="Identity that means something",
    summary="spread of shapes between over within subjects, verification by shape, shrinkage sweep",
    source="Searle, Casella & McCulloch 1992, §3.6 (variance components)",
    run=run,
    add_arguments=_arguments,
)
