"""A few seconds of what load.py does for minutes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from .load import run_load


@pytest.mark.skipif(sys.platform == "win32", reason="processes are ended by signals")
def test_nothing_is_lost_among_many_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))  # put back afterwards
    outcome = run_load(clients=24, seconds=3, store=tmp_path / "store", photo_bytes=20_000, work="sleep 0.02")
    assert outcome.lost == []
    assert outcome.good == outcome.accepted > 20
    assert outcome.refused > 0  # the queue holds 16
