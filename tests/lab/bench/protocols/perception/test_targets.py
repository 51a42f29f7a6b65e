"""Asked and measured, side by side."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from wholeface.lab.bench.report.table import Table

_FILE = Path(__file__).with_name("perception_targets.py")
_SPEC = importlib.util.spec_from_file_location("perception_targets", _FILE)
assert _SPEC is not None
assert _SPEC.loader is not None
targets = importlib.util.module_from_spec(_SPEC)
sys.modules["perception_targets"] = targets  # dataclasses look their module up
_SPEC.loader.exec_module(targets)
TARGETS, Target, target_table = targets.TARGETS, targets.Target, targets.target_table

_COLUMNS = (("system", ""), ("points", ""), ("error", ".2f"))
ERRORS = Table(
    "Errors of all", _COLUMNS, [("ours", "68", 2.0), ("mediapipe", "68", 3.0), ("ours", "478", None)]
)
SHARES = Table(
    "Shares", (("mask", ""), ("share", ".2f")), [("both", 0.8), ("alone, torch", 0.7), ("alone, onnx", 0.75)]
)


def result(*asked) -> list[tuple[object, ...]]:
    table = target_table([ERRORS, SHARES], asked)
    return [] if table is None else [tuple(row) for row in table.rows]


def test_bounds_on_either_side() -> None:
    row = {"system": "ours", "points": "68"}
    assert result(Target("a", "Errors", row, "error", most=2.0)) == [("a", "<= 2", "2.000", "yes")]
    assert result(Target("a", "Errors", row, "error", most=1.9)) == [("a", "<= 1.9", "2.000", "no")]
    both = {"mask": "both"}
    assert result(Target("b", "Shares", both, "share", least=0.8)) == [("b", ">= 0.8", "0.800", "yes")]
    assert result(Target("b", "Shares", both, "share", least=0.81))[0][-1] == "no"


def test_rivals_must_be_beaten() -> None:
    ours, theirs = {"system": "ours", "points": "68"}, {"system": "mediapipe"}
    won = result(Target("a", "Errors", ours, "error", rival=theirs))
    assert won == [("a", "< 3.000 (mediapipe)", "2.000", "yes")]
    assert result(Target("a", "Errors", theirs, "error", rival=ours))[0][-1] == "no"
    # The better one of the two rivals counts, and a draw is no win.
    shares = Target("b", "Shares", {"mask": "both"}, "share", least=0.7, rival={"mask": "alone"})
    assert result(shares) == [("b", ">= 0.7 and > 0.750 (alone)", "0.800", "yes")]
    assert (
        result(Target("b", "Shares", {"mask": "alone"}, "share", least=0.7, rival={"mask": "alone"}))[0][-1]
        == "no"
    )


def test_what_was_not_measured_is_left_out() -> None:
    assert result(Target("a", "Errors", {"system": "ours", "points": "478"}, "error", most=2.0)) == []
    assert result(Target("a", "Nothing", {}, "error", most=2.0)) == []
    assert target_table([]) is None


def test_every_target_has_something_to_compare_with() -> None:
    for target in TARGETS:
        assert target.most is not None or target.least is not None or target.rival
    assert len({target.what for target in TARGETS}) == len(TARGETS) == 15


def test_a_misspelt_column_is_an_error() -> None:
    with pytest.raises(ValueError, match="eror"):
        result(Target("a", "Errors", {"system": "ours"}, "eror", most=1.0))


def test_of_several_rows_the_worst_must_meet_it() -> None:
    alone = Target("b", "Shares", {"mask": "alone"}, "share", least=0.72)
    assert result(alone) == [("b", ">= 0.72", "0.700", "no")]
    errors = Target("a", "Errors", {"points": "68"}, "error", most=2.5)
    assert result(errors) == [("a", "<= 2.5", "3.000", "no")]


def test_a_record_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = {
        "title": "Parsing: occluder mask on held-out",
        "rows": [{"faces": "synthetic", "visible F1": 0.96}],
    }
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"tables": [table]}))
    assert targets.main(file) == 0
    table["rows"] = [{"faces": "synthetic", "visible F1": 0.94}]
    file.write_text(json.dumps({"tables": [table]}))
    assert targets.main(file) == 1
    assert "0.940" in capsys.readouterr().out


def test_the_package_names_no_targets() -> None:
    package = Path(__file__).resolve().parents[5] / "src" / "wholeface" / "bench"
    said = [file.name for file in sorted(package.rglob("*.py")) for word in ("asked of ours", '"asked', "Target(")
            if word in file.read_text()]  # fmt: skip
    assert said == []
