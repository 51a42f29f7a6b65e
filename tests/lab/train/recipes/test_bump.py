"""The recipe of the published bump map network in miniature: its numbers, its targets, that it learns and resumes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.errors import UsageError
from wholeface.lab.data.relief import ReliefStore
from wholeface.lab.train import Recipe, load_recipe
from wholeface.lab.train.recipes.bump import BumpRecipeConfig
from wholeface.stages.relief.bump import decode_bump

SIZE = 48  # of the store's samples: 60 within the network
SMALL: dict[str, Any] = {"input_size": SIZE, "width": 4, "blocks": 3, "versions": 2, "batch_size": 2}


def _config(store: Path, **changes: Any) -> BumpRecipeConfig:
    return BumpRecipeConfig(**{"stores": (store,), "check": store, **SMALL, **changes})


def test_the_papers_numbers() -> None:
    config = BumpRecipeConfig()
    assert (config.input_size, config.width, config.blocks, config.batch_size) == (500, 16, 7, 4)
    assert config.steps == 150 * 4200 / 4
    assert config.decay_every == 50 * 4200 / 4


def test_the_learning_rate_falls_twice(relief_store: Path) -> None:
    config = _config(relief_store, decay_every=10)
    rate = load_recipe("bump").build(config).schedule(config).rates["network"]
    assert [rate(1e-4, n, 0.0) for n in (0, 9, 10, 20, 29)] == pytest.approx([1e-4, 1e-4, 1e-5, 1e-6, 1e-6])


def test_targets_are_depth_along_the_ray(relief_store: Path) -> None:
    task = load_recipe("bump").build(_config(relief_store))
    batch = task.load(np.array([1]), torch.Generator())
    sample, base = ReliefStore(relief_store, versions=2)[1], ReliefStore(relief_store).base(1)
    change = decode_bump(255 * batch["bump"][0, 0].numpy())
    # Flat faces seen from the front: the ray's cosine is that of its angle to the axis.
    cosine = base.true_points[..., 2] / np.linalg.norm(base.true_points, axis=2)
    np.testing.assert_allclose(change * cosine, sample.displacement, atol=1e-5)
    assert np.abs(sample.displacement).max() > 0.02
    off = base.skin == 0
    np.testing.assert_allclose(batch["bump"][0, 0].numpy()[off], 0.5, atol=1e-6)
    np.testing.assert_array_equal(batch["weight"][0, 0].numpy()[off], 0)  # head, but not seen


def test_a_few_steps_make_the_loss_smaller(relief_store: Path) -> None:
    torch.manual_seed(0)
    config = _config(relief_store, learning_rate=1e-2)
    task = load_recipe("bump").build(config)
    batch, optimiser, losses = task.load(np.arange(2), torch.Generator()), task.optimiser(config), []
    assert isinstance(optimiser, torch.optim.SGD)
    for _ in range(12):
        loss = task.losses(task.network, batch, 0.0)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    scores = task.validate(task.network.eval(), torch.device("cpu"))
    assert np.isfinite(list(scores.values())).all()
    sheet = task.contact_sheet(task.network, torch.device("cpu"))
    assert sheet is not None
    assert sheet.shape == (2 * SIZE, 6 * SIZE, 3)


def test_a_run_that_was_cut_off_ends_like_one_that_was_not(
    relief_store: Path, tmp_path: Path, cut_off_ends_like_whole: Callable[[Recipe[Any], Any], Path]
) -> None:
    recipe = load_recipe("bump")
    config = _config(
        relief_store, steps=4, decay_every=3, validate_every=2, checked=1, checkpoint_minutes=0.0
    )
    cut_off_ends_like_whole(recipe, config)


def test_samples_of_another_size_are_refused(relief_store: Path) -> None:
    with pytest.raises(UsageError, match="--size 500"):
        load_recipe("bump").build(BumpRecipeConfig(stores=(relief_store,)))
    with pytest.raises(UsageError, match=r"python -m wholeface\.lab\.data\.relief"):
        load_recipe("bump").build(BumpRecipeConfig())
