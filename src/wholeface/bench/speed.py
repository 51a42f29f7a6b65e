"""Time and memory of each room, end to end: ``wholeface bench speed``.

The first photo is measured as users meet it: a fresh process from its start to its exit, imports, loading
and writing included. The warm rows come from one process that reconstructs the same photos again and again.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ._covered_faces import photo_files
from .protocol import Metric, Protocol, Report, RunOptions
from .table import Table

__all__ = ["PROTOCOL", "SpeedRow", "example_photos", "measure_first", "measure_warm", "run"]


@dataclass(frozen=True)
class SpeedRow:
    """Milliseconds of one step over several runs."""

    photo: str
    step: str
    runs: int
    min_ms: float
    median_ms: float
    max_ms: float

    @staticmethod
    def of(photo: str, step: str, samples: Sequence[float]) -> SpeedRow:
        """Row from raw samples in milliseconds."""
        return SpeedRow(photo, step, len(samples), min(samples), statistics.median(samples), max(samples))


def example_photos() -> list[Path]:
    """Pictures that installed packages ship (matplotlib: Grace Hopper); else an error says what to do."""
    try:
        from matplotlib import cbook

        return [Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))]
    except ImportError:
        raise UsageError("no example photo is installed: name one, or `pip install matplotlib`") from None


def measure_first(photo: Path) -> tuple[float, float]:
    """Seconds and peak MiB of a fresh ``wholeface reconstruct`` process, from its start to its exit."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "wholeface.app.cli", "reconstruct", str(photo), "-o", out]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise UsageError(f"{photo}: the command failed: {done.stderr.strip()}")
    # ru_maxrss is in KiB on Linux and in bytes on macOS.
    unit = 1 / 1024 if sys.platform != "darwin" else 1 / 1024**2
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit


def measure_warm(photo: Path, repeat: int) -> list[SpeedRow]:
    """Rows per room, for writing and for the sum, after one run that is not counted."""
    from ..reconstructor import Reconstructor

    reconstructor = Reconstructor()
    samples: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as out:
        for turn in range(repeat + 1):
            start = time.perf_counter()
            head = reconstructor(photo)
            fitted = time.perf_counter()
            head.save(out)
            end = time.perf_counter()
            if turn == 0:
                continue
            steps = dict(head.timings_ms)
            steps["reconstruct (sum)"] = 1000 * (fitted - start)
            steps["save"] = 1000 * (end - fitted)
            steps["end to end"] = 1000 * (end - start)
            for name, milliseconds in steps.items():
                samples.setdefault(name, []).append(milliseconds)
    return [SpeedRow.of(photo.name, name, values) for name, values in samples.items()]


def run(options: RunOptions, *, photos: Sequence[Path] = (), repeat: int | None = None) -> Report:
    """See the module's docstring.

    Args:
        options: ``data`` is a folder of photos; ``count``: of them at most.
        photos: to time; none of these and no folder: example pictures of installed packages.
        repeat: warm runs; None takes 5, or 1 where it should be quick.

    Raises:
        UsageError: ``repeat`` is below 1, or there are no photos.
    """
    repeat = (1 if options.quick else 5) if repeat is None else repeat
    if repeat < 1:
        raise UsageError(f"--repeat {repeat}: at least 1")
    paths = list(photos) or (
        example_photos() if options.data is None else photo_files(options.data, options.count)
    )
    tables: list[Table] = []
    metrics: list[Metric] = []
    for path in paths:
        seconds, mebibytes = measure_first(path)
        rows = measure_warm(path, repeat)
        metrics += [
            Metric(
                "end to end, warm, median", "wholeface", path.name, rows[-1].median_ms, "ms", count=repeat
            ),
            Metric("first photo in a fresh process", "wholeface", path.name, seconds, "s", count=1),
            Metric("peak memory", "wholeface", path.name, mebibytes, "MiB", count=1),
        ]
        metrics += [
            Metric(f"{row.step}, median", "wholeface", path.name, row.median_ms, "ms", count=row.runs)
            for row in rows[:-1]
        ]
        tables.append(
            Table(
                f"{path.name}: first photo in a fresh process {seconds:.2f} s, peak memory {mebibytes:.0f} MiB",
                (("room", ""), ("min ms", ".1f"), ("median", ".1f"), ("max", ".1f")),
                [(row.step, row.min_ms, row.median_ms, row.max_ms) for row in rows],
                [f"{repeat} warm runs"],
            )
        )
    return Report(tables, metrics, settings={"photos": [path.name for path in paths], "repeat": repeat})


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photos",
        nargs="*",
        type=Path,
        help="photos to time (default: example pictures of installed packages)",
    )
    parser.add_argument("--repeat", type=int, help="runs after the first (default: 5)")


PROTOCOL = Protocol(
    name="speed",
    title="Speed and memory, end to end",
    summary="time and memory of each room, end to end, on this machine",
    source="",
    run=run,
    add_arguments=_add_arguments,
)
