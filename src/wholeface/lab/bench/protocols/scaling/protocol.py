"""Speed and memory: per stage, cold and warm, one photo and 32, one thread and two: ``wholeface bench scaling``.

For each number of threads one fresh process, bound to as many cores, reconstructs and saves the photos one after
another. Its first photo is the cold one, from the start of the process, imports and loading included; the others are
warm. How long it has run after the n-th photo gives the curve of photos per second over the number of photos. A
photo's stages take one face at a time, so 32 photos share loading, not arithmetic; the networks can take many crops
at once, and are timed for it by themselves. The compared systems are timed warm, in a process each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .....core.errors import UsageError, WholeFaceError
from ...protocol import Metric, Missing, Protocol, Report, RunOptions
from ...report.table import Cell, Table

__all__ = ["PROTOCOL", "curve", "run", "stage_rows"]

_STAGES = {
    "photo": "photo reading",
    "detect": "detection",
    "landmarks": "landmarks",
    "perceive": "detection and landmarks",
    "landmark fit": "landmark fit",
    "parse": "parsing",
    "occluder": "occluder mask",
    "refine": "refinement",
    "texture": "completion",
    "save": "export",
}
"""Name in the stopwatch -> name in the table, in the table's order."""
_PHOTOS, _QUICK_PHOTOS = 32, 3
_BATCH, _QUICK_BATCH = 32, 8
_SYSTEM_PHOTOS, _QUICK_SYSTEM_PHOTOS = 8, 2
_SIZE = 512  # pixels of the rendered photos
_SUFFIXES = (".jpg", ".jpeg", ".png")

Answer = Mapping[str, Any]


def run(options: RunOptions, *, threads: str = "1,2", detector: str = "auto") -> Report:
    """Measure; see the module's docstring.

    Args:
        options: ``data`` is a folder of photos; without it faces are rendered. ``count``: photos (32; quick 4).
        threads: numbers of threads between commas; those beyond the machine's cores are left out, and said.
        detector: ``auto``, ``wholeface`` or ``mediapipe``.

    Raises:
        UsageError: an option is out of range, or the folder holds no photos.
        WholeFaceError: a measuring process failed.
    """
    wanted = _threads(threads)
    if detector not in ("auto", "wholeface", "mediapipe"):
        raise UsageError(f"--detector {detector}: choose auto, wholeface or mediapipe")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    missing = [Missing(f"{n} threads", "", f"this machine lends {cores} cores") for n in wanted if n > cores]
    wanted = [n for n in wanted if n <= cores]
    if not wanted:
        raise UsageError(f"--threads {threads}: this machine lends {cores} cores")
    count = options.count or (_QUICK_PHOTOS if options.quick else _PHOTOS)
    if count < 2:
        raise UsageError(f"--count {count}: at least 2 photos, a cold and a warm one")
    with tempfile.TemporaryDirectory(prefix="wholeface-scaling-") as folder:
        photos = _photos(options.data, count, options.seed, Path(folder))
        batch = _QUICK_BATCH if options.quick else _BATCH
        stages = {n: _child("photos", n, photos, detector=detector, batch=batch) for n in wanted}
        few = photos[: _QUICK_SYSTEM_PHOTOS if options.quick else _SYSTEM_PHOTOS]
        systems: Mapping[str, Answer] = _child("systems", wanted[0], few, system=options.systems)
    missing += _left_out(stages, systems)
    timed = {name: answer for name, answer in systems.items() if not answer["error"]}
    if min(len(answer["photos"]) for answer in stages.values()) < 2:
        raise UsageError("fewer than two photos with a face; name a folder of portraits with --data")
    group = _count(wanted[0], "thread")
    return Report(
        tables=[
            _stage_table(stages),
            _curve_table(stages),
            _network_table(stages),
            _system_table(timed, group),
        ],
        metrics=[*_system_metrics(timed, group, len(few)), *_stage_metrics(stages, len(photos))],
        images=_images(stages),
        missing=missing,
        settings={
            "threads": wanted,
            "photos": len(photos),
            "photo_source": "rendered" if options.data is None else options.data.name,
            "batch": batch,
            "detector": next(iter(stages.values()))["detector"],
        },
        files={"scaling.json": json.dumps({"threads": stages, "systems": systems}, indent=1) + "\n"},
    )


def stage_rows(photos: Sequence[Answer]) -> list[tuple[str, float, float]]:
    """(stage, cold, warm) milliseconds: of the first photo, and the median of the others; unused stages are left out.

    Args:
        photos: at least two, each with ``stages`` and ``total``, milliseconds.
    """
    found = []
    for key, name in [*_STAGES.items(), ("total", "one photo")]:
        values = [p["total"] if key == "total" else p["stages"].get(key, 0.0) for p in photos]
        if any(values):
            found.append((name, values[0], statistics.median(values[1:])))
    return found


def curve(photos: Sequence[Answer]) -> list[tuple[int, float, float, float]]:
    """(n, seconds, photos per second, peak MiB) for n = 1, 2, 4, … and all.

    Args:
        photos: each with ``since_start``, seconds from the process's start to its saved files, and ``peak_mib``.
    """
    counts = [n for n in (2**k for k in range(20)) if n < len(photos)] + [len(photos)]
    return [(n, s := photos[n - 1]["since_start"], n / s, photos[n - 1]["peak_mib"]) for n in counts]


def _left_out(stages: Mapping[int, Answer], systems: Mapping[str, Answer]) -> list[Missing]:
    found = []
    for n, answer in stages.items():
        who = f"wholeface, {_count(n, 'thread')}"
        found += [Missing(name, who, "no face found") for name in answer["faceless"]]
    for name, answer in systems.items():
        found += [Missing("time per photo", name, answer["error"])] if answer["error"] else []
        found += [Missing(photo, name, "no face found") for photo in answer["faceless"]]
    return found


def _threads(text: str) -> list[int]:
    try:
        found = [int(word) for word in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1 or len(set(found)) < len(found):
        raise UsageError(f"--threads {text}: write numbers from 1 on between commas, each once")
    return found


def _photos(data: Path | None, count: int, seed: int, folder: Path) -> list[Path]:
    if data is not None:
        found = sorted(p for p in data.rglob("*") if p.suffix.lower() in _SUFFIXES)[:count]
        if len(found) < 2:
            raise UsageError(
                f"--data {data}: at least two photos ({', '.join(_SUFFIXES)}) are needed in the folder"
            )
        return found
    from .....export import write_png
    from .....morphable import load_model
    from ....modelling.landmarks478.views import ViewSettings, random_view

    model, settings = load_model(), ViewSettings(size=_SIZE, occluded=0.5)
    for i in range(count):
        pixels = random_view(model, np.random.default_rng([seed, 4_711, i]), settings).pixels
        write_png(folder / f"face_{i:03d}.png", pixels)
    return sorted(folder.iterdir())


def _child(what: str, threads: int, photos: Sequence[Path], **named: object) -> Any:
    """The answer of a fresh measuring process.

    Raises:
        WholeFaceError: it failed.
    """
    words = [sys.executable, "-m", "wholeface.lab.bench.protocols.scaling.child", what, *map(str, photos)]
    words += ["--threads", str(threads), *_words(named)]
    environment = dict(os.environ)
    environment |= {
        "OMP_NUM_THREADS": str(threads),
        "NUMBA_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    words += ["--started", repr(time.time())]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise WholeFaceError(lines[-1] if lines else f"the measuring process ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def _words(named: Mapping[str, object]) -> list[str]:
    found = []
    for name, value in named.items():
        for one in value if isinstance(value, (list, tuple)) else (value,):
            found.append(f"--{name}={one}")
    return found


def _stage_table(stages: Mapping[int, Answer]) -> Table:
    columns = [("stage", "")]
    for n in stages:
        columns += [(f"{_count(n, 'thread')}, cold ms", ".0f"), (f"{_count(n, 'thread')}, warm ms", ".1f")]
    by_stage: dict[str, list[Cell]] = {}
    for position, answer in enumerate(stages.values()):
        for name, cold, warm in [*stage_rows(answer["photos"])]:
            row = by_stage.setdefault(name, [None] * (2 * len(stages)))
            row[2 * position : 2 * position + 2] = [cold, warm]
    ready: list[Cell] = [cell for answer in stages.values() for cell in (1000 * answer["ready"], None)]
    rows = [("start: imports, loading", *ready), *((name, *cells) for name, cells in by_stage.items())]
    some = next(iter(stages.values()))
    return Table(
        "Speed of each stage",
        columns,
        rows,
        [
            f"cold: first photo of a fresh process; warm: median of the {len(some['photos']) - 1} photos after it.",
            "Kernels that numba compiles are cached on disk by earlier runs; the very first run ever compiles them.",
        ],
    )


def _curve_table(stages: Mapping[int, Answer]) -> Table:
    rows = [(_count(n, "thread"), *row) for n, answer in stages.items() for row in curve(answer["photos"])]
    return Table(
        "Speed and memory over the number of photos, from the start of the process",
        (("threads", ""), ("photos", "d"), ("seconds", ".2f"), ("photos/s", ".2f"), ("peak MiB", ".0f")),
        rows,
    )


def _network_table(stages: Mapping[int, Answer]) -> Table:
    rows: list[Sequence[Cell]] = []
    batches = [1]
    for n, answer in stages.items():
        for network in answer["networks"]:
            batches = sorted(int(key) for key in network if key.isdigit())
            cells = [network[str(b)] for b in batches]
            rows.append((network["network"], _crop(*network["size"]), _count(n, "thread"), *cells))
    columns = [("network", ""), ("crop", ""), ("threads", "")]
    columns += [(f"ms per crop, batch {b}", ".2f") for b in batches]
    return Table("Networks alone", columns, rows, ["median of 5 runs after one that is not counted"])


def _system_table(systems: Mapping[str, Answer], group: str) -> Table:
    rows = [
        (name, group, _median(answer["samples"]), len(answer["samples"])) for name, answer in systems.items()
    ]
    columns = (("system", ""), ("threads", ""), ("warm ms per photo", ".1f"), ("photos", "d"))
    return Table("Systems: shape from pixels, nothing written", columns, rows)


def _system_metrics(systems: Mapping[str, Answer], group: str, total: int) -> list[Metric]:
    what = "shape from a photo, warm"
    return [
        Metric(what, name, group, _median(answer["samples"]), "ms", count=len(answer["samples"]), total=total)
        for name, answer in systems.items()
    ]


def _stage_metrics(stages: Mapping[int, Answer], total: int) -> list[Metric]:
    found = []
    for n, answer in stages.items():
        group, photos = _count(n, "thread"), answer["photos"]
        there = len(photos)
        for name, cold, warm in stage_rows(photos):
            found.append(Metric(f"{name}, cold", "wholeface", group, cold, "ms", count=1, total=1))
            found.append(Metric(f"{name}, warm", "wholeface", group, warm, "ms", count=there, total=total))
        for k, seconds, speed, peak in curve(photos):
            what = _count(k, "photo")
            found.append(Metric(f"{what} from the start", "wholeface", group, seconds, "s", count=k, total=k))
            found.append(
                Metric(f"speed, {what}", "wholeface", group, speed, "photos/s", "higher", count=k, total=k)
            )
            found.append(Metric(f"peak memory, {what}", "wholeface", group, peak, "MiB", count=k, total=k))
    return found


def _images(stages: Mapping[int, Answer]) -> dict[str, Any]:
    from ...report.plots import lines_plot

    lines = {}
    for n, answer in stages.items():
        points = curve(answer["photos"])
        lines[_count(n, "thread")] = ([p[0] for p in points], [p[2] for p in points], None)
    try:
        return {"scaling": lines_plot(lines, "photos", "photos per second, loading included", "Scaling")}
    except UsageError:
        return {}


def _median(samples: Sequence[float]) -> float:
    return statistics.median(samples) if samples else float("nan")


def _crop(width: int, height: int) -> str:
    return f"{width}²" if width == height else f"{width}×{height}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", default="1,2", metavar="LIST", help="numbers between commas (default: 1,2)"
    )
    parser.add_argument(
        "--detector",
        choices=("auto", "wholeface", "mediapipe"),
        default="auto",
        help="front end (default: auto); wholeface times detection and landmarks apart",
    )


PROTOCOL = Protocol(
    name="scaling",
    title="Speed and memory",
    summary="speed and memory of each stage: cold, warm, 1 and 32 photos, 1 and 2 threads",
    source="",
    run=run,
    add_arguments=_add_arguments,
)
