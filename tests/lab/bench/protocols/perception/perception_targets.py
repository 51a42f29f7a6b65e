"""What was asked of the networks, and whether a record shows it.

``python tests/lab/bench/protocols/perception/perception_targets.py perception.json`` reads what ``wholeface bench
perception --json`` wrote, prints asked and measured, and exits with 1 where something is not met. The package
itself knows no targets.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wholeface.lab.bench.report.table import Cell, Table

__all__ = ["TARGETS", "Target", "target_table"]


@dataclass(frozen=True)
class Target:
    """One number that was asked for.

    Args:
        what: for people.
        table: start of the table's title.
        row: column -> start of the cell, of the row that counts; the worst one where several fit.
        column: where the number stands.
        most: it may be at most this, or None.
        least: it must be at least this, or None.
        rival: the row (as ``row``) that must be beaten as well, or instead.
        form: of the number.
    """

    what: str
    table: str
    row: Mapping[str, str]
    column: str
    most: float | None = None
    least: float | None = None
    rival: Mapping[str, str] = field(default_factory=dict)
    form: str = ".3f"

    @property
    def smaller_is_better(self) -> bool:
        """As far as one can tell from the bounds; without any, errors are meant."""
        return self.least is None


_FOUND, _FALSE = "Detector: faces found", "Detector: false faces"
_TRUTH, _PORTRAIT = "Landmarks: error against the truth", "Landmarks: error against mediapipe"
_SHAPE, _COMPOSITE, _REAL = "Shape", "Parsing: occluder mask on held-out", "Occluder mask on real photos"
_FRONT = {"system": "ours with landmarks"}
_BOTH, _ALONE = {"mask": "both"}, {"mask": "training-free"}

TARGETS = (
    Target("recall, held-out portraits", _FOUND, {"faces": "held-out", **_FRONT}, "recall", least=0.99),
    Target("recall, real occluded photos", _FOUND, {"faces": "real", **_FRONT}, "recall", least=0.97),
    Target("false faces per 20", _FALSE, {"images without": "all", **_FRONT}, "per 20", most=0.99),
    Target(
        "NME, synthetic, clean, %",
        _TRUTH,
        {"faces": "synthetic, clean", "system": "ours", "points": "668"},
        "mean",
        most=2.5,
    ),
    Target(
        "NME, synthetic, occluded, %",
        _TRUTH,
        {"faces": "synthetic, held", "system": "ours", "points": "668"},
        "mean",
        most=3.5,
    ),
    *(
        Target(
            f"NME, portraits, occluded, {column}, %",
            _PORTRAIT,
            {"faces": "portraits, held", "system": "ours"},
            column,
            rival={"faces": "portraits, held", "system": "mediapipe"},
        )
        for column in ("mean", "median")
    ),
    Target(
        "shape, clean, of the mean face's",
        _SHAPE,
        {"faces": "synthetic, clean", "landmarks": "ours"},
        "ratio",
        most=0.75,
    ),
    Target(
        "shape, occluded, of the mean face's",
        _SHAPE,
        {"faces": "synthetic, held", "landmarks": "ours"},
        "ratio",
        most=0.85,
    ),
    Target("visible F1, synthetic composites", _COMPOSITE, {"faces": "synthetic"}, "visible F1", least=0.95),
    Target("visible F1, portrait composites", _COMPOSITE, {"faces": "portraits"}, "visible F1", least=0.95),
    Target("occluder IoU, real photos", _REAL, _BOTH, "occluder IoU", least=0.70, rival=_ALONE),
    Target("visible F1, real photos", _REAL, _BOTH, "visible F1", least=0.96, rival=_ALONE),
    Target(
        "detection + landmarks, ms",
        "Speed",
        {"step": "detection", "system": "ours"},
        "median ms",
        most=20.0,
        form=".1f",
    ),
    Target("parsing, ms", "Speed", {"step": "parsing", "system": "ours"}, "median ms", most=30.0, form=".1f"),
)


def target_table(tables: Sequence[Table], targets: Sequence[Target] = TARGETS) -> Table | None:
    """Asked and measured side by side; None when no table holds any of the numbers.

    Args:
        tables: of this run.
        targets: what was asked.
    """
    rows: list[tuple[Cell, ...]] = []
    for target in targets:
        table = next((t for t in tables if t.title.startswith(target.table)), None)
        measured = None if table is None else _number(table, target, target.row, worst=True)
        if table is None or measured is None:
            continue
        bounds, met = [], True
        for bound, sign in ((target.most, "<="), (target.least, ">=")):
            if bound is not None:
                bounds.append(f"{sign} {bound:g}")
                met = met and (measured <= bound if sign == "<=" else measured >= bound)
        rival = _number(table, target, target.rival, worst=False) if target.rival else None
        if rival is not None:
            sign = "<" if target.smaller_is_better else ">"
            bounds.append(f"{sign} {rival:{target.form}} ({'/'.join(target.rival.values()).split('/')[-1]})")
            met = met and (measured < rival if target.smaller_is_better else measured > rival)
        if bounds:
            rows.append(
                (target.what, " and ".join(bounds), format(measured, target.form), "yes" if met else "no")
            )
    if not rows:
        return None
    columns = (("of our networks", ""), ("asked", ""), ("measured", "s"), ("met", ""))
    return Table("Asked and measured", columns, rows)


def _number(table: Table, target: Target, row: Mapping[str, str], *, worst: bool) -> float | None:
    """The worst (or best) number among the rows that fit: ours must all meet it, the rivals' best is to be beaten."""
    heads = [name for name, _ in table.columns]
    column = heads.index(target.column)
    found: list[float] = []
    for cells in table.rows:
        by_name = dict(zip(heads, cells, strict=True))
        fits = all(
            str(next((v for n, v in by_name.items() if n.startswith(key)), "")).startswith(start)
            for key, start in row.items()
        )
        cell = cells[column]
        if fits and isinstance(cell, (int, float)) and not math.isnan(cell):
            found.append(float(cell))
    if not found:
        return None
    return max(found) if target.smaller_is_better == worst else min(found)


def main(file: Path) -> int:
    """Print asked and measured of a record; 1 where something is not met or not measured."""
    tables = []
    for record in json.loads(file.read_text())["tables"]:
        heads = list(dict.fromkeys(head for row in record["rows"] for head in row))
        rows = [tuple(row.get(head) for head in heads) for row in record["rows"]]
        tables.append(Table(record["title"], [(head, "") for head in heads], rows))
    found = target_table(tables)
    print("nothing to compare" if found is None else found.text())
    return 0 if found is not None and all(row[-1] == "yes" for row in found.rows) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
