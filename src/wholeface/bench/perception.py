"""Detection, landmarks, fitted shape, parsing and occluder masks, beside mediapipe: ``wholeface bench perception``.

Pictures are of four kinds: synthetic faces of people who are never trained on, clean or behind occluders that are
never trained on; held-out public-domain portraits, behind the same occluders; the annotated photos of covered faces;
and pictures without faces. Without the source material the synthetic parts still run, and the tables say what was
left out. Everything is drawn from fixed seeds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from ._machine import machine_line
from ._perception_context import Context
from ._perception_sheet import refuse_docs, write_sheet
from ._perception_systems import load_systems
from ._perception_targets import target_table
from .provenance import commit
from .table import Table

__all__ = ["PARTS", "run"]

PARTS = ("detector", "landmarks", "shape", "parsing", "speed")


def run(
    *,
    count: int = 50,
    data: Path | None = None,
    weights: Path | None = None,
    json_file: Path | None = None,
    sheet: Path | None = None,
    only: Sequence[str] = PARTS,
    teacher: bool = True,
    seed: int = 0,
) -> int:
    """Measure, print the tables, write JSON and the contact sheet if asked; returns the exit code.

    Args:
        count: pictures per set.
        data: folder of the source material, or None.
        weights: folder of weight files or of training runs; None takes the shipped weights.
        json_file: also write the tables there.
        sheet: also write a contact sheet of the real photos there (not into the documentation).
        only: parts to run, of :data:`PARTS`.
        teacher: also measure mediapipe.
        seed: of the pictures.

    Raises:
        UsageError: an option is out of range, or there is nothing to measure.
    """
    unknown = sorted(set(only) - set(PARTS))
    if unknown:
        raise UsageError(f"--only {','.join(unknown)}: choose from {', '.join(PARTS)}")
    if count < 4:
        raise UsageError(f"--count {count}: at least 4")
    if data is not None and not data.is_dir():
        raise UsageError(f"--data {data}: no such folder")
    if sheet is not None:
        refuse_docs(sheet)
    systems = load_systems(weights, teacher=teacher)
    header = [machine_line(), f"commit {commit() or 'unknown'}, {count} pictures per set, seed {seed}"]
    header += [
        f"{name}: {about['version']}, SHA-256 {about['sha256'][:16]}"
        for name, about in systems.weights.about.items()
    ]
    header += systems.notes
    if data is None:
        header.append("without the source material (--data): only synthetic faces")
    print("\n".join(header), flush=True)
    context = Context(systems, data, count, seed)
    tables: list[Table] = []
    seconds: dict[str, float] = {}
    for part in PARTS:
        if part in only:
            start = time.perf_counter()
            for table in _tables(part, context, teacher=systems.teacher is not None):
                print(f"\n{table.text()}", flush=True)
                tables.append(table)
            seconds[part] = round(time.perf_counter() - start, 1)
    summary = target_table(tables)
    if summary is not None:
        print(f"\n{summary.text()}", flush=True)
        tables.append(summary)
    if sheet is not None:
        write_sheet(context, sheet)
    if json_file is not None:
        record = {
            "machine": machine_line(),
            "commit": commit(),
            "weights": systems.weights.about,
            "count": count,
            "seed": seed,
            "notes": list(systems.notes),
            "seconds": seconds,
            "tables": [table.record() for table in tables],
        }
        json_file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(
        f"\n{sum(seconds.values()):.0f} s: {', '.join(f'{k} {v:.0f}' for k, v in seconds.items())}",
        file=sys.stderr,
    )
    return 0


def _tables(part: str, context: Context, *, teacher: bool) -> list[Table]:
    """Each part imports what it needs."""
    if part == "detector":
        from ._perception_detector import detector_tables

        return detector_tables(context)
    if part == "landmarks":
        from ._perception_landmarks import landmark_tables

        return landmark_tables(context)
    if part == "shape":
        from ._perception_shape import shape_tables

        return shape_tables(context)
    if part == "parsing":
        from ._perception_parsing import parsing_tables

        return parsing_tables(context)
    from ._perception_speed import speed_tables

    return speed_tables(context.systems.weights.folder, teacher=teacher)
