"""What a run writes down: CSV tables with exactly the numbers that were computed, images, TensorBoard."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import TrainingError

__all__ = ["RunLog", "Table"]


class Table:
    """A CSV file with a row per step; numbers are written so that reading gives the same bits.

    Args:
        path: the file; is continued where it exists.
        keep: rows with a larger ``step`` are dropped (they were written after the checkpoint that a run resumes).
        widen: rows may bring new columns, in which the rows before have nothing.
    """

    def __init__(self, path: Path, keep: int, *, widen: bool = False) -> None:
        self.path = path
        self.widen = widen
        self.columns: list[str] | None = None
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))
            # A row that a dying process left unfinished has no step or too few values.
            kept = [r for r in rows[1:] if len(r) == len(rows[0]) and r[0].isdigit() and int(r[0]) <= keep]
            if kept:
                self.columns = rows[0]
            self._replace([rows[0], *kept] if kept else [])
        else:
            self._file = path.open("a", newline="", encoding="utf-8")

    def add(self, row: Mapping[str, float]) -> None:
        """Append a row.

        Raises:
            TrainingError: the row has other columns than the first one.
        """
        writer = csv.writer(self._file, lineterminator="\n")
        if self.columns is None:
            self.columns = list(row)
            writer.writerow(self.columns)
        if self.widen and (new := [name for name in row if name not in self.columns]):
            self._add_columns(new)
            writer = csv.writer(self._file, lineterminator="\n")
        if not self.widen and set(row) != set(self.columns):
            raise TrainingError(
                f"{self.path.name}: a row with {', '.join(row)} after rows with {', '.join(self.columns)}; "
                "a recipe must always return the same names"
            )
        writer.writerow([repr(row[name]) if name in row else "" for name in self.columns])
        self._file.flush()

    def _add_columns(self, names: list[str]) -> None:
        assert self.columns is not None
        self._file.close()
        with self.path.open(newline="", encoding="utf-8") as file:
            rows = [row + [""] * len(names) for row in csv.reader(file)]
        self.columns = [*self.columns, *names]
        self._replace([self.columns, *rows[1:]])

    def _replace(self, rows: list[list[str]]) -> None:
        """Write these rows in place of the file, and go on after them."""
        partial = self.path.with_name(self.path.name + ".part")
        with partial.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        os.replace(partial, self.path)
        self._file = self.path.open("a", newline="", encoding="utf-8")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class RunLog:
    """``train.csv``, ``validation.csv``, ``pictures/`` and, where it is installed, TensorBoard's files.

    Args:
        folder: of the run.
        step: from which it goes on; rows of later steps are dropped.
        widen: losses may get new names on the way (those of a later phase).
    """

    def __init__(self, folder: Path, step: int, *, widen: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.train = Table(folder / "train.csv", keep=step, widen=widen)
        self.validation = Table(folder / "validation.csv", keep=step)
        self._board = _tensorboard(folder, step)

    def add_train(self, row: Mapping[str, float]) -> None:
        """Losses of one step."""
        self.train.add(row)
        self._scalars("train", row)

    def add_validation(self, row: Mapping[str, float], image: NDArray[np.uint8] | None) -> None:
        """Scores after a step, and an image."""
        self.validation.add(row)
        self._scalars("validation", row)
        if image is None:
            return
        from PIL import Image

        target = self.folder / "pictures" / f"step_{int(row['step']):07d}.png"
        target.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(target)
        if self._board is not None:
            self._board.add_image("validation", image, int(row["step"]), dataformats="HWC")

    def close(self) -> None:
        """Close all files."""
        self.train.close()
        self.validation.close()
        if self._board is not None:
            self._board.close()

    def _scalars(self, group: str, row: Mapping[str, float]) -> None:
        if self._board is not None:
            for name, value in row.items():
                if name != "step":
                    self._board.add_scalar(f"{group}/{name}", value, int(row["step"]))


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except Exception:  # not installed, or installed beside a protobuf that it cannot use
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
