"""NoW: how well a neutral head is reconstructed from one photo, in millimetres on a scan: ``wholeface bench now``.

The definitions of the distance are in :mod:`wholeface.lab.bench.metrics.scan_distance`, the folders in
:mod:`wholeface.lab.bench.sets.now`. Of each photo the neutral head is compared, since the scans are neutral; a system
that gives no neutral head is compared as it is. Two tables: the similarity variant, in which the scale of a
prediction is free, and the metric variant for systems that claim millimetres. Median, mean and standard deviation are
over all scan points of all photos in one list, as published; the spread is over subjects.

Where the set comes with boxes of the faces, each photo is cropped to twice its box, as the set's users do.

Without data a miniature of the set is made of synthetic subjects, written in the official folders and read
from there; its challenges are named after the official ones, its numbers are not comparable with the leaderboard.

Source: Sanyal et al. 2019; see :mod:`wholeface.lab.bench.metrics.scan_distance`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ..heads.scan_results import (
    Found,
    Results,
    Scan,
    attempt,
    curve_plot,
    heat_map,
    image_or_note,
    measure,
    neutral_mesh,
)
from ..metrics.scan_distance import SEVEN
from ..protocol import Protocol, Report, RunOptions
from ..sets.mesh_files import TriangleMesh
from ..sets.now import (
    CHALLENGES,
    NowItem,
    NowSet,
    load_now,
    read_box,
    read_prediction,
    read_scan,
    write_prediction,
)
from ..systems import HeadPrediction, HeadSystem, load_systems

__all__ = ["PROTOCOL", "SubmissionFolder", "run"]

_QUICK_SUBJECTS, _SUBJECTS = 2, 10
_MARGIN = 2.0  # edge of the crop over the longer side of the box
_HEAT_TOP = 5.0
_UNITS = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "none": None}


class SubmissionFolder:
    """Predictions that lie in the layout of NoW submissions.

    Args:
        name: of the row.
        folder: of the submission.
        unit: ``mm``, ``cm``, ``m``, or ``none``: the scale means nothing.

    Raises:
        UsageError: an unknown unit or no such folder.
    """

    def __init__(self, name: str, folder: Path, unit: str = "mm") -> None:
        if unit not in _UNITS:
            raise UsageError(f"unit {unit!r} of the predictions: choose {', '.join(_UNITS)}")
        if not folder.is_dir():
            raise UsageError(
                f"{folder}: no such folder; expected predictions in the layout of NoW submissions"
            )
        self.name, self._folder, self._factor = name, folder, _UNITS[unit]

    def predict(self, pixels: NDArray[np.uint8], path: Path | None = None) -> HeadPrediction:
        """The prediction for a photo of the set, known by the last three parts of its path."""
        if path is None:
            raise UsageError(f"{self.name}: predictions in a folder belong to photo files")
        found: tuple[TriangleMesh, Any] = read_prediction(
            self._folder, "/".join([*path.parts[-3:-1], path.stem])
        )
        mesh, seven = found
        factor = self._factor or 1.0
        landmarks = np.full((68, 3), np.nan)
        landmarks[list(SEVEN)] = factor * seven
        return HeadPrediction(
            factor * mesh.vertices, mesh.triangles, landmarks, metric=self._factor is not None
        )


def run(
    options: RunOptions,
    *,
    part: str = "val",
    radius: float | None = None,
    uncropped: bool = False,
    submission: Path | None = None,
    predictions: Sequence[str] = (),
    unit: str = "mm",
) -> Report:
    """Compare systems on the NoW set, or on a miniature of it.

    Args:
        options: see :class:`RunOptions`; ``data`` is the folder that the benchmark hands out, ``count`` photos at
            most, spread over the list (of the miniature: subjects).
        part: ``val``, or ``test``: there are no scans, so only ``submission`` is written.
        radius: mm, a fixed region in place of the published formula.
        uncropped: whole photos, boxes or not.
        submission: folder for the predictions in the official layout, one folder for each system.
        predictions: ``NAME=FOLDER`` with predictions in the official layout, as further systems.
        unit: of the ``predictions``.

    Raises:
        DataError: the set is incomplete or laid out differently.
        UsageError: wrong options.
    """
    if part == "test" and (submission is None or options.data is None):
        raise UsageError(
            "the test set has no scans: give --data and --submission, a folder for the predictions"
        )
    systems: list[HeadSystem] = load_systems(["mean face", *(n for n in options.systems if n != "mean face")])
    for text in predictions:
        name, found, folder = text.partition("=")
        if not found or not name:
            raise UsageError(f"predictions {text!r}: write NAME=FOLDER")
        systems.append(SubmissionFolder(name, Path(folder), unit))
    if options.data is not None:
        whole = load_now(options.data, part)
        chosen = _spread(
            whole.items, options.count if options.count is not None else 8 if options.quick else None
        )
        return _evaluate(
            NowSet(whole.root, chosen), systems, options, part, radius, uncropped, submission, ""
        )
    with tempfile.TemporaryDirectory() as temporary:
        from ....morphable import load_model
        from ..sets.scan_subjects import subjects, write_now

        count = options.count or (_QUICK_SUBJECTS if options.quick else _SUBJECTS)
        write_now(Path(temporary), subjects(load_model(), count, options.seed, options.occluded_split), None)
        made = "a miniature of the set made of synthetic subjects: not comparable with published numbers"
        return _evaluate(
            load_now(Path(temporary)), systems, options, part, radius, uncropped, submission, made
        )


def _spread(items: Sequence[NowItem], count: int | None) -> tuple[NowItem, ...]:
    if count is not None and count < 1:
        raise UsageError(f"count {count}: at least 1 photo")
    if count is None or count >= len(items):
        return tuple(items)
    return tuple(items[i] for i in np.unique(np.linspace(0, len(items) - 1, count).round().astype(int)))


def _evaluate(
    photos: NowSet,
    systems: Sequence[HeadSystem],
    options: RunOptions,
    split: str,
    radius: float | None,
    uncropped: bool,
    submission: Path | None,
    made: str,
) -> Report:
    results = Results([system.name for system in systems])
    images: dict[str, NDArray[np.uint8]] = {}
    notes = [made] if made else []
    subject, scan, fault = "", None, ""
    present = [c for c in CHALLENGES if any(item.challenge == c for item in photos.items)]
    for challenge in present:
        results.expected[challenge] = []
    for item in photos.items:
        if item.subject != subject and split == "val":
            subject, drawn = item.subject, len(images)
            scan, fault = attempt(read_scan, photos.root, subject)
        results.expect(item.challenge, item.name)
        if split == "val" and scan is None:
            results.miss(item.name, "", fault)
            continue
        pixels, reason = attempt(_pixels, item, uncropped)
        if pixels is None:
            results.miss(item.name, "", reason)
            continue
        for system in systems:
            prediction, reason = attempt(system.predict, pixels, item.image)
            if prediction is None:
                results.miss(item.name, system.name, reason)
                continue
            if submission is not None:
                _, reason = attempt(_submit, submission, system.name, item, prediction)
                if reason:
                    results.miss(item.name, system.name, reason)
            if scan is not None:
                _compare(
                    results,
                    item,
                    system.name,
                    prediction,
                    scan,
                    radius,
                    images if not drawn else None,
                    notes,
                )
    return _report(results, photos, options, split, radius, uncropped, images, notes)


def _pixels(item: NowItem, uncropped: bool) -> NDArray[np.uint8]:
    from ....photo import read_photo

    pixels = read_photo(item.image).pixels
    if uncropped or item.box is None:
        return pixels
    top, left, bottom, right = read_box(item.box)
    half = _MARGIN / 2 * max(bottom - top, right - left)
    row, column = (top + bottom) / 2, (left + right) / 2
    rows = slice(max(0, round(row - half)), max(0, round(row + half)))
    cut = pixels[rows, max(0, round(column - half)) : max(0, round(column + half))]
    if 0 in cut.shape:
        raise UsageError(
            f"{item.box}: the box lies outside the photo of {pixels.shape[1]} × {pixels.shape[0]} pixels"
        )
    return np.ascontiguousarray(cut)


def _submit(folder: Path, system: str, item: NowItem, prediction: HeadPrediction) -> None:
    vertices, seven = neutral_mesh(prediction)
    write_prediction(folder / system.replace(" ", "_"), item.name, vertices, prediction.triangles, seven)


def _compare(
    results: Results,
    item: NowItem,
    system: str,
    prediction: HeadPrediction,
    scan: Scan,
    radius: float | None,
    images: dict[str, NDArray[np.uint8]] | None,
    notes: list[str],
) -> None:
    for variant in ("similarity", "metric"):
        if variant == "metric" and not prediction.metric:
            continue
        result, reason = attempt(measure, prediction, scan, metric=variant == "metric", radius=radius)
        if result is None:
            results.miss(item.name, system, reason)
            continue
        results.found.append(
            Found(
                item.name, item.subject, item.challenge, system, variant,
                result.distances.astype(np.float32), result.alignment.scale, result.converged,
            )
        )  # fmt: skip
        name = f"now_heat_{system.replace(' ', '_')}"
        if (
            images is not None
            and variant == "similarity"
            and name not in images
            and scan.triangles is not None
        ):
            title = f"{system}, {item.name}: {np.median(result.distances):.2f} mm median"
            image_or_note(name, images, notes, heat_map, scan, result, _HEAT_TOP, title)


def _report(
    results: Results,
    photos: NowSet,
    options: RunOptions,
    split: str,
    radius: float | None,
    uncropped: bool,
    images: dict[str, NDArray[np.uint8]],
    notes: list[str],
) -> Report:
    tables, metrics = [], []
    for variant, title in (
        ("similarity", "NoW, similarity variant"),
        ("metric", "NoW, metric variant (scale kept)"),
    ):
        if not any(f.variant == variant for f in results.found):
            continue
        table, found = results.table(variant, title, "challenge", options.seed, notes)
        tables.append(table)
        metrics += found
        name = f"now_cumulative_{variant}"
        image_or_note(name, images, notes, curve_plot, results.curves(variant), title)
    settings = {
        "set": photos.root.name if options.data is not None else "miniature",
        "split": split,
        "photos": len(photos.items),
        "subjects": len({item.subject for item in photos.items}),
        "region": "0.7 (outer eye distance + nose length)" if radius is None else f"{radius:g} mm",
        "photos cropped to": "whole" if uncropped else f"{_MARGIN:g} boxes where there are any",
        "seed": options.seed,
    }
    files = {"now_per_photo.csv": results.csv()} if results.found else {}
    return Report(tables, metrics, images, results.missing, settings, files)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--part", choices=("val", "test"), default="val", help="validation or test set of NoW"
    )
    parser.add_argument(
        "--radius", type=float, metavar="MM", help="fixed region in place of the published formula"
    )
    parser.add_argument(
        "--uncropped", action="store_true", help="whole photos, although the set has boxes of the faces"
    )
    parser.add_argument(
        "--submission", type=Path, metavar="FOLDER", help="write predictions in the official layout"
    )
    parser.add_argument(
        "--predictions",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="further systems: official layout",
    )
    parser.add_argument(
        "--unit", choices=tuple(_UNITS), default="mm", help="of --predictions; none: no metric variant"
    )


PROTOCOL = Protocol(
    name="now",
    title="NoW: neutral shape from one photo",
    summary="scan-to-mesh distance of neutral heads, as on the NoW benchmark",
    source="Sanyal, Bolkart, Feng, Black 2019",
    run=run,
    add_arguments=_arguments,
)
