"""The recipes of the parameter regressors run from the engine, resume bit by bit, and their weights load again."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wholeface.lab.data.engine import EngineSettings, FaceEngine
from wholeface.lab.data.stores import build_store
from wholeface.lab.train import Recipe, load_recipe
from wholeface.lab.train.export import export_weights
from wholeface.networks import ParameterNet, load_network

pytest.importorskip("lightning_fabric")

_SMALL = {
    "backbone": "compact", "input_size": 32, "width": 0.25, "batch_size": 3, "steps": 4, "warmup": 1,
    "validate_every": 2, "checkpoint_minutes": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores") / "heads"
    engine = FaceEngine(
        seed=11, size=64, settings=EngineSettings(clean=0.0, hair=0.0, occluders={"patches": 1})
    )
    build_store(engine, range(4), folder, workers=0)
    return folder


@pytest.fixture(scope="module")
def settings(store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    photos, told = (tmp_path_factory.mktemp(name) for name in ("photos", "told"))
    for i in range(12):
        Image.fromarray(np.full((40, 40, 3), 20 * i, np.uint8)).save(photos / f"{i:02d}.png")
        np.save(told / f"{i:02d}.npy", np.full(257, i / 12, np.float32))
    return {
        "distilled": {"stores": (store,), "check": (store,)},
        "regression": {"stores": (store,), "check": store, "features": "none"},
        "learner": {"photos": photos, "coefficients": told, "layout": "257"},
    }


@pytest.mark.parametrize("name", ["distilled", "learner", "regression"])
def test_a_run_that_was_cut_off_ends_like_one_that_was_not(
    name: str,
    settings: dict[str, dict[str, Any]],
    tmp_path: Path,
    cut_off_ends_like_whole: Callable[[Recipe[Any], Any], Path],
) -> None:
    recipe = load_recipe(name)
    config = recipe.config(**{**_SMALL, **settings[name]})
    whole = cut_off_ends_like_whole(recipe, config)
    with (whole / "validation.csv").open() as rows:
        scores = list(csv.DictReader(rows))[-1]
    assert np.isfinite([float(v) for v in scores.values()]).all()
    file = tmp_path / "weights" / "student.safetensors"
    export_weights(whole / "last.safetensors", file, storage="int8")
    loaded, card = load_network("student", tmp_path / "weights")
    assert isinstance(loaded, ParameterNet)
    assert loaded.config.size == {"distilled": 281, "learner": 257, "regression": 175}[name]
    assert card.recipe == name
