"""CSV tables."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from wholeface.core.errors import TrainingError
from wholeface.lab.train.engine.log import RunLog, Table


def test_numbers_survive(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.csv", keep=0)
    values = [0.1 + 0.2, 1e-300, -math.pi, 2.0**60]
    for step, value in enumerate(values):
        table.add({"step": step, "loss": value})
    table.close()
    with (tmp_path / "t.csv").open() as file:
        assert [float(row["loss"]) for row in csv.DictReader(file)] == values


def test_rows_after_the_checkpoint_and_half_rows_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("step,loss\n1,0.5\n2,0.25\n3,0.125\n4,0.0")
    path.open("a").write("\n5")
    table = Table(path, keep=2)
    table.add({"loss": 7.0, "step": 3})
    table.close()
    assert path.read_text() == "step,loss\n1,0.5\n2,0.25\n3,7.0\n"


@pytest.mark.parametrize("content", ["", "step,loss\n", "step,loss\n9,1.0\n", "\n"])
def test_nothing_to_keep(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    table = Table(path, keep=2)
    table.add({"step": 3, "other": 1.0})
    table.close()
    assert path.read_text() == "step,other\n3,1.0\n"


def test_other_columns_are_refused(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.csv", keep=0)
    table.add({"step": 1, "loss": 1.0})
    with pytest.raises(TrainingError, match=r"t\.csv: a row with step, points after rows with step, loss"):
        table.add({"step": 2, "points": 1.0})


def test_rows_of_later_phases_bring_new_columns(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.csv", keep=0, widen=True)
    table.add({"step": 1, "a": 0.5})
    table.add({"step": 2, "a": 0.25, "b": 2.0})
    table.close()
    assert (tmp_path / "t.csv").read_text() == "step,a,b\n1,0.5,\n2,0.25,2.0\n"
    table = Table(tmp_path / "t.csv", keep=1, widen=True)
    table.add({"step": 2, "b": 4.0, "a": 0.125})
    table.close()
    assert (tmp_path / "t.csv").read_text() == "step,a,b\n1,0.5,\n2,0.125,4.0\n"


def test_a_folder_is_made(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "a" / "b", 0)
    log.add_validation({"step": 0, "nme": 1.0}, None)
    log.close()
    assert (tmp_path / "a" / "b" / "validation.csv").read_text() == "step,nme\n0,1.0\n"
