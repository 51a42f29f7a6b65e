"""Time and memory of each room, end to end: ``wholeface bench speed``.

The first photo is measured as users meet it: a fresh process from its start to its exit, imports, loading
and writing included. The warm rows come from one process that reconstructs the same photos again and again.
"""

from __future__ import annotations

import json
import resource
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

__all__ = ["SpeedRow", "example_photos", "measure_first", "measure_warm", "run"]


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


def run(photos: Sequence[str], *, repeat: int = 5, json_file: Path | None = None) -> int:
    """Measure, print the table, write JSON if asked; returns the exit code."""
    if repeat < 1:
        raise UsageError(f"--repeat {repeat}: at least 1")
    paths = [Path(p) for p in photos] or example_photos()
    print(machine_line())
    record: dict[str, object] = {"machine": machine_line(), "rows": []}
    rows: list[SpeedRow] = []
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
    record["rows"] = [asdict(row) for row in rows]
    if json_file is not None:
        json_file.write_text(json.dumps(record, indent=1) + "\n")
    return 0
