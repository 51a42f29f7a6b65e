"""What the student learns from, and that it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.data.engine import EngineSettings, FaceEngine
from wholeface.lab.data.stores import build_store
from wholeface.lab.train.recipes.distilled import RECIPE, DistilledConfig, DistilledTask


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores") / "heads"
    engine = FaceEngine(
        seed=7, size=96, settings=EngineSettings(clean=0.0, hair=0.0, occluders={"patches": 1})
    )
    build_store(engine, range(8), folder, workers=0)
    return folder


def _task(store: Path, **more: object) -> DistilledTask:
    torch.manual_seed(0)
    settings = {"stores": (store,), "input_size": 64, "width": 0.25, **more}
    return DistilledTask(DistilledConfig(**settings))  # type: ignore[arg-type]


def test_the_truth_projects_to_the_true_landmarks(store: Path) -> None:
    """Crops, mirrors and the vectors fit each other: with the vector itself, no landmark misses."""
    task = _task(store)
    batch = task.load(np.arange(8), torch.Generator().manual_seed(0))
    assert batch["image"].shape == (8, 3, 64, 64)
    assert batch["vector"].shape == (8, task.layout.size)
    assert 0 < int(batch["mirrored"].sum()) < 8

    class Truth(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return batch["vector"]

    losses = task.losses(Truth(), batch, 0.0)
    for name in ("scaled", "identity", "shape", "albedo", "shading"):
        assert float(losses[name]) == 0.0
    assert float(losses["landmarks"]) < 0.01  # per cent of the crop's edge


@pytest.mark.parametrize("loss", ["mse", "scaled", "geometry"])
def test_the_loss_falls(store: Path, loss: str) -> None:
    task = _task(store, loss=loss, jitter=0.0, pixels=0.0)
    batch = task.load(np.arange(8), torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(task.network.parameters(), lr=2e-3)
    losses = []
    for _ in range(25):
        value = task.losses(task.network.train(), batch, 0.0)["loss"]
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        losses.append(float(value.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_the_first_answer_is_the_mean_face(store: Path) -> None:
    task = _task(store, check=(store,))
    scores = task.validate(task.network.eval(), torch.device("cpu"))
    name = store.name
    assert scores[f"shape_clean_{name}"] == pytest.approx(1.0, abs=0.02)
    assert scores[f"change_{name}"] < 1e-3
    sheet = task.contact_sheet(task.network.eval(), torch.device("cpu"))
    assert sheet is not None
    assert sheet.shape[1] == 6 * 128


def test_stores_without_parameters_are_refused(store: Path, tmp_path: Path) -> None:
    engine = FaceEngine(seed=7, size=64, settings=EngineSettings(clean=1.0, hair=0.0))

    class Bare:
        def __getitem__(self, index: int) -> object:
            return engine.sample(index).with_(parameters={})

    build_store(Bare(), range(2), tmp_path / "bare", workers=0, settings={})  # type: ignore[arg-type]
    with pytest.raises(DataError, match="lacks the parameter 'identity'"):
        _task(tmp_path / "bare")
    with pytest.raises(UsageError, match="share"):
        _task(store, clean=2.0)


def test_the_recipe_says_what_it_is() -> None:
    assert RECIPE.name == "distilled"
    assert "Rana" in RECIPE.paper
    assert RECIPE.config().loss == "geometry"
