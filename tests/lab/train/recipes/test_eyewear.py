"""What the eyewear network learns from, and that it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.core.errors import DataError, ModelFileError
from wholeface.lab.data.engine import EngineSettings, FaceEngine
from wholeface.lab.data.stores import build_store
from wholeface.lab.train.losses import eyewear_loss
from wholeface.lab.train.recipes.eyewear import RECIPE, EyewearRecipeConfig, EyewearTask
from wholeface.networks import EyewearOutput
from wholeface.perceive import IGNORE, EyewearPart


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores") / "worn"
    engine = FaceEngine(
        seed=5, size=128, settings=EngineSettings(clean=0.25, hair=0.0, occluders={"glasses": 1})
    )
    build_store(engine, range(8), folder, workers=0, fields=("image", "eyewear", "dense", "source", "seed"))
    return folder


def _task(store: Path, **more: object) -> EyewearTask:
    settings = {"stores": (store,), "input_width": 96, "input_height": 64, "width": 0.25, **more}
    return EyewearTask(EyewearRecipeConfig(**settings))  # type: ignore[arg-type]


def test_bands_show_the_spectacles_and_their_map(store: Path) -> None:
    task = _task(store, check=(store,))
    batch = task.load(np.arange(8), torch.Generator().manual_seed(0))
    assert batch["image"].shape == (8, 3, 64, 96)
    assert batch["eyewear"].shape == (8, 64, 96)
    worn = (batch["eyewear"] == EyewearPart.FRAME).flatten(1).any(1)
    assert 3 <= int(worn.sum()) <= 8
    scores = task.validate(task.network.eval(), torch.device("cpu"))
    assert set(scores) == {"frame_iou", "clear_iou", "dark_iou", "extent_iou", "found", "false"}
    sheet = task.contact_sheet(task.network, torch.device("cpu"))
    assert sheet is not None
    assert sheet.shape[1] == 6 * 96


def test_the_loss_falls(store: Path) -> None:
    torch.manual_seed(0)
    task = _task(store, coarse=0.0, jitter=0.0)
    batch = task.load(np.arange(8), torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(task.network.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        loss = task.losses(task.network.train(), batch, 0.0)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.75 * losses[0]


def test_unknown_pixels_teach_nothing() -> None:
    truth = torch.tensor([[[0, 1], [2, IGNORE]]])
    logits = torch.zeros(1, 4, 2, 2, requires_grad=True)
    eyewear_loss(EyewearOutput(logits, torch.zeros(1)), truth).total.backward()
    assert logits.grad is not None
    assert (logits.grad[0, :, 1, 1] == 0).all()
    assert (logits.grad[0, :, 0, 1] != 0).any()
    right = torch.nn.functional.one_hot(torch.tensor([[[0, 1], [2, 0]]]), 4).permute(0, 3, 1, 2) * 30.0
    exact = eyewear_loss(EyewearOutput(right, torch.full((1,), 30.0)), truth)
    assert float(exact.parts) < 1e-6
    assert float(exact.presence) < 1e-6


def test_stores_without_the_map_are_refused(store: Path, tmp_path: Path) -> None:
    engine = FaceEngine(seed=5, size=64, settings=EngineSettings(clean=1.0, hair=0.0))
    build_store(engine, range(2), tmp_path / "old", workers=0)
    with pytest.raises(DataError, match="holds no 'eyewear'"):
        _task(tmp_path / "old").load(np.arange(2), torch.Generator())


def test_layers_are_taken_over_from_the_parser(store: Path, weights_folder: Path) -> None:
    from wholeface.networks.weights import WeightCard, load_weights, save_weights

    parser = weights_folder / "parsing.safetensors"
    task = _task(store, parser=parser)
    tensors, _ = load_weights(parser)
    assert torch.equal(task.network.state_dict()["stem.0.weight"], tensors["stem.0.weight"])
    other = weights_folder / "other.safetensors"
    card = WeightCard("other", "1", "made up", "CC0-1.0", architecture="Other", architecture_config={})
    save_weights(other, {"somewhere.weight": torch.zeros(3)}, card)
    with pytest.raises(ModelFileError, match="no layer in common"):
        _task(store, parser=other)


def test_the_recipe_says_what_it_is() -> None:
    assert RECIPE.name == "eyewear"
    assert RECIPE.sources
