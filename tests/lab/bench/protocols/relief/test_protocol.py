"""The protocol in miniature, on faces that it draws itself."""

from __future__ import annotations

import math

import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.bench.protocol import RunOptions, load_protocol
from wholeface.lab.bench.protocols.relief.systems import FOUNDATION, SHADING


def test_everything_is_measured_without_source_material() -> None:
    report = load_protocol("relief").run(RunOptions(quick=True, count=1, seed=1, split="validation"))
    titles = [table.title for table in report.tables]
    assert titles[:3] == [
        "Relief in visible skin",
        "Relief in visible skin, by light",
        "Relief behind occluders",
    ]
    assert titles[-1] == "Cost of relief"
    rows = {(row[0], row[2]): row for row in report.tables[0].rows}
    assert {(group, name) for group in ("all", "model albedo") for name in (FOUNDATION, SHADING)} <= set(rows)
    assert rows["all", FOUNDATION][3] == 0  # correlation of nothing
    assert rows["all", FOUNDATION][9] == 0  # recall of grooves
    assert 0 < float(rows["all", SHADING][6] or math.nan) < 20
    first = report.metrics[0]
    assert (first.name, first.group) == ("correlation of relief, visible skin", "all")
    assert report.settings["albedos"] == ["model albedo"]
    assert "Verification by relief alone" in titles


def test_the_sheet_needs_photos() -> None:
    with pytest.raises(UsageError, match="--data"):
        load_protocol("relief").run(RunOptions(), sheet=True)
