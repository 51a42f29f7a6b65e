"""The relief network's recipe in miniature: its data, that it learns, and that it resumes bit by bit."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.errors import UsageError
from wholeface.lab.train import Recipe, load_recipe
from wholeface.lab.train.export import export_weights
from wholeface.lab.train.recipes._relief_scores import relief_scores
from wholeface.lab.train.recipes.relief import ReliefRecipeConfig
from wholeface.networks import ReliefNet, load_network

SIZE = 48  # of the store's samples
SMALL: dict[str, Any] = {
    "crop": 32, "windows": 2, "versions": 3, "widths": (6, 8, 8, 8), "blocks": (1, 1, 0, 0), "fine": 6,
    "batch_size": 2, "learning_rate": 5e-3, "warmup": 0, "ema": 0.5,
}  # fmt: skip


def _config(store: Path, **changes: Any) -> ReliefRecipeConfig:
    return ReliefRecipeConfig(**{"stores": (store,), "check": store, **SMALL, **changes})


def test_batches_follow_from_the_seed_and_have_the_windows_of_each_sample(relief_store: Path) -> None:
    task = load_recipe("relief").build(_config(relief_store))
    assert task.train_size == 12
    one, other, third = (task.load(np.array([1, 9]), torch.Generator().manual_seed(s)) for s in (7, 7, 8))
    assert one["given"].shape == (2, 2, 15, 32, 32)
    assert one["target"].shape == one["weight"].shape == (2, 2, 1, 32, 32)
    for name, values in one.items():
        assert torch.equal(values, other[name])
    assert not torch.equal(one["given"], third["given"])
    # The truth counts nowhere where the network is not told of visible skin.
    hidden = one["given"][:, :, 12:13] == 0
    assert (one["weight"][hidden] == 0).all()


def test_a_few_steps_find_the_folds(relief_store: Path) -> None:
    recipe = load_recipe("relief")
    torch.manual_seed(0)
    settings = _config(
        relief_store, vary=False, crop=48, windows=1, batch_size=4, learning_rate=1e-2, versions=1
    )
    task = recipe.build(settings)
    cpu = torch.device("cpu")
    before = task.validate(task.network.eval(), cpu)
    assert before["correlation"] == pytest.approx(0)
    assert before["rms"] == before["rms_without"]
    assert before["normals"] == before["normals_without"]
    optimiser = task.optimiser(settings)
    batch = task.load(np.arange(4), torch.Generator().manual_seed(0))
    losses = []
    for _ in range(40):
        found = task.losses(task.network.train(), batch, 0.0)
        optimiser.zero_grad()
        found["loss"].backward()
        optimiser.step()
        losses.append(float(found["loss"].detach()))
    after = task.validate(task.network.eval(), cpu)
    assert losses[-1] < 0.8 * losses[0]
    assert after["correlation"] > 0.3
    assert set(after) > {"correlation_model", "correlation_photo", "normals_photo"}
    sheet = task.contact_sheet(task.network, cpu)
    assert sheet is not None
    assert sheet.shape == (2 * SIZE, 8 * SIZE, 3)


def test_a_run_that_was_cut_off_ends_like_one_that_was_not(
    relief_store: Path, tmp_path: Path, cut_off_ends_like_whole: Callable[[Recipe[Any], Any], Path]
) -> None:
    recipe = load_recipe("relief")
    config = _config(relief_store, steps=4, validate_every=2, checkpoint_minutes=0.0)
    whole = cut_off_ends_like_whole(recipe, config)
    with (whole / "validation.csv").open() as file:
        scores = list(csv.DictReader(file))[-1]
    assert np.isfinite([float(v) for v in scores.values()]).all()
    file = tmp_path / "weights" / "relief.safetensors"
    export_weights(whole / "last.safetensors", file, storage="int8")
    loaded, card = load_network("relief", tmp_path / "weights")
    assert isinstance(loaded, ReliefNet)
    assert loaded.config.widths == (6, 8, 8, 8)
    assert (card.recipe, card.preprocessing["margin"]) == ("relief", 1.25)


def test_without_samples_it_says_how_to_make_them() -> None:
    with pytest.raises(UsageError, match=r"python -m wholeface\.lab\.data\.relief"):
        load_recipe("relief").build(ReliefRecipeConfig())


def test_scores_by_hand() -> None:
    edge = 240  # a millimetre to the pixel
    columns = np.arange(edge, dtype=np.float32) * np.ones((edge, 1), np.float32)
    weight = np.zeros((edge, edge), np.float32)
    weight[60:180, 60:180] = 1
    truth = np.float32(0.2) * np.sin(columns * np.float32(2 * np.pi / 6))
    scores = relief_scores(truth / 2, truth, weight, np.full_like(truth, 0.1))
    assert scores["correlation"] == pytest.approx(1, abs=1e-4)
    assert scores["gain"] == pytest.approx(2, abs=1e-4)
    assert scores["rms"] == pytest.approx(0.1 / np.sqrt(2), rel=0.02)
    assert scores["rms_without"] == pytest.approx(0.2 / np.sqrt(2), rel=0.02)
    assert scores["error"] == pytest.approx(0.1 * 4 * np.sqrt(0.75) / 6, rel=0.02)  # 0, ±√¾ at six pixels
    assert scores["expected"] == pytest.approx(0.1)
    # A slope of one in ten, none found
    ramp = relief_scores(0 * truth, columns / 10, weight, truth + 1)
    assert ramp["normals"] == ramp["normals_without"] == pytest.approx(np.rad2deg(np.arctan(0.1)), abs=1e-3)
    assert ramp["steep"] == pytest.approx(ramp["normals"])
    # What is wider than relief counts for nothing in the correlation: a slope has no finer part
    broad = relief_scores(truth + columns / 100, truth, weight, truth + 1)
    assert broad["correlation"] > 0.98
    assert np.isnan(relief_scores(truth, truth, 0 * weight, truth)["correlation"])
    smooth = relief_scores(truth, 0 * truth, weight, truth)
    assert np.isnan(smooth["correlation"])
    assert smooth["normals_without"] == 0 < smooth["normals"]
