"""Landmarks against annotated ones: ``wholeface bench landmarks``.

NME over the 68 points, in per cent of the distance of the outer eye corners (inter-ocular) and of the eye centres
(inter-pupil) of the annotation; failure rate and area under the cumulative inter-ocular error, both at 8 %. A face
that is not found has no NME and counts as failed. Of several faces in a photo the one is taken whose box overlaps
best with the annotated one.

Data: 300-W (common = HELEN and LFPW test, challenging = iBUG, full = both) or WFLW (test set and its six subsets). Of
the 98 points of WFLW those are compared that stand where the 68 stand, see :meth:`PointsItem.points_68`; its
published numbers are means over 98 points with failures at 10 % (``--threshold 10``). Without data: rendered faces of
subjects who are never trained on, clean, and behind occluders that are never trained on; hidden points count.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .....core.errors import UsageError, WholeFaceError
from ...metrics.discrepancy import half_width
from ...metrics.landmark_nme import (
    area_under_curve,
    failure_rate,
    inter_ocular,
    inter_pupil,
    normalised_mean_error,
    point_errors,
)
from ...protocol import Metric, Missing, Protocol, Report, RunOptions
from ...report._drawn import drawn
from ...report.table import Cell, Table

if TYPE_CHECKING:
    from .finders import Finder68

__all__ = ["PROTOCOL", "run"]

Points = NDArray[np.float64]
_QUICK, _USUAL = 20, 200  # built-in faces per group
_FRONTAL = 45.0  # degrees of yaw; beyond it the eye corners draw near to each other and errors seem large
_SHOWN = 3.0  # times the threshold, the end of the drawn curves
_W300_GROUPS = {"common": "common", "challenging": "challenge"}
_SEED = 9_100  # of the built-in faces: a series of its own


@dataclass(frozen=True)
class _Item:
    """A photo with its annotation; ``hidden`` (68,) where that is known."""

    name: str
    groups: tuple[str, ...]
    image: Callable[[], NDArray[np.uint8]]
    truth: Points
    hidden: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class _Result:
    """Of one item and system: per cent; infinity where nothing was found, NaN where the photo could not be read."""

    item: _Item
    ocular: float
    pupil: float
    hidden: float


def run(options: RunOptions, *, threshold: float = 8.0, finders: Sequence[Finder68] | None = None) -> Report:
    """See the module's docstring.

    Args:
        options: ``data`` is the folder of 300-W or of WFLW.
        threshold: of failures and area, per cent.
        finders: systems to compare instead of those that ``options`` names.

    Raises:
        UsageError: the folder is neither, or a system is not known.
        DataError: the dataset is incomplete or laid out differently.
    """
    from .finders import load_finders

    if not threshold > 0:
        raise UsageError(f"--threshold {threshold:g}: a positive number of per cent")
    items, title, notes = _items(options)
    if finders is None:
        finders, more = load_finders(options.systems)
        notes += more
    results: dict[str, list[_Result]] = {finder.name: [] for finder in finders}
    missing: list[Missing] = []
    total = 0
    for item in items:
        total += 1
        try:
            pixels = item.image()
        except WholeFaceError as error:
            missing.append(Missing(item.name, "", str(error)))
            for found in results.values():
                found.append(_Result(item, np.nan, np.nan, np.nan))
            continue
        for finder in finders:
            result, reason = _measured(item, finder, pixels)
            results[finder.name].append(result)
            if reason:
                missing.append(Missing(item.name, finder.name, reason))
    if not any(not np.isnan(r.ocular) for found in results.values() for r in found):
        raise UsageError(f"{options.data}: none of {total} photos could be read")
    return _report(options, results, missing, title, notes, threshold)


def _measured(item: _Item, finder: Finder68, pixels: NDArray[np.uint8]) -> tuple[_Result, str]:
    """The errors, and why there are none."""
    try:
        found = finder.find(pixels, item.truth)
    except WholeFaceError as error:
        found, reason = None, str(error)
    else:
        reason = "" if found is not None else "the annotated face was not found"
    if found is None:
        return _Result(item, np.inf, np.inf, np.inf), reason
    scale = inter_ocular(item.truth, item.name)
    ocular = normalised_mean_error(found, item.truth, scale, item.name)
    pupil = normalised_mean_error(found, item.truth, inter_pupil(item.truth, item.name), item.name)
    each = point_errors(found, item.truth, scale, item.name)
    hidden = float(each[item.hidden].mean()) if item.hidden is not None and item.hidden.any() else np.nan
    return _Result(item, ocular, pupil, hidden), ""


def _items(options: RunOptions) -> tuple[Iterator[_Item], str, list[str]]:
    if options.data is None:
        count = options.count or (_QUICK if options.quick else _USUAL)
        notes = ["rendered faces, clean and behind held-out occluders; all 68 points count, hidden ones too."]
        return _rendered(count, options), "Landmarks: held-out rendered faces", notes
    if not options.data.is_dir():
        raise UsageError(f"--data {options.data}: no such folder; expected that of 300-W or of WFLW")
    limit = options.count or (20 if options.quick else None)
    if (options.data / "WFLW_images").is_dir():
        return (
            _wflw(options.data, limit),
            "Landmarks: WFLW test",
            ["68 of the 98 points, those at the places of iBUG; published numbers are means over all 98."],
        )
    names = {path.name.lower() for path in options.data.iterdir() if path.is_dir()}
    if not names & {"helen", "lfpw", "ibug"}:
        raise UsageError(
            f"--data {options.data}: neither WFLW (WFLW_images/, WFLW_annotations/) nor 300-W (helen/, lfpw/, ibug/)"
        )
    return _w300(options.data, limit), "Landmarks: 300-W", []


def _w300(root: Path, limit: int | None) -> Iterator[_Item]:
    from ....data.datasets import W300

    for group, split in _W300_GROUPS.items():
        dataset = W300(root, split)  # type: ignore[arg-type]
        for i in _chosen(len(dataset), limit):
            item = dataset[i]
            yield _Item(item.name, (group, "full"), item.image, item.points_68().astype(np.float64))


def _wflw(root: Path, limit: int | None) -> Iterator[_Item]:
    from ....data.datasets import WFLW

    dataset = WFLW(root, "test")
    for i in _chosen(len(dataset), limit):
        item = dataset[i]
        groups = ("all", *(name for name, has in item.attributes.items() if has))
        yield _Item(f"{item.name} #{i}", groups, item.image, item.points_68().astype(np.float64))


def _chosen(count: int, limit: int | None) -> list[int]:
    """All, or ``limit`` spread evenly."""
    if limit is None or limit >= count:
        return list(range(count))
    return [int(i) for i in np.unique(np.linspace(0, count - 1, limit).astype(np.int64))]


def _rendered(count: int, options: RunOptions) -> Iterator[_Item]:
    from ....data.engine import EngineSettings, FaceEngine

    for group, split, clean in (("clean", "test", 1.0), ("occluded", options.occluded_split, 0.0)):
        settings = EngineSettings(portraits=0.0, clean=clean)
        engine = FaceEngine(None, seed=_SEED + options.seed, split=split, settings=settings)
        for i in range(count):
            sample = engine.sample(i)
            column, row = np.clip(np.rint(sample.landmarks_68), 0, sample.size - 1).astype(np.int64).T
            frontal = float(np.abs(_yaw(sample.parameters["rotation"]))) <= _FRONTAL
            yield _Item(
                f"{group} {i}",
                (group, f"{group}, within {_FRONTAL:g}°") if frontal else (group,),
                lambda image=sample.image: image,  # type: ignore[misc]
                sample.landmarks_68.astype(np.float64),
                np.asarray(sample.occluder[row, column] > 0),
            )


def _yaw(rotation: NDArray[np.float32]) -> float:
    """Degrees, of an axis-angle (3,)."""
    import torch

    from .....render import pose_degrees

    return float(pose_degrees(torch.from_numpy(rotation))[0])


def _report(
    options: RunOptions,
    results: dict[str, list[_Result]],
    missing: list[Missing],
    title: str,
    notes: list[str],
    threshold: float,
) -> Report:
    groups = list(dict.fromkeys(g for found in results.values() for r in found for g in r.item.groups))
    rows: list[tuple[Cell, ...]] = []
    metrics: list[Metric] = []
    for group in groups:
        for system, found in results.items():
            part = [r for r in found if group in r.item.groups]
            row, numbers = _row(part, system, group, threshold, options.seed)
            rows.append(row)
            metrics += numbers
    columns = (
        ("faces", ""), ("system", ""), ("photos", "d"), ("found", ""), ("NME ocular %", ".2f"), ("±", ".2f"),
        ("median %", ".2f"),
        ("NME pupil %", ".2f"), ("hidden points %", ".2f"), (f"failed at {threshold:g} %", ".1%"),
        (f"AUC at {threshold:g} %", ".3f"),
    )  # fmt: skip
    notes += [
        "NME: mean over the found photos, per cent of the distance of the outer eye corners (ocular) or of the eye "
        "centres (pupil); ±: 95 % bootstrap half-width over photos.",
        "failed: not found, or ocular NME above the threshold. AUC: of the cumulative ocular error up to it, by the "
        "trapezoid rule, not found = infinitely far; over all photos.",
        "mean face: the mean of the face model, from the front and upright, in the detected box.",
    ]

    def draw() -> dict[str, NDArray[np.uint8]]:
        from ...report.plots import cumulative_curve

        images = {}
        for group in groups[:4]:
            errors = {}
            for system, found in results.items():
                each = np.array([r.ocular for r in found if group in r.item.groups])
                errors[system] = np.where(each <= _SHOWN * threshold, each, np.nan)
            name = f"landmarks_{group}".replace(" ", "_")
            images[name] = cumulative_curve(errors, "% of inter-ocular distance", f"{title}, {group}")
        return images

    images, more = drawn(draw)
    csv = ["item,system,nme_ocular,nme_pupil"]
    csv += [
        f'"{r.item.name}",{system},{r.ocular:.4f},{r.pupil:.4f}'
        for system, found in results.items()
        for r in found
    ]
    return Report(
        tables=[Table(title, columns, rows, notes + more)],
        metrics=metrics,
        images=images,
        missing=missing,
        settings={
            "threshold_percent": threshold,
            "seed": options.seed,
            "data": None if options.data is None else options.data.name,
            "photos": max(len(found) for found in results.values()),
        },
        files={"landmarks.csv": "\n".join(csv) + "\n"},
    )


def _row(
    part: Sequence[_Result], system: str, group: str, threshold: float, seed: int
) -> tuple[tuple[Cell, ...], list[Metric]]:
    ocular = np.array([r.ocular for r in part])
    there = np.isfinite(ocular)
    hidden = [r.hidden for r in part if np.isfinite(r.hidden)]
    found, total = int(there.sum()), len(part)
    mean = float(ocular[there].mean()) if found else float("nan")
    pupil = float(np.mean([r.pupil for r in part if np.isfinite(r.pupil)])) if found else float("nan")
    spread = half_width(list(ocular[there]), seed=seed) if found else float("nan")
    middle = float(np.median(ocular[there])) if found else float("nan")
    read = ocular[~np.isnan(ocular)]
    failed = failure_rate(read, threshold) if len(read) else float("nan")
    area = area_under_curve(read, threshold) if len(read) else float("nan")
    behind = float(np.mean(hidden)) if hidden else None
    row = (group, system, total, f"{found} of {total}", mean, spread, middle, pupil, behind, failed, area)
    kind = "95 % bootstrap half-width over photos"
    common: dict[str, Any] = {"system": system, "group": group, "total": total}
    metrics = [
        Metric(
            "NME, inter-ocular", value=mean, unit="%", spread=spread, spread_kind=kind, count=found, **common
        ),
        Metric("NME, inter-ocular, median", value=middle, unit="%", count=found, **common),
        Metric("NME, inter-pupil", value=pupil, unit="%", count=found, **common),
        Metric(f"failure rate at {threshold:g} %", value=100 * failed, unit="%", count=len(read), **common),
        Metric(f"AUC at {threshold:g} %", value=area, unit="1", better="higher", count=len(read), **common),
    ]
    if behind is not None:
        name = "NME of hidden points, inter-ocular"
        metrics.append(Metric(name, value=behind, unit="%", count=len(hidden), **common))
    return row, metrics


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threshold", type=float, default=8.0, metavar="PERCENT", help="of failures and area (default 8)"
    )


PROTOCOL = Protocol(
    name="landmarks",
    title="Landmarks",
    summary="NME, failures and AUC of the 68 points: 300-W, WFLW, or held-out rendered faces",
    source="Sagonas et al. 2013 (300-W); Wu et al. 2018 (WFLW)",
    run=run,
    add_arguments=_add_arguments,
)
