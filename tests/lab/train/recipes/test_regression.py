"""Regression by rendering: what the network is given, where it begins, and that the loss falls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.data.engine import EngineSettings, FaceEngine
from wholeface.lab.data.stores import build_store
from wholeface.lab.train.recipes.regression import RECIPE, RegressionConfig, RegressionTask
from wholeface.networks import ParameterNet
from wholeface.perceive import ParsingClass


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores") / "heads"
    engine = FaceEngine(
        seed=9, size=96, settings=EngineSettings(clean=0.0, hair=0.0, occluders={"patches": 1})
    )
    build_store(engine, range(6), folder, workers=0)
    return folder


def _task(store: Path, **more: object) -> RegressionTask:
    torch.manual_seed(0)
    settings = {
        "stores": (store,), "backbone": "compact", "input_size": 64, "width": 0.25, "features": "none",
        **more,
    }  # fmt: skip
    return RegressionTask(RegressionConfig(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(("paper", "size"), [("parsing_guided", 175), ("eyeglasses", 239)])
def test_the_loss_falls(store: Path, paper: str, size: int) -> None:
    task = _task(store, paper=paper)
    assert isinstance(task.network, ParameterNet)
    assert task.network.config.size == size
    batch = task.load(np.arange(6), torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(task.network.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        value = task.losses(task.network.train(), batch, 0.0)["loss"]
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        losses.append(float(value.detach()))
    assert losses[-1] < 0.85 * losses[0]


def test_the_first_answer_lies_on_the_face(store: Path) -> None:
    """Before any step the mean face is about where faces are: most of its landmarks within a sixth of the crop."""
    task = _task(store)
    batch = task.load(np.arange(6), torch.Generator().manual_seed(0))
    with torch.no_grad():
        vector = task.network.eval()(batch["seen"])
        points = task._landmarks(task.parameters(vector))
    off = (points - batch["points"]).norm(dim=-1)
    assert float(off.median()) < 64 / 6


def test_what_hides_the_face_counts_a_tenth_and_only_where_it_is_seen(store: Path) -> None:
    covered = _task(store, clean=0.0, jitter=0.0).load(np.arange(6), torch.Generator().manual_seed(0))
    bare = _task(store, clean=1.0, jitter=0.0).load(np.arange(6), torch.Generator().manual_seed(0))
    hidden = covered["parsing"] == ParsingClass.OBJECT
    assert 0.005 < float(hidden.float().mean()) < 0.5
    assert not (bare["parsing"] == ParsingClass.OBJECT)[hidden].any() or bool(
        ((bare["parsing"] == ParsingClass.SKIN) & hidden).any()
    )
    changed = (covered["image"] - bare["image"]).abs().amax(dim=1) > 0.1
    assert float(changed[hidden].float().mean()) > 0.5


def test_a_face_network_of_ones_own_sees_picture_and_rendering(store: Path) -> None:
    class Mean(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean(dim=(2, 3)) + 1

    config = RegressionConfig(stores=(store,), backbone="compact", input_size=64, width=0.25, features="none")
    task = RegressionTask(config, embed=Mean())
    assert set(task.teachers) == {"features"}
    losses = task.losses(task.network, task.load(np.arange(4), torch.Generator().manual_seed(1)), 0.0)
    assert 0 < float(losses["features"].detach()) < 0.1
    losses["features"].backward()
    assert isinstance(task.network, ParameterNet)
    assert task.network.head.weight.grad is not None
    assert (task.network.head.weight.grad != 0).any()


def test_scores_and_pictures(store: Path) -> None:
    task = _task(store, check=store, features="parser")
    scores = task.validate(task.network.eval(), torch.device("cpu"))
    assert set(scores) == {"nme68_clean", "nme68_covered", "colour_clean", "colour_covered"}
    assert all(np.isfinite(list(scores.values())))
    sheet = task.contact_sheet(task.network.eval(), torch.device("cpu"))
    assert sheet is not None
    assert sheet.shape == (128, 6 * 64, 3)


def test_a_store_without_maps_is_refused(store: Path, tmp_path: Path) -> None:
    engine = FaceEngine(seed=9, size=64, settings=EngineSettings(clean=1.0, hair=0.0))
    build_store(
        engine, range(2), tmp_path / "bare", workers=0, fields=("image", "clean", "dense", "landmarks_68")
    )
    with pytest.raises(DataError, match="parsing"):
        _task(tmp_path / "bare").load(np.arange(2), torch.Generator())
    with pytest.raises(UsageError, match="share"):
        _task(store, clean=-1.0)
    assert RECIPE.config().backbone == "resnet50"
