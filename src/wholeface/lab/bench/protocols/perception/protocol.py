"""Detection, landmarks, fitted shape, parsing and occluder masks, beside mediapipe: ``wholeface bench perception``.

Images are of four kinds: synthetic faces of subjects who are never trained on, clean or behind occluders that are
never trained on; held-out public-domain portraits, behind the same occluders; the annotated photos of occluded faces;
and images without faces. Without the source material the synthetic parts still run, and the tables say what was
left out. Everything is drawn from fixed seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from .....core.errors import UsageError
from ...protocol import Metric, Protocol, Report, RunOptions
from ...report.table import Table
from ...sets.occluded_faces import words
from .context import Context
from .sheet import refuse_docs, write_sheet
from .systems import load_systems

__all__ = ["PARTS", "PROTOCOL", "run", "table_metrics"]

PARTS = ("detector", "landmarks", "shape", "parsing", "eyewear", "speed")


def run(
    options: RunOptions,
    *,
    weights: Path | None = None,
    sheet: Path | None = None,
    only: Sequence[str] | None = None,
    no_teacher: bool = False,
) -> Report:
    """See the module's docstring; writes the contact sheet if asked.

    Args:
        options: ``data`` is the folder of the source material; ``count``: images per set (50, or 4 where it should
            be quick).
        weights: folder of weight files or of training runs; None takes the shipped weights.
        sheet: also write a contact sheet of the real photos there (not into the documentation).
        only: parts to run, of :data:`PARTS`; None = all.
        no_teacher: leave mediapipe out.

    Raises:
        UsageError: an option is out of range, or there is nothing to measure.
    """
    only = PARTS if only is None else only
    count = (4 if options.quick else 50) if options.count is None else options.count
    unknown = sorted(set(only) - set(PARTS))
    if unknown:
        raise UsageError(f"--only {','.join(unknown)}: choose from {', '.join(PARTS)}")
    if count < 4:
        raise UsageError(f"--count {count}: at least 4")
    if sheet is not None:
        refuse_docs(sheet)
    systems = load_systems(weights, teacher=not no_teacher)
    notes = list(systems.notes)
    if options.data is None:
        notes.append("without the source material (--data): only synthetic faces")
    context = Context(systems, options.data, count, options.seed, options.occluded_split)
    tables: list[Table] = []
    for part in PARTS:
        if part in only:
            tables += _tables(part, context, teacher=systems.teacher is not None)
    if sheet is not None:
        write_sheet(context, sheet)
    about = [
        (name, str(what["version"]), str(what["sha256"])[:16]) for name, what in systems.weights.about.items()
    ]
    columns = (("weights", ""), ("version", ""), ("SHA-256", ""))
    return Report(
        [Table("What was measured", columns, about, notes), *tables],
        [metric for table in tables for metric in table_metrics(table)],
        settings={"count": count, "parts": list(only), "weights": systems.weights.about, "notes": notes},
    )


def table_metrics(table: Table) -> list[Metric]:
    """Every number of a table as a metric: its column is the name, the row's words are system and group."""
    metrics = []
    heads = [name for name, _ in table.columns]
    for row in table.rows:
        said = {head: cell for head, cell in zip(heads, row, strict=True) if isinstance(cell, str)}
        system = said.pop("system", said.pop("landmarks", said.pop("mask", "wholeface")))
        for head, cell in zip(heads, row, strict=True):
            if isinstance(cell, (int, float)):
                group = ", ".join(said.values()) or "all"
                metrics.append(Metric(f"{table.title}: {head}", system, group, float(cell), "1", "none"))
    return metrics


def _tables(part: str, context: Context, *, teacher: bool) -> list[Table]:
    """Each part imports what it needs."""
    if part == "detector":
        from .detector import detector_tables

        return detector_tables(context)
    if part == "landmarks":
        from .landmarks import landmark_tables

        return landmark_tables(context)
    if part == "shape":
        from .shape import shape_tables

        return shape_tables(context)
    if part == "parsing":
        from .parsing import parsing_tables

        return parsing_tables(context)
    if part == "eyewear":
        from .eyewear import eyewear_tables

        return eyewear_tables(context)
    from .speed import speed_tables

    return speed_tables(context.systems.weights.folder, teacher=teacher)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help="weight files or training runs (default: the shipped weights)",
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE", help="also write a contact sheet of the annotated photos"
    )
    parser.add_argument(
        "--only", type=words, metavar="PARTS", help=f"some of {','.join(PARTS)} (default: all)"
    )
    parser.add_argument("--no-teacher", action="store_true", help="leave mediapipe out")


PROTOCOL = Protocol(
    name="perception",
    title="Perception: our networks beside mediapipe",
    summary="detector, landmarks, fitted shape, parsing, masks and speed of the networks, beside mediapipe",
    source="",
    run=run,
    add_arguments=_add_arguments,
    material=".",
)
