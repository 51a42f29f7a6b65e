"""Relief: what of a face's wrinkles and folds is found, filled in where hidden, and true of the subject.

Renders: faces that nothing was trained on, with folds of known height, go through the whole pipeline as photos do.
Measured is the fine relief (:mod:`...metrics.relief`) in visible skin, by albedo and by light; and, of the same faces
behind occluders, in the skin that these hide, with what is filled in there.

People (with source material that holds ``faces_lab``): relief of the neutral photo against that of the smiling one,
and who is recognised by relief alone, as in Tran et al. 2018, sec. 5.2 and table 1. Rendered subjects take the same
test: two pictures that share nothing but their folds. That is harder than it looks: laid on the fitted meshes of two
such pictures, the true folds themselves correlate at 0.1 to 0.6 (on the true meshes at 0.98), so a low figure there
says as much of the fits as of the relief.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .....core.errors import WholeFaceError
from .....morphable import load_model
from .....photo import read_photo
from .....stages import Tools
from .....stages.relief.by_network import ReliefByNetwork
from .....stages.relief.by_shading import ReliefByShading
from .....stages.relief.fill_by_examples import FillByExamples
from .....stages.relief.soft_symmetry import SoftSymmetry
from ...metrics.relief import GROOVE, STEEP, WIDEST
from ...protocol import Metric, Protocol, Report, RunOptions
from ...report.table import Table
from ...sets.identity_occluders import PhotoOccluder
from ...sets.likeness import Person, open_people
from ...sets.relief import FoldedFaces
from ...systems.own import Shared
from .people import (
    CLEAN,
    HAND,
    PeopleFound,
    Subject,
    correlation_table,
    measure_people,
    verification_table,
)
from .rendered import RenderedFound, hidden_table, light_table, measure_rendered, seen_table
from .sheet import contact_sheet, photos_by_age
from .systems import (
    EXAMPLES,
    FOUNDATION,
    UNFILLED,
    WHOLE,
    ReliefSystem,
    hidden_systems,
    seen_systems,
)

__all__ = ["PROTOCOL", "run"]

_COUNT, _QUICK = 20, 2
_SUBJECTS, _QUICK_SUBJECTS = 12, 2
_SHEET = 8  # photos of each age
_STAGES = (ReliefByNetwork, FillByExamples, SoftSymmetry)


def run(options: RunOptions, *, networks: Sequence[str] = (), sheet: bool = False) -> Report:
    """See the module's docstring.

    Args:
        options: ``data``: folder of source material, or None: drawn faces with the model's albedo, and no people;
            ``count``: rendered faces of each albedo.
        networks: further weights of the relief network, each ``NAME=FILE``.
        sheet: make the contact sheet alone, of the source material's photos.

    Raises:
        UsageError: a malformed network.
        DataError: the sheet's photos are missing.
    """
    tools = Tools(load_model())
    seen, hidden = seen_systems(networks), hidden_systems()
    if sheet:
        return _sheet(options, hidden[-1], tools)
    count = options.count or (_QUICK if options.quick else _COUNT)
    faces = FoldedFaces(options.data, tools, seed=options.seed, split=options.split)
    rendered = measure_rendered(faces, count, seen, hidden, tools)
    tables: list[Table] = []
    metrics: list[Metric] = []
    for table, more in (
        seen_table(rendered, options.seed), light_table(rendered), hidden_table(rendered, options.seed)
    ):  # fmt: skip
        tables.append(table)
        metrics += more
    clean = [system for system in seen if system.name != FOUNDATION]
    missing = list(rendered.missing)
    for title, subjects in _people(options, faces, tools).items():
        found = measure_people(subjects, clean, [hidden[0], hidden[2], hidden[3]], tools)
        missing += found.missing
        if len(found.names) >= 2:
            for table, more in _about_people(found, title, clean, options.seed):
                tables.append(table)
                metrics += more
    table, more = _cost(rendered)
    tables.append(table)
    metrics += more
    settings = {
        "count": count, "seed": options.seed, "split": options.split, "albedos": list(faces.albedos),
        "finer than, mm": WIDEST, "steep, degrees": STEEP, "groove, mm": GROOVE,
        "networks": [word.partition("=")[0] for word in networks],
    }  # fmt: skip
    return Report(tables, _first(metrics, clean[-1].name), {}, missing, settings)


def _first(metrics: Sequence[Metric], system: str) -> list[Metric]:
    """The correlation in visible skin first."""
    key = "correlation of relief, visible skin"
    order = [m for m in metrics if m.name == key and m.group == "all"]
    return [*order, *(m for m in metrics if m not in order)]


def _people(
    options: RunOptions, faces: FoldedFaces, tools: Tools
) -> Mapping[str, Sequence[Callable[[], Subject]]]:
    """Sets of subjects by title."""
    count = _QUICK_SUBJECTS if options.quick else _SUBJECTS
    designs = options.designs
    shared = Shared(tools.model, tools.networks.detector)
    root = None if options.data is None else options.data
    hands = PhotoOccluder(
        "hands", root if root and (root / "occluders").is_dir() else None, options.seed, shared, designs
    )

    def behind(pixels: Any, name: str) -> Any:
        try:
            return hands(pixels, name)
        except WholeFaceError:
            return None

    def rendered(number: int) -> Subject:
        gallery, probe = faces.pair(number)
        name = f"folds {number}"
        return Subject(name, gallery, probe, behind(probe, name))

    def photographed(person: Person) -> Subject:
        gallery, probe = (read_photo(path).pixels for path in (person.gallery, person.probe))
        return Subject(person.name, gallery, probe, behind(probe, person.name))

    sets: dict[str, Sequence[Callable[[], Subject]]] = {
        "rendered subjects": [lambda n=n: rendered(n) for n in range(count)]  # type: ignore[misc]
    }
    if options.data is not None and (options.data / "faces_lab").is_dir():
        people, _ = open_people(options.data, count if options.quick else None)
        sets = {"people": [lambda p=p: photographed(p) for p in people], **sets}  # type: ignore[misc]
    return sets


def _about_people(
    found: PeopleFound, title: str, clean: Sequence[ReliefSystem], seed: int
) -> list[tuple[Table, list[Metric]]]:
    last = clean[-1].name
    rows = [(f"{system.name}, {CLEAN}", system.name, CLEAN) for system in clean]
    rows = [(f"{last}, {CLEAN}", last, CLEAN), *(row for row in rows if row[1] != last)]
    rows += [(f"{last}, {HAND}, {name}", name, HAND) for name in (UNFILLED, EXAMPLES, WHOLE)]
    return [
        correlation_table(found, title, [system.name for system in clean], seed),
        verification_table(found, title, rows, seed),
    ]


def _cost(found: RenderedFound) -> tuple[Table, list[Metric]]:
    """Milliseconds of each stage, the median over the faces."""
    import torch

    rows: list[tuple[str, int, float, float, float]] = []
    metrics: list[Metric] = []
    for stage, times in found.times.items():
        kept = np.array([t for t in times if np.isfinite(t)])
        if len(kept) == 0:
            continue
        middle, low = float(np.median(kept)), float(kept.min())
        rows.append((stage, len(kept), low, middle, float(np.quantile(kept, 0.9))))
        metrics.append(
            Metric("time of a relief stage, median", stage, "256 px", middle, "ms", count=len(kept))
        )
    chosen = [row for row in rows if row[0] != ReliefByShading.name]
    if len(chosen) == len(_STAGES):
        low, middle, high = np.array([row[2:] for row in chosen]).sum(axis=0).tolist()
        rows.append(("together, without shading", min(row[1] for row in chosen), low, middle, high))
        metrics.insert(0, Metric("time of a relief stage, median", "together", "256 px", middle, "ms"))
    columns = (("stage", ""), ("runs", "d"), ("least ms", ".1f"), ("median ms", ".1f"), ("90 % ms", ".1f"))
    notes = [
        f"warm, one face at a time, {torch.get_num_threads()} threads; whatever else the machine does counts"
    ]
    return Table("Cost of relief", columns, rows, notes), metrics


def _sheet(options: RunOptions, system: ReliefSystem, tools: Tools) -> Report:
    from .....core.errors import UsageError

    if options.data is None:
        raise UsageError("the contact sheet needs --data FOLDER, the source material with faces_ai")
    photos = photos_by_age(options.data, 1 if options.quick else _SHEET)
    start = time.perf_counter()
    picture, missing = contact_sheet(photos, system, tools)
    seconds = (time.perf_counter() - start) / max(len(photos), 1)
    rows = [(age, sum(1 for label, _ in photos if label == age)) for age in dict(photos)]
    table = Table("Contact sheet", (("age", ""), ("photos", "d")), rows, [f"{seconds:.1f} s a photo"])
    return Report([table], [], {"sheet": picture}, missing, {"photos": [path.name for _, path in photos]})


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--network", action="append", default=[], dest="networks", metavar="NAME=FILE",
        help="further weights of the relief network (again and again)",
    )  # fmt: skip
    parser.add_argument(
        "--sheet", action="store_true",
        help="instead of measuring, draw 24 heads of all ages with relief and without; --out DIR writes sheet.png",
    )  # fmt: skip


PROTOCOL = Protocol(
    name="relief",
    title="Relief",
    summary="wrinkles and folds: found in visible skin, filled behind occluders, and whose they are",
    source="Tran et al. 2018, Extreme 3D face reconstruction, CVPR, table 1",
    run=run,
    add_arguments=_arguments,
    material=".",
)
