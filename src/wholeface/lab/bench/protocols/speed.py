"""Time and memory of each stage, end to end: ``wholeface bench speed``.

The first photo is measured as users meet it: a fresh process from its start to its exit, imports, loading
and writing included. The warm rows come from one process that reconstructs the same photos again and again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....core.errors import UsageError
from ..protocol import Metric, Protocol, Report, RunOptions
from ..report.table import Table
from ..sets.occluded_faces import photo_files

__all__ = [
    "PROTOCOL",
    "SpeedRow",
    "enlarged_photo",
    "example_photos",
    "measure_batch",
    "measure_first",
    "measure_import",
    "measure_large",
    "measure_warm",
    "run",
]

_MEGAPIXELS = (12.0, 48.0, 108.0)
_BATCH = 32


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
    """Images that installed packages ship (matplotlib: Grace Hopper); else an error says what to do."""
    try:
        from matplotlib import cbook

        return [Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))]
    except ImportError:
        raise UsageError("no example photo is installed: name one, or `pip install matplotlib`") from None


def _child(command: Sequence[str], what: str) -> tuple[float, float]:
    """Seconds and peak MiB of a fresh Python process, from its start to its exit."""
    # A process of its own between us and the child: the system then accounts for that child alone.
    script = (
        "import json, resource, subprocess, sys, time; start = time.perf_counter(); "
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True); "
        "print(json.dumps([time.perf_counter() - start, "
        "resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.returncode, done.stderr[-2000:]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, sys.executable, *command], capture_output=True, text=True, check=True
    )
    seconds, peak, code, errors = json.loads(done.stdout)
    if code != 0:
        raise UsageError(f"{what}: the command failed: {errors.strip()}")
    # ru_maxrss is in KiB on Linux and in bytes on macOS.
    return float(seconds), float(peak) * (1 / 1024 if sys.platform != "darwin" else 1 / 1024**2)


def measure_first(photo: Path) -> tuple[float, float]:
    """Seconds and peak MiB of a fresh ``wholeface reconstruct`` process, from its start to its exit."""
    with tempfile.TemporaryDirectory() as out:
        command = ["-m", "wholeface.app.cli", "reconstruct", str(photo), "-o", out]
        return _child(command, str(photo))


def measure_import() -> tuple[float, float]:
    """Seconds and peak MiB of a fresh process that imports what a reconstruction needs, and ends."""
    return _child(["-c", "import wholeface.methods.analysis, wholeface.result.reconstruction"], "import")


def enlarged_photo(photo: Path, megapixels: float, folder: Path) -> Path:
    """The photo as a JPEG of so many megapixels: how long a camera's photo takes, not how it looks."""
    from PIL import Image

    with Image.open(photo) as image:
        scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
        size = round(image.width * scale), round(image.height * scale)
        path = folder / f"{megapixels:g}mp.jpg"
        image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(path, quality=88)
    return path


def measure_large(photo: Path, megapixels: float, repeat: int) -> tuple[list[float], float]:
    """Warm seconds of an enlarged photo, saved, one after the other, and the peak MiB of their process."""
    script = (
        "import json, resource, sys, tempfile, time\n"
        "from wholeface import Reconstructor\n"
        "reconstructor, found = Reconstructor(), []\n"
        "reconstructor(sys.argv[1])\n"
        "with tempfile.TemporaryDirectory() as out:\n"
        "    for _ in range(int(sys.argv[3])):\n"
        "        start = time.perf_counter()\n"
        "        reconstructor(sys.argv[2]).save(out + '/face')\n"
        "        found.append(time.perf_counter() - start)\n"
        "print(json.dumps([found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        large = enlarged_photo(photo, megapixels, Path(folder))
        done = subprocess.run(
            [sys.executable, "-c", script, str(photo), str(large), str(repeat)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise UsageError(f"{megapixels:g} megapixels: {done.stderr.strip()[-500:]}")
    seconds, peak = json.loads(done.stdout)
    return seconds, float(peak) * (1 / 1024 if sys.platform != "darwin" else 1 / 1024**2)


def measure_batch(photo: Path, count: int) -> float:
    """Photos a second over ``count`` photos in one process, warm, each saved."""
    from ....reconstructor import Reconstructor

    reconstructor = Reconstructor()
    with tempfile.TemporaryDirectory() as out:
        reconstructor(photo).save(Path(out) / "first")
        start = time.perf_counter()
        for number, heads in enumerate(reconstructor.batch([photo] * count)):
            if isinstance(heads, Exception):
                raise heads
            heads[0].save(Path(out) / str(number))
        return count / (time.perf_counter() - start)


def measure_warm(photo: Path, repeat: int) -> list[SpeedRow]:
    """Rows per stage, for writing and for the sum, after one run that is not counted."""
    from ....reconstructor import Reconstructor

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


def run(
    options: RunOptions, *, photos: Sequence[Path] = (), repeat: int | None = None, short: bool = False
) -> Report:
    """See the module's docstring.

    Args:
        options: ``data`` is a folder of photos; ``count``: of them at most. ``quick`` is short too.
        photos: to time; none of these and no folder: example images of installed packages.
        repeat: warm runs; None takes 5, or 1 where it should be quick.
        short: without the batch of 32 photos and those of 12, 48 and 108 megapixels.

    Raises:
        UsageError: ``repeat`` is below 1, or there are no photos.
    """
    repeat = (1 if options.quick else 5) if repeat is None else repeat
    if repeat < 1:
        raise UsageError(f"--repeat {repeat}: at least 1")
    paths = list(photos) or (
        example_photos() if options.data is None else photo_files(options.data, options.count)
    )
    whole = _import_row(repeat)
    if not (short or options.quick):
        whole += _large_rows(paths[0], repeat)
    tables: list[Table] = [
        Table(
            "Whole runs",
            (("what", ""), ("best", ".2f"), ("unit", ""), ("peak MiB", ".0f"), ("runs", "")),
            [(row.name, row.best, row.unit, row.peak_mib, row.runs) for row in whole],
            ["the first photo of a fresh process stands above the table of each photo"],
        )
    ]
    metrics = [
        Metric(row.name, "wholeface", paths[0].name, row.best, row.unit, count=row.runs) for row in whole
    ]
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
                (("stage", ""), ("min ms", ".1f"), ("median", ".1f"), ("max", ".1f")),
                [(row.step, row.min_ms, row.median_ms, row.max_ms) for row in rows],
                [f"{repeat} warm runs"],
            )
        )
    return Report(tables, metrics, settings={"photos": [path.name for path in paths], "repeat": repeat})


@dataclass(frozen=True)
class WholeRun:
    """The best of several whole runs: seconds, or photos a second."""

    name: str
    best: float
    unit: str
    peak_mib: float | None
    runs: int


def _import_row(repeat: int) -> list[WholeRun]:
    runs = [measure_import() for _ in range(repeat)]
    return [
        WholeRun("import alone, fresh process", min(s for s, _ in runs), "s", max(m for _, m in runs), repeat)
    ]


def _large_rows(photo: Path, repeat: int) -> list[WholeRun]:
    rows = [
        WholeRun(f"{_BATCH} photos in one process, saved", measure_batch(photo, _BATCH), "photos/s", None, 1)
    ]
    for megapixels in _MEGAPIXELS:
        seconds, peak = measure_large(photo, megapixels, min(repeat, 3))
        rows.append(
            WholeRun(f"{megapixels:g} megapixels, warm, saved", min(seconds), "s", peak, len(seconds))
        )
    return rows


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photos",
        nargs="*",
        type=Path,
        help="photos to time (default: example images of installed packages)",
    )
    parser.add_argument("--repeat", type=int, help="runs after the first (default: 5)")
    parser.add_argument(
        "--short",
        action="store_true",
        help="without the batch of 32 photos and those of 12 to 108 megapixels",
    )


PROTOCOL = Protocol(
    name="speed",
    title="Speed and memory, end to end",
    summary="time and memory of each stage, end to end, on this machine",
    source="",
    run=run,
    add_arguments=_add_arguments,
)
