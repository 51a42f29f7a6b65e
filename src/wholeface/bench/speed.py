"""Time and memory of each room, end to end: ``wholeface bench speed``.

The first photo is measured as users meet it: a fresh process from its start to its exit, imports, loading
and writing included. The warm rows come from one process that reconstructs the same photos again and again.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import UsageError
from ._machine import machine_line

__all__ = [
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
    """Pictures that installed packages ship (matplotlib: Grace Hopper); else an error says what to do."""
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
    return _child(["-c", "import wholeface.methods.analysis, wholeface.reconstruction"], "import")


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
    from ..reconstructor import Reconstructor

    reconstructor = Reconstructor()
    with tempfile.TemporaryDirectory() as out:
        reconstructor(photo).save(Path(out) / "first")
        start = time.perf_counter()
        for number in range(count):
            reconstructor(photo).save(Path(out) / str(number))
        return count / (time.perf_counter() - start)


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


def run(photos: Sequence[str], *, repeat: int = 5, json_file: Path | None = None, large: bool = True) -> int:
    """Measure, print the table, write JSON if asked; returns the exit code.

    Args:
        photos: to time; none takes :func:`example_photos`.
        repeat: runs of each row after one that is not counted.
        json_file: also write the rows here.
        large: also time the first photo at 12, 48 and 108 megapixels, and a batch of 32.
    """
    if repeat < 1:
        raise UsageError(f"--repeat {repeat}: at least 1")
    paths = [Path(p) for p in photos] or example_photos()
    print(machine_line())
    record: dict[str, object] = {"machine": machine_line(), "rows": []}
    rows: list[SpeedRow] = []
    imports = [measure_import() for _ in range(repeat)]
    record["import"] = {"seconds": [s for s, _ in imports], "peak_mib": max(m for _, m in imports)}
    print(f"import alone, in a fresh process: {min(s for s, _ in imports):.2f} s at best of {repeat}")
    for path in paths:
        seconds, mebibytes = measure_first(path)
        print(
            f"\n{path.name}: first photo in a fresh process {seconds:.2f} s, peak memory {mebibytes:.0f} MiB"
        )
        record[f"first {path.name}"] = {"seconds": seconds, "peak_mib": mebibytes}
        print(f"{'room':<24}{'min ms':>9}{'median':>9}{'max':>9}   ({repeat} warm runs)")
        for row in measure_warm(path, repeat):
            print(f"{row.step:<24}{row.min_ms:9.1f}{row.median_ms:9.1f}{row.max_ms:9.1f}")
            rows.append(row)
    if large:
        print()
        rate = measure_batch(paths[0], _BATCH)
        print(f"{_BATCH} photos in one process: {rate:.2f} photos/s")
        record["batch"] = {"photos": _BATCH, "photos_per_second": rate}
        for megapixels in _MEGAPIXELS:
            times, mebibytes = measure_large(paths[0], megapixels, min(repeat, 3))
            print(f"{megapixels:g} megapixels: {min(times):.2f} s at best, peak memory {mebibytes:.0f} MiB")
            record[f"{megapixels:g} megapixels"] = {"seconds": times, "peak_mib": mebibytes}
    record["rows"] = [asdict(row) for row in rows]
    if json_file is not None:
        json_file.write_text(json.dumps(record, indent=1) + "\n")
    return 0
