"""Asked and measured, side by side."""

from __future__ import annotations

import pytest

from wholeface.bench._perception_targets import TARGETS, Target, target_table
from wholeface.bench.table import Table

_COLUMNS = (("system", ""), ("points", ""), ("error", ".2f"))
ERRORS = Table(
    "Errors of all", _COLUMNS, [("ours", "68", 2.0), ("mediapipe", "68", 3.0), ("ours", "478", None)]
)
SHARES = Table(
    "Shares", (("mask", ""), ("share", ".2f")), [("both", 0.8), ("alone, torch", 0.7), ("alone, onnx", 0.75)]
)


def result(*targets: Target) -> list[tuple[object, ...]]:
    table = target_table([ERRORS, SHARES], targets)
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
