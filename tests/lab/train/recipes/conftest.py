"""A store for the recipes of the generators."""

from __future__ import annotations

from pathlib import Path

import pytest

from wholeface.lab.data.engine import EngineSettings, FaceEngine
from wholeface.lab.data.stores import build_store


@pytest.fixture(scope="session")
def pairs_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six rendered faces of 96 pixels, most of them with spectacles."""
    folder = tmp_path_factory.mktemp("stores") / "pairs"
    settings = EngineSettings(clean=0.2, hair=0.0, occluders={"glasses": 3, "objects": 1})
    build_store(FaceEngine(seed=5, size=96, settings=settings), range(6), folder, workers=0)
    return folder
