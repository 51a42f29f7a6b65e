"""Tables as text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Cell", "Table"]

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """One table of measurements.

    Args:
        title: what is measured.
        columns: heading and format of each column; the format is one of Python's, e.g. ``.1%``, or empty for text.
        rows: one tuple per row; None is shown as ``-``.
        notes: how to read it, printed below.
    """

    title: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()

    def text(self) -> str:
        """The table for people, texts to the left and numbers to the right."""
        shown = [
            [_shown(cell, f) for cell, (_, f) in zip(row, self.columns, strict=True)] for row in self.rows
        ]
        heads = [name for name, _ in self.columns]
        widths = [max(len(row[i]) for row in [heads, *shown]) for i in range(len(heads))]

        def line(cells: Sequence[str]) -> str:
            return "  ".join(
                cell.rjust(width) if f else cell.ljust(width)
                for cell, width, (_, f) in zip(cells, widths, self.columns)
            ).rstrip()

        return "\n".join([self.title, line(heads), *(line(row) for row in shown), *self.notes])

    def record(self) -> dict[str, object]:
        """The table for JSON: each row a mapping from heading to value."""
        heads = [name for name, _ in self.columns]
        return {
            "title": self.title,
            "rows": [dict(zip(heads, map(_plain, row), strict=True)) for row in self.rows],
            "notes": list(self.notes),
        }


def _shown(cell: Cell, form: str) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "-"
    return cell if isinstance(cell, str) else format(cell, form)


def _plain(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
