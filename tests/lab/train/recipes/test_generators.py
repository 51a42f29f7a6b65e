"""The recipes of FISN and of the eyeglasses method: their data, that they learn, and that they resume bit by bit."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.lab.data.stores import SampleStore
from wholeface.lab.train import JointTask, Recipe, Update, load_recipe
from wholeface.lab.train.export import export_weights
from wholeface.lab.train.transforms.crops import NO_JITTER, CropJitter
from wholeface.lab.train.transforms.lenses import draw_lenses
from wholeface.lab.train.transforms.pairs import face_pairs
from wholeface.networks import EyeglassesNet, Fisn, UNet, load_network
from wholeface.perceive import IGNORE, EyewearPart, ParsingClass, has_weights

NAMES = ["parsing_guided", "eyeglasses"]
needs_parser = pytest.mark.skipif(not has_weights("parsing"), reason="needs the shipped weights")


def _config(name: str, store: Path, **more: Any) -> Any:
    settings = {
        "stores": (store,),
        "compact": True,
        "input_size": 48,
        "width": 8,
        "batch_size": 2,
        "steps": 4,
        "log_every": 1,
        "validate_every": 100,
    }
    return load_recipe(name).config(**{**settings, **more})


def test_pairs_are_seen_twice_and_mapped_thrice(pairs_store: Path) -> None:
    store = SampleStore(pairs_store)
    rows = [store[i] for i in range(6)]
    pairs = face_pairs(rows, 48, np.random.default_rng(0), NO_JITTER)
    differ = (pairs["image"] - pairs["clean"]).abs().amax(1) > 0.1
    seen_again = (pairs["alpha"] != pairs["gamma"]) & (pairs["alpha"] != IGNORE)
    assert bool(pairs["hidden"].any())
    assert float(differ[pairs["hidden"]].float().mean()) > 0.5
    # What the completed map adds is face, and most of what is hidden is added.
    assert (pairs["gamma"][seen_again] < ParsingClass.HAIR).all()
    glasses = pairs["alpha"] == ParsingClass.EYEGLASSES
    assert bool(glasses.any())
    assert float((pairs["gamma"] != ParsingClass.EYEGLASSES)[glasses & pairs["hidden"]].float().mean()) > 0.8
    bare = face_pairs(rows, 48, np.random.default_rng(0), NO_JITTER, bare=np.ones(6, bool))
    assert torch.equal(bare["image"], bare["clean"])
    assert not bare["hidden"].any()
    assert (bare["alpha"] == ParsingClass.EYEGLASSES).sum() == 0


def test_erased_patches_are_objects_that_hide_the_face(pairs_store: Path) -> None:
    store = SampleStore(pairs_store)
    rows = [store[i] for i in range(6)]
    colours = torch.Generator().manual_seed(3)
    bare = np.ones(6, bool)
    pairs = face_pairs(rows, 48, np.random.default_rng(0), NO_JITTER, bare=bare, colours=colours, erased=1.0)
    patch = pairs["alpha"] == ParsingClass.OBJECT
    differ = (pairs["image"] != pairs["clean"]).any(1)
    assert patch.flatten(1).any(1).all()
    assert not differ[~patch].any()
    assert float(differ[patch].float().mean()) > 0.95
    assert not pairs["hidden"][~patch].any()
    assert bool(pairs["hidden"].any())
    assert (pairs["gamma"][pairs["hidden"]] != ParsingClass.OBJECT).float().mean() > 0.8


def test_clear_lenses_are_spectacles_where_asked(pairs_store: Path) -> None:
    store = SampleStore(pairs_store)
    rows = [dict(store[i]) for i in range(6)]
    plain, whole = (
        face_pairs(
            [{**r, "eyewear": np.where(r["parsing"] == ParsingClass.NOSE, kind, 0).astype(np.uint8)} for r in rows],
            48, np.random.default_rng(0), NO_JITTER, lenses=True,
        )["alpha"]
        for kind in (0, EyewearPart.CLEAR_LENS)
    )  # fmt: skip
    assert torch.equal(plain, face_pairs(rows, 48, np.random.default_rng(0), NO_JITTER)["alpha"])
    nose = plain == ParsingClass.NOSE
    assert bool(nose.any())
    expected = torch.where(nose, int(ParsingClass.EYEGLASSES), plain)
    assert torch.equal(whole, expected)
    # A store that knows nothing of spectacles is as before.
    unknown = [{**r, "eyewear": np.full_like(r["parsing"], IGNORE)} for r in rows]
    again = face_pairs(unknown, 48, np.random.default_rng(0), NO_JITTER, lenses=True)["alpha"]
    assert torch.equal(again, plain)


def test_mirrored_pairs_swap_sides(pairs_store: Path) -> None:
    store = SampleStore(pairs_store)
    row = [store[0]]
    plain = face_pairs(row, 48, np.random.default_rng(0), NO_JITTER)
    turned = face_pairs(row, 48, np.random.default_rng(0), CropJitter(0, 0, 0, 0, mirror=1.0))
    torch.testing.assert_close(turned["image"], plain["image"].flip(3), atol=2e-3, rtol=0)
    left, right = plain["points"][0, 36], turned["points"][0, 45]
    torch.testing.assert_close(right[0], 47 - left[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(right[1], left[1], atol=1e-3, rtol=0)
    brow = (turned["gamma"] == ParsingClass.LEFT_BROW).float().mean()
    assert float(brow) > 0
    columns = torch.arange(48.0)
    for pairs in (plain, turned):
        one = (pairs["gamma"][0] == ParsingClass.LEFT_BROW).float().sum(0)
        other = (pairs["gamma"][0] == ParsingClass.RIGHT_BROW).float().sum(0)
        assert (columns * one).sum() / one.sum() < (columns * other).sum() / other.sum()


def test_both_images_change_their_colours_alike(pairs_store: Path) -> None:
    store = SampleStore(pairs_store)
    rows = [store[i] for i in range(3)]
    colours = torch.Generator().manual_seed(1)
    pairs = face_pairs(rows, 48, np.random.default_rng(0), NO_JITTER, bare=np.ones(3, bool), colours=colours)
    assert torch.equal(pairs["image"], pairs["clean"])
    plain = face_pairs(rows, 48, np.random.default_rng(0), NO_JITTER)
    assert not torch.equal(plain["clean"], pairs["clean"])


def test_lenses_lie_on_the_eyes() -> None:
    points = torch.zeros(2, 68, 2)
    points[:, 36:42] = torch.tensor([20.0, 30.0])
    points[:, 42:48] = torch.tensor([44.0, 30.0])
    mask = draw_lenses(points, 64, torch.Generator().manual_seed(0))
    assert mask.shape == (2, 1, 64, 64)
    assert (mask[:, 0, 30, 20] == 1).all()
    assert (mask[:, 0, 30, 44] == 1).all()
    assert (mask[:, 0, 30, 32] == 1).all()  # the bridge
    assert (mask[:, 0, 50:] == 0).all()
    assert (mask[:, 0, :, 58:] == 0).all()
    assert not torch.equal(mask[0], mask[1])
    torch.testing.assert_close(mask.sum((1, 2, 3)), mask.flip(3).sum((1, 2, 3)))
    points[:, 42:48] = torch.tensor([20.0, 54.0])  # the same face lying on its side
    turned = draw_lenses(points, 64, torch.Generator().manual_seed(0))
    assert (turned[:, 0, 54, 20] == 1).all()
    assert (turned[:, 0, 30, 44] == 0).all()


@needs_parser
@pytest.mark.parametrize("name", NAMES)
def test_the_generator_learns_one_batch(name: str, pairs_store: Path) -> None:
    torch.manual_seed(0)
    config = _config(name, pairs_store, learning_rate=2e-3)
    task: JointTask = load_recipe(name).build(config)
    batch = task.load(np.arange(2), torch.Generator().manual_seed(0))
    optimisers = task.optimisers(config)
    (phase,) = task.schedule(config).cycle
    found: dict[str, list[float]] = {}
    for step in range(12):
        for turn in phase.turns:
            update = Update(step, 0.0, turn, task.networks, task.teachers, torch.Generator())
            losses = task.step(update, batch)
            assert all(bool(torch.isfinite(v)) for v in losses.values())
            for optimiser in optimisers.values():
                optimiser.zero_grad()
            losses["loss"].backward()
            optimisers[turn].step()
            found.setdefault(turn, []).append(float(losses["loss"].detach()))
    assert found["generator"][-1] < 0.9 * found["generator"][0]
    assert "deleter" not in found or found["deleter"][-1] < found["deleter"][0]


@needs_parser
def test_spectacles_weigh_in_the_deleters_loss(pairs_store: Path) -> None:
    def loss(weight: float, alpha: torch.Tensor) -> float:
        task = load_recipe("eyeglasses").build(_config("eyeglasses", pairs_store, spectacles=weight))
        task.networks["deleter"].load_state_dict(state)
        update = Update(0, 0.0, "deleter", task.networks, task.teachers, torch.Generator())
        return float(task.step(update, {**batch, "alpha": alpha})["loss"].detach())

    torch.manual_seed(0)
    task: JointTask = load_recipe("eyeglasses").build(_config("eyeglasses", pairs_store))
    batch = task.load(np.arange(6), torch.Generator().manual_seed(0))
    state = {k: v.clone() for k, v in task.networks["deleter"].state_dict().items()}
    worn, known = batch["alpha"] == ParsingClass.EYEGLASSES, batch["alpha"] != IGNORE
    others = loss(1.0, torch.where(worn, IGNORE, batch["alpha"]))
    alone = loss(1.0, torch.where(worn, batch["alpha"], IGNORE))
    inside, outside = int(worn.sum()), int((known & ~worn).sum())
    assert inside > 20
    for weight in (0.0, 1.0, 4.0):
        expected = (weight * inside * alone + outside * others) / (weight * inside + outside)
        assert loss(weight, batch["alpha"]) == pytest.approx(expected, rel=1e-5)


@needs_parser
@pytest.mark.parametrize("pasted", [False, True])
def test_pasted_what_was_not_deleted_is_the_photos(pairs_store: Path, pasted: bool) -> None:
    task: JointTask = load_recipe("eyeglasses").build(_config("eyeglasses", pairs_store, pasted=pasted))
    batch = task.load(np.arange(2), torch.Generator().manual_seed(0))
    update = Update(0, 0.0, "generator", task.networks, task.teachers, torch.Generator())
    batch["mask"] = torch.zeros_like(batch["mask"])
    losses = task.step(update, batch)
    for name in ("pixel", "perceptual", "style"):
        assert (float(losses[name].detach()) == 0) == (pasted or name == "style")
    assert torch.equal(batch["made"], batch["clean"]) == pasted


@needs_parser
@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_was_cut_off_ends_like_one_that_was_not(
    name: str, pairs_store: Path, tmp_path: Path, cut_off_ends_like_whole: Callable[[Recipe[Any], Any], Path]
) -> None:
    recipe = load_recipe(name)
    config = _config(name, pairs_store, check=pairs_store, width=4, checkpoint_minutes=0.0)
    whole = cut_off_ends_like_whole(recipe, config)
    with (whole / "validation.csv").open() as file:
        scores = list(csv.DictReader(file))[-1]
    assert np.isfinite([float(v) for v in scores.values()]).all()
    kinds = {"generator": Fisn} if name == "parsing_guided" else {"generator": EyeglassesNet, "deleter": UNet}
    for network, kind in kinds.items():
        registered = {Fisn: "fisn", EyeglassesNet: "eyeglasses", UNet: "eyeglasses_deleter"}[kind]
        file = tmp_path / "weights" / f"{registered}.safetensors"
        export_weights(whole / "last.safetensors", file, network=network)
        loaded, card = load_network(registered, tmp_path / "weights")
        assert isinstance(loaded, kind)
        assert card.recipe == name
        assert card.preprocessing["margin"] == 1.9


def test_hyphens_are_underscores() -> None:
    assert load_recipe("parsing-guided").name == "parsing_guided"


def test_defaults_are_the_papers() -> None:
    one, other = (load_recipe(name).config() for name in NAMES)
    assert not one.compact
    assert not other.compact
    assert (one.adversarial, one.matching, one.perceptual, one.pixel) == (1, 10, 10, 0)
    assert (other.pixel, other.style, other.variation) == (1, 250, 0.1)
