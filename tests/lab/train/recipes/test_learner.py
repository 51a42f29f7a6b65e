"""The learner as published: pictures with arbitrary pixel values, a teacher's coefficients, their mean square."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wholeface.core.errors import UsageError
from wholeface.lab.train.recipes.learner import RECIPE, LearnerConfig, LearnerTask
from wholeface.networks import ParameterNet


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Twenty pictures of one grey each, and coefficients that say how light it is."""
    photos, told = (tmp_path_factory.mktemp(name) for name in ("photos", "told"))
    for i in range(20):
        Image.fromarray(np.full((70, 70, 3), 12 * i, np.uint8)).save(photos / f"{i:02d}.png")
        vector = np.linspace(-1, 1, 236) * (i / 19)
        np.save(told / f"{i:02d}.npy", vector.astype(np.float32))
    return photos, told


def _task(folders: tuple[Path, Path], **more: object) -> LearnerTask:
    torch.manual_seed(0)
    settings = {
        "photos": folders[0], "coefficients": folders[1], "backbone": "compact", "input_size": 64, "width": 0.25,
        **more,
    }  # fmt: skip
    return LearnerTask(LearnerConfig(**settings))  # type: ignore[arg-type]


def test_clean_pictures_teach_what_covered_ones_are_asked(folders: tuple[Path, Path]) -> None:
    task = _task(folders, pixels=1.0)
    assert task.train_size == 18  # every tenth is kept apart
    batch = task.load(np.arange(6), torch.Generator().manual_seed(0))
    assert batch["image"].shape == (6, 3, 64, 64)
    bare = _task(folders, pixels=0.0).load(np.arange(6), torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        bare["image"], (torch.arange(6.0) * 12 / 255).view(6, 1, 1, 1).expand(6, 3, 64, 64)
    )
    changed = ((batch["image"] - bare["image"]).abs() > 0.01).any(dim=1).float().mean(dim=(1, 2))
    assert (changed > 0).sum() >= 5
    assert (changed < 0.9).all()
    assert torch.equal(batch["vector"], bare["vector"])
    expected = np.linspace(-1, 1, 236) * 3 / 19
    np.testing.assert_allclose(batch["vector"][3].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("loss", ["mse", "scaled"])
def test_the_loss_falls(folders: tuple[Path, Path], loss: str) -> None:
    task = _task(folders, loss=loss, pixels=0.0)
    batch = task.load(np.arange(18), torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(task.network.parameters(), lr=2e-3)
    values = []
    for _ in range(20):
        value = task.losses(task.network.train(), batch, 0.0)["loss"]
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(float(value.detach()))
    assert values[-1] < 0.5 * values[0]


def test_scores_and_faults(folders: tuple[Path, Path]) -> None:
    task = _task(folders)
    scores = task.validate(task.network.eval(), torch.device("cpu"))
    assert set(scores) == {"mse_clean", "mse_covered", "change"}
    assert isinstance(task.network, ParameterNet)
    assert task.network.config.size == 236
    with pytest.raises(UsageError, match="photos=FOLDER"):
        LearnerTask(LearnerConfig())
    assert RECIPE.config().backbone == "resnet50"
    assert RECIPE.config().loss == "mse"
