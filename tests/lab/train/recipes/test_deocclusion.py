"""The generator's recipe in miniature: it learns to undo an occluder, and what its target is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.lab.data.deocclusion import (
    DeocclusionSample,
    DeocclusionStore,
    build_deocclusion_store,
    target_of,
)
from wholeface.lab.train.config import TrainConfig
from wholeface.lab.train.recipe import load_recipe
from wholeface.lab.train.recipes.deocclusion import DeocclusionRecipeConfig
from wholeface.lab.train.task import Update
from wholeface.perceive import OccluderKind, ParsingClass
from wholeface.stages.deocclude.generator import GeneratorInput

SIZE = 48


class FakeComposites:
    """Smooth faces behind a box, their base too dark by a third: something that can be learned."""

    seed, size, designs, weights, true_mask = 0, SIZE, "train", {"patches": 1.0}, 1.0
    photos = (Path("a.jpg"), Path("b.jpg"))

    def __getitem__(self, index: int) -> DeocclusionSample:
        rng = np.random.default_rng([self.seed, index])
        rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
        clean = np.stack(
            [120 + 80 * np.sin(3 * rows + p) * np.cos(2 * columns) for p in rng.uniform(0, 3, 3)], -1
        )
        clean = clean.astype(np.uint8)
        hidden = np.zeros((SIZE, SIZE), np.uint8)
        top, left = rng.integers(8, 20, 2)
        hidden[top : top + 16, left : left + 16] = 1
        image = np.where(hidden[..., None] > 0, np.uint8(20), clean)
        base = np.where(hidden[..., None] > 0, clean // 3 * 2, clean)
        none = np.zeros_like(hidden)
        face = np.zeros_like(hidden)
        face[4:-4, 4:-4] = 1
        labels = face * np.uint8(ParsingClass.SKIN)
        given = GeneratorInput(
            image, base, base, face, none, hidden * np.uint8(255), none, none, none, none, labels
        )
        return DeocclusionSample(
            given,
            clean,
            hidden * np.uint8(OccluderKind.OBJECT),
            none,
            face,
            "box",
            self.photos[index % 2].name,
        )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> DeocclusionStore:
    folder = tmp_path_factory.mktemp("composites") / "store"
    return build_deocclusion_store(folder, FakeComposites(), 12)  # type: ignore[arg-type]


def test_a_few_steps_bring_the_base_nearer_to_the_truth(store: DeocclusionStore) -> None:
    recipe = load_recipe("deocclusion")
    torch.manual_seed(0)
    settings = DeocclusionRecipeConfig(
        stores=(store.folder,), check=store.folder, crop=SIZE, width=16, batch_size=4, learning_rate=4e-3
    )
    task = recipe.build(settings)
    assert task.train_size == 12
    device = torch.device("cpu")
    before = task.evaluate({name: network.eval() for name, network in task.networks.items()}, device)
    assert before["psnr"] == pytest.approx(before["base_psnr"], abs=0.3)
    optimiser = task.optimisers(settings)["network"]
    losses = []
    for number in range(14):
        generator = torch.Generator().manual_seed(number)
        batch = task.load(np.arange(4) + number % 3 * 4, generator)
        task.networks["network"].train()
        update = Update(number, 0.0, "network", task.networks, task.teachers, generator)
        found = task.step(update, batch)
        optimiser.zero_grad()
        found["loss"].backward()
        optimiser.step()
        losses.append(float(found["pixel"].detach()))
    after = task.evaluate({name: network.eval() for name, network in task.networks.items()}, device)
    assert np.isfinite(losses).all()
    assert after["psnr"] > before["psnr"] + 1
    sheet = task.preview(task.networks, device)
    assert sheet is not None
    assert sheet.shape[1] == 8 * SIZE


def test_batches_are_the_same_for_the_same_seed(store: DeocclusionStore) -> None:
    task = load_recipe("deocclusion").build(
        DeocclusionRecipeConfig(stores=(store.folder,), crop=32, width=16)
    )
    one, other, third = (
        task.load(np.array([1, 5]), torch.Generator().manual_seed(seed)) for seed in (7, 7, 8)
    )
    for name, values in one.items():
        assert torch.equal(values, other[name])
    assert not torch.equal(one["image"], third["image"])
    assert one["given"].shape[-1] == 32
    # What is laid over the photo and the photo itself are coloured alike.
    free = one["hole"][:, 0] == 0
    assert (one["image"] - one["target"]).abs().amax(1)[free].max() < 0.06


def test_what_is_blanked_is_blank_for_the_network_alone(store: DeocclusionStore) -> None:
    build = load_recipe("deocclusion").build
    settings = {"stores": (store.folder,), "crop": SIZE, "width": 16}
    whole = build(DeocclusionRecipeConfig(**settings))
    less = build(DeocclusionRecipeConfig(**settings, without=("image", "rendering", "labels")))
    one, other = (t.load(np.array([0]), torch.Generator().manual_seed(1)) for t in (whole, less))
    hidden = one["given"][:, 13] > 0.5
    assert (other["given"][:, 0][hidden] == 0.5).all()
    assert torch.equal(other["given"][:, 0][~hidden], one["given"][:, 0][~hidden])
    assert other["given"][:, 6:9].max() == other["given"][:, 18:].max() == 0
    assert torch.equal(one["image"], other["image"])
    assert isinstance(less.config, TrainConfig)


def test_the_target_keeps_what_lies_beside_the_face_unless_it_is_worn_on_it() -> None:
    image, clean = np.full((80, 80, 3), 200, np.uint8), np.full((80, 80, 3), 100, np.uint8)
    face = np.zeros((80, 80), np.uint8)
    face[:, :40] = 1
    kind = np.zeros((80, 80), np.uint8)
    kind[10:30, 20:60] = OccluderKind.HAND
    target, hole = target_of(image, clean, kind, face)
    assert (target[:, :40] == 100).all()
    assert (target[:, 40:] == 200).all()
    assert hole[:, :40].all()
    assert not hole[:, 43:].any()
    kind[10:30, 20:60] = OccluderKind.MASK
    target, hole = target_of(image, clean, kind, face)
    assert (target[10:30, 40:60] == 100).all()
    assert (target[10:30, 65:] == 200).all()
    assert hole[12:28, 20:60].all()
