"""Time of the networks on one core; run by ``python -m``, this module is the measuring process."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .....core.errors import WholeFaceError
from ...report.table import Cell, Table

__all__ = ["main", "one_core", "speed_tables"]

_REPEATS = 30


def speed_tables(weights: Path, *, teacher: bool, photo: Path | None = None) -> list[Table]:
    """Minimum and median times in a process of its own that is bound to one core.

    Args:
        weights: folder that :func:`wholeface.perceive.load_detector` can read.
        teacher: also time mediapipe.
        photo: image of a face; None takes one that matplotlib ships.

    Raises:
        WholeFaceError: the measuring process failed.
    """
    from ..speed import example_photos

    photo = photo or example_photos()[0]
    words = [sys.executable, "-m", "wholeface.lab.bench.protocols.perception.speed", str(photo), str(weights)]
    words += [] if teacher else ["--no-teacher"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise WholeFaceError(f"the measuring process failed: {done.stderr.strip()[-1000:]}")
    rows: list[tuple[Cell, ...]] = []
    for name, step, least, median in json.loads(done.stdout.splitlines()[-1]):
        rows.append((step, name, least, median))
    columns = (("step", ""), ("system", ""), ("min ms", ".1f"), ("median ms", ".1f"))
    notes = [f"{photo.name}, one core, {_REPEATS} runs after two that are not counted."]
    return [Table("Speed on one core", columns, rows, notes)]


@contextlib.contextmanager
def one_core() -> Any:
    """Bind this process, and what it starts from now on, to one of its cores."""
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _time(work: Callable[[], object]) -> tuple[float, float]:
    """Minimum and median milliseconds."""
    samples = []
    for turn in range(_REPEATS + 2):
        start = time.perf_counter()
        work()
        if turn >= 2:
            samples.append(1000 * (time.perf_counter() - start))
    return min(samples), statistics.median(samples)


def main(arguments: Sequence[str] | None = None) -> int:
    """Time everything that is there and print one line of JSON; returns the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photo", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--no-teacher", action="store_true")
    options = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        with one_core():
            rows = _rows(options.photo, options.weights, teacher=not options.no_teacher)
    except WholeFaceError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(rows))
    return 0


def _rows(photo: Path, weights: Path, *, teacher: bool) -> list[tuple[str, str, float, float]]:
    import torch

    from .....networks.backend import BACKENDS
    from .....perceive import FaceLandmarks, MediapipeDetector, has_weights, load_detector, load_parser
    from .....photo import read_photo

    torch.set_num_threads(1)
    pixels = read_photo(photo).pixels
    rows: list[tuple[str, str, float, float]] = []
    faces: tuple[FaceLandmarks, ...] = ()
    both = "detection + landmarks"
    if teacher:
        mediapipe = MediapipeDetector()
        faces = mediapipe.detect(pixels)
        rows.append(("mediapipe", both, *_time(lambda: mediapipe.detect(pixels))))
    for backend in BACKENDS:
        if backend == "onnx" and not _there("onnxruntime"):
            continue
        if has_weights("detector", "landmarks", weights=weights):
            ours = load_detector(backend=backend, weights=weights)
            faces = ours.detect(pixels) or faces
            rows.append((f"ours, {backend}", both, *_time(lambda d=ours: d.detect(pixels))))  # type: ignore[misc]
        if has_weights("parsing", weights=weights) and faces and faces[0].points_478 is not None:
            parser, points = load_parser(backend=backend, weights=weights), faces[0].points_478
            worn, parser.eyewear = parser.eyewear, None
            rows.append(
                (f"ours, {backend}", "parsing", *_time(lambda p=parser, q=points: p.parse(pixels, q)))  # type: ignore[misc]
            )
            if worn is not None:
                rows.append(
                    (f"ours, {backend}", "spectacles", *_time(lambda w=worn, q=points: w.find(pixels, q)))  # type: ignore[misc]
                )
    return sorted(rows, key=lambda row: (row[1], row[0]))


def _there(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


if __name__ == "__main__":
    sys.exit(main())
