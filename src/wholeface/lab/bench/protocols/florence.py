"""MICC Florence with artificial occluders, as in Zhao & Qi: ``wholeface bench florence``.

Each frame is reconstructed as it is and again behind each occluder of the held-out designs, which is drawn by its
name, the seed and the frame's name: the same occluder lies over the same frame on every machine. The neutral head is
compared with the scan within 95 mm of the nose tip: similarity by seven landmarks, then refined with scale (or
without: ``--metric``) to the least squared scan-to-mesh distance, as for NoW. Reported is the 90 % error, whose
definition and other readings are in :mod:`wholeface.lab.bench.metrics.florence_error`, with a heat map on the scan.

Departures: Zhao & Qi say neither how they aligned, nor from where they measured, nor which occluders they drew; the
choices here are the field's usual ones. Distances are to the nearest point of the surface, not along normals.

Without data a miniature of the folders is made of synthetic subjects and read from there.

Source: Zhao, Qi 2022, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §5.2.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

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
)
from ..metrics.cumulative import quantiles
from ..metrics.florence_error import FaceErrors, average, face_errors
from ..protocol import Metric, Protocol, Report, RunOptions
from ..report.table import Cell, Table
from ..sets.florence import FlorencePhoto, FlorenceSubject, load_florence, read_florence_scan
from ..systems import HeadSystem, load_systems

if TYPE_CHECKING:
    from ...data.occluders import OccluderLibrary
    from ..systems.own import Shared

__all__ = ["CLEAN", "OCCLUDERS", "PROTOCOL", "occluded_photo", "run"]

Pixels = NDArray[np.uint8]

CLEAN = "as it is"
OCCLUDERS = ("sunglasses", "hands", "masks")
"""What is drawn when no occluder is named."""
_QUICK_SUBJECTS, _SUBJECTS = 2, 8
_TRIES = 8
_WHOLE = 1e6  # mm: the scan is cropped before
_HEAT_TOP = 5.0


def occluded_photo(
    pixels: Pixels, name: str, occluder: str, seed: int, library: OccluderLibrary, shared: Shared
) -> Pixels:
    """A photo with something of that name over its face.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        name: of the photo; decides, with ``seed``, what exactly is drawn.
        occluder: of the library, e.g. ``hands``.
        seed: of the drawing.
        library: of occluders.
        shared: finds the face, whose pose the occluder follows.

    Raises:
        NoFaceError: no face was found in the clean photo.
        UsageError: nothing of this name fits this face.
    """
    from ...data.compositing.compose import apply_layer
    from ..sets.identity_occluders import photo_sample

    face = photo_sample(pixels, shared)
    rng = np.random.default_rng([seed, crc32(f"{occluder}/{name}".encode())])
    for _ in range(_TRIES):
        layer = library.source(occluder).layer(face, rng, library.split)
        if layer is not None:
            height, width = pixels.shape[:2]
            return np.ascontiguousarray(apply_layer(face, layer, rng).image[:height, :width])
    raise UsageError(f"no occluder of {occluder!r} fits this face (turned too far?)")


def run(
    options: RunOptions,
    *,
    occluders: Sequence[str] = (),
    setting: str | None = None,
    frames: int = 1,
    radius: float = 95.0,
    metric: bool = False,
    material: Path | None = None,
) -> Report:
    """Compare systems on MICC Florence, or on a miniature of it.

    Args:
        options: see :class:`RunOptions`; ``data`` is the folder with the subjects, ``count`` subjects at most.
        occluders: names of occluders (``glasses``, ``hands``, ``masks``, ``objects``, ``scarves``, ``sunglasses`` …);
            empty: ``OCCLUDERS``, or the last of them when quick.
        setting: only frames in folders of this name.
        frames: of each subject and setting, evenly spread.
        radius: mm around the tip of the nose.
        metric: the scale of predictions is kept; systems without millimetres are left out.
        material: folder of source material for the occluders (with ``occluders/``), or None: procedural ones.

    Raises:
        DataError: the set is laid out differently.
        UsageError: wrong options.
    """
    from ...data.occluders import OccluderLibrary

    if frames < 1 or (options.count is not None and options.count < 1) or not radius > 0:
        raise UsageError("frames, count and radius must be positive")
    drawn = tuple(dict.fromkeys(occluders)) or (OCCLUDERS[-1:] if options.quick else OCCLUDERS)
    library = OccluderLibrary(material, options.designs, dict.fromkeys(drawn, 1.0))
    systems = load_systems(["mean face", *(n for n in options.systems if n != "mean face")])

    def evaluate(folder: Path, made: str) -> Report:
        subjects = load_florence(folder)
        subjects = subjects[: options.count or (2 if options.quick else None)]
        photos = [photo for s in subjects for photo in _frames(s, setting, 1 if options.quick else frames)]
        if not photos:
            raise UsageError(f"no frames in a folder {setting!r}")
        results, images, notes = _evaluate(
            subjects, photos, systems, library, drawn, options.seed, radius, metric
        )
        if made:
            notes.append(made)
        settings = {
            "set": "miniature" if made else folder.name,
            "subjects": len(subjects),
            "photos": len(photos),
            "occluders": list(drawn),
            "source material": material.name if material is not None else "procedural",
            "radius mm": radius,
            "scale": "kept" if metric else "free",
            "seed": options.seed,
        }
        return _report(results, images, notes, settings, options.seed)

    if options.data is not None:
        return evaluate(options.data, "")
    with tempfile.TemporaryDirectory() as temporary:
        from ....morphable import load_model
        from ..sets.scan_subjects import subjects, write_florence

        count = options.count or (_QUICK_SUBJECTS if options.quick else _SUBJECTS)
        write_florence(
            Path(temporary), subjects(load_model(), count, options.seed, options.occluded_split), material
        )
        return evaluate(Path(temporary), "a miniature of the set made of synthetic subjects: not comparable")


def _frames(subject: FlorenceSubject, setting: str | None, count: int) -> Iterable[FlorencePhoto]:
    for name in sorted({photo.setting for photo in subject.photos}):
        if setting is None or name.lower() == setting.lower():
            mine = [photo for photo in subject.photos if photo.setting == name]
            for index in np.unique(np.linspace(0, len(mine) - 1, count).round().astype(int)):
                yield mine[index]


def _evaluate(
    subjects: Sequence[FlorenceSubject],
    photos: Sequence[FlorencePhoto],
    systems: Sequence[HeadSystem],
    library: OccluderLibrary,
    drawn: Sequence[str],
    seed: int,
    radius: float,
    metric: bool,
) -> tuple[Results, dict[str, Pixels], list[str]]:
    from ....photo import read_photo
    from ..systems.own import Shared

    results = Results([system.name for system in systems], {name: [] for name in (CLEAN, *drawn)})
    images: dict[str, Pixels] = {}
    notes: list[str] = []
    shared = Shared()
    by_name = {subject.name: subject for subject in subjects}
    held, scan, fault = "", None, ""
    for photo in photos:
        if photo.subject != held:
            held = photo.subject
            scan, fault = attempt(read_florence_scan, by_name[held], radius)
        clean, reason = attempt(lambda path: read_photo(path).pixels, photo.path)
        for kind in (CLEAN, *drawn):
            results.expect(kind, photo.name)
            if scan is None or clean is None:
                results.miss(f"{photo.name}, {kind}", "", fault or reason)
                continue
            pixels, why = clean, ""
            if kind != CLEAN:
                pixels, why = attempt(occluded_photo, clean, photo.name, kind, seed, library, shared)
            if pixels is None:
                results.miss(f"{photo.name}, {kind}", "", why)
                continue
            for system in systems:
                # Results in folders belong to the clean photo's file: behind an occluder there are none.
                path = photo.path if kind == CLEAN else None
                _compare(results, photo, kind, system, pixels, path, scan, metric, images, notes)
    return results, images, notes


def _compare(
    results: Results,
    photo: FlorencePhoto,
    kind: str,
    system: HeadSystem,
    pixels: Pixels,
    path: Path | None,
    scan: Scan,
    metric: bool,
    images: dict[str, Pixels],
    notes: list[str],
) -> None:
    item = f"{photo.name}, {kind}"
    prediction, reason = attempt(system.predict, pixels, path)
    if prediction is not None and metric and not prediction.metric:
        prediction, reason = None, "gives no millimetres"
    if prediction is None:
        results.miss(item, system.name, reason)
        return
    result, reason = attempt(measure, prediction, scan, metric=metric, radius=_WHOLE)
    if result is None:
        results.miss(item, system.name, reason)
        return
    results.found.append(
        Found(
            photo.name, photo.subject, kind, system.name, "similarity",
            result.distances.astype(np.float32), result.alignment.scale, result.converged,
        )
    )  # fmt: skip
    name = f"florence_heat_{system.name}_{kind}".replace(" ", "_")
    first = results.expected[CLEAN][0] == photo.name
    if first and scan.triangles is not None and name not in images:
        ninety = face_errors(result.distances).ninety
        title = f"{system.name}, {kind}: 90 % error {ninety:.2f} mm"
        image_or_note(name, images, notes, heat_map, scan, result, _HEAT_TOP, title)


def _report(
    results: Results, images: dict[str, Pixels], notes: list[str], settings: dict[str, object], seed: int
) -> Report:
    rows: list[list[Cell]] = []
    metrics: list[Metric] = []
    for kind, system, found, total in results.rows("similarity", together=False):
        faces = [face_errors(f.distances) for f in found]
        mean = average(faces) if faces else FaceErrors(*[float("nan")] * 6)
        half = _half_width([f.person for f in found], [face.ninety for face in faces], seed)
        of = f"{len(found)} of {total}"
        rows.append(
            [
                system,
                kind,
                mean.ninety,
                half,
                mean.mean,
                mean.median,
                mean.worst_tenth,
                mean.without_worst,
                of,
            ]
        )
        spread = "95 % bootstrap half-width over subjects" if np.isfinite(half) else ""
        metrics.append(
            Metric("90 % error", system, kind, mean.ninety, "mm", "lower", half, spread, len(found), total)
        )
        metrics.append(Metric("mean error", system, kind, mean.mean, "mm", count=len(found), total=total))
    for kind in results.expected:
        curves = {
            s: quantiles([f.distances for f in found])
            for s in results.systems
            if (found := results.chosen(s, "similarity", kind))
        }
        if curves:
            name = f"florence_cumulative_{kind}".replace(" ", "_")
            image_or_note(name, images, notes, curve_plot, curves, f"Florence, {kind}")
    table = Table(
        "MICC Florence, as in Zhao & Qi: average 90 % error",
        [
            ("system", ""), ("input", ""), ("90 % error mm", ".3f"), ("±", ".3f"), ("mean mm", ".3f"),
            ("median mm", ".3f"), ("worst tenth mm", ".3f"), ("without it mm", ".3f"), ("photos", ""),
        ],
        rows,
        (
            *notes,
            "means over photos; ± 95 % bootstrap half-width over subjects",
            "(common): photos with a result of every system",
        ),
    )  # fmt: skip
    files = {"florence_per_photo.csv": results.csv()} if results.found else {}
    return Report([table], metrics, images, results.missing, settings, files)


def _half_width(subjects: Sequence[str], values: Sequence[float], seed: int, draws: int = 1000) -> float:
    """Half of the 95 % interval of the mean when subjects are drawn anew."""
    names = sorted(set(subjects))
    if len(names) < 2:
        return float("nan")
    sums = np.array([sum(v for p, v in zip(subjects, values) if p == name) for name in names])
    counts = np.array([float(sum(p == name for p in subjects)) for name in names])
    picks = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    return float(np.diff(np.quantile(means, (0.025, 0.975)))[0]) / 2


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--occluder",
        dest="occluders",
        action="append",
        default=[],
        metavar="NAME",
        help="draw this over the faces",
    )
    parser.add_argument("--setting", metavar="NAME", help="only frames in folders of this name")
    parser.add_argument("--frames", type=int, default=1, help="of each subject and setting")
    parser.add_argument("--radius", type=float, default=95.0, metavar="MM", help="around the tip of the nose")
    parser.add_argument("--metric", action="store_true", help="keep the scale of the predictions")
    parser.add_argument("--material", type=Path, metavar="FOLDER", help="source material of the occluders")


PROTOCOL = Protocol(
    name="florence",
    title="MICC Florence with artificial occluders",
    summary="90 % error against scans, clean and behind named occluders, as in Zhao & Qi",
    source="Zhao, Qi 2022; Bagdanov et al. 2011",
    run=run,
    add_arguments=_arguments,
)
