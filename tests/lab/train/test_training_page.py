"""The recipes that docs/training.md shows train."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wholeface.app.cli.command import main

pytest.importorskip("lightning_fabric")


@pytest.mark.parametrize(
    ("place", "setting", "factor"),
    [(0, "learning_rate=0.02", 0.6), (1, "seed=1", 0.8)],
    ids=["one", "several"],
)
def test_the_recipes_of_the_page_train(tmp_path: Path, place: int, setting: str, factor: float) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "training.md").read_text()
    blocks = [b for b in re.findall(r"^```python\n(.*?)^```", page, flags=re.M | re.S) if "RECIPE" in b]
    assert len(blocks) == 2
    (tmp_path / "mine.py").write_text(blocks[place])
    words = ["train", str(tmp_path / "mine.py"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main([*words, "--set", setting]) == 0
    rows = (tmp_path / "run" / "validation.csv").read_text().splitlines()
    first, last = (float(rows[i].split(",")[2]) for i in (1, -1))
    assert last < factor * first
