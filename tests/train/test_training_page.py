"""The recipe that docs/training.md shows trains."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wholeface.app.cli import main

pytest.importorskip("lightning_fabric")


def test_the_recipe_of_the_page_trains(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text()
    blocks = [b for b in re.findall(r"^```python\n(.*?)^```", page, flags=re.M | re.S) if "RECIPE" in b]
    (tmp_path / "mine.py").write_text(blocks[0])
    words = ["train", str(tmp_path / "mine.py"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main([*words, "--set", "learning_rate=0.02"]) == 0
    rows = (tmp_path / "run" / "validation.csv").read_text().splitlines()
    first, last = (float(rows[i].split(",")[2]) for i in (1, -1))
    assert last < 0.6 * first
