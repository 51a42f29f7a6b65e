"""The protocol on a few composites of the source material: better than nothing, in the right rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.bench.protocol import RunOptions, load_protocol
from wholeface.lab.bench.protocols.deocclusion.systems import NETWORK, OCCLUDED, RENDERING, SKIN, fillers


class Judge:
    """Faces are as far apart as their colours."""

    name = "mean colour"

    def find(self, pixels: np.ndarray) -> tuple[int, int, int, int]:
        return 60, 60, 200, 200

    def embed(self, pixels: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
        left, top, right, bottom = box
        return pixels[top:bottom, left:right].reshape(-1, 3).mean(axis=0) / 255


def test_systems_are_compared_in_the_hole(shared: Path) -> None:
    options = RunOptions(data=shared / "data", count=3, split="validation", seed=2)
    report = load_protocol("deocclusion").run(options, embedder=Judge())
    table = report.tables[0]
    rows = {str(row[0]): row for row in table.rows}
    assert {OCCLUDED, SKIN, RENDERING, NETWORK} <= set(rows)
    assert rows[NETWORK][1] == 3 - len(report.missing)
    for name in (RENDERING, NETWORK):
        assert float(rows[name][2]) > float(rows[OCCLUDED][2]) + 1  # dB
    assert float(rows[OCCLUDED][6]) >= float(rows[NETWORK][6])  # around the hole the photo was right
    assert rows[OCCLUDED][8] is None or np.isnan(rows[OCCLUDED][8])
    first = report.metrics[0]
    assert (first.name, first.unit, first.group) == ("PSNR in the hole", "dB", "all")
    nearer = report.tables[-1]
    assert "network nearer" in [name for name, _ in nearer.columns]
    height, width = report.images["sheet"].shape[:2]
    assert height == 128 * (3 - len(report.missing))
    assert width % 128 == 0
    assert report.settings["mask"] == "true"


def test_wrong_words_are_named(tmp_path: Path) -> None:
    run = load_protocol("deocclusion").run
    with pytest.raises(UsageError, match="NAME=FILE"):
        run(RunOptions(data=tmp_path), networks=["alone"])
    with pytest.raises(UsageError, match="true or found"):
        run(RunOptions(data=tmp_path), mask="drawn")
    with pytest.raises(UsageError, match="--data"):
        run(RunOptions())
    with pytest.raises(UsageError, match="taken"):
        fillers({NETWORK: tmp_path})
