"""FOCUS in miniature, on rendered faces behind boxes: who learns when, what falls, and runs that are resumed."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.train import EngineOptions, load_checkpoint, load_recipe, train
from wholeface.lab.train.export import card_of
from wholeface.lab.train.losses.focus import FocusWeights
from wholeface.lab.train.recipes.focus import FocusConfig, FocusTask
from wholeface.lab.train.task import Update
from wholeface.morphable import load_model
from wholeface.perceive import FaceLandmarks
from wholeface.stages.face_renderer import FaceRenderer
from wholeface.stages.shape.crop_layout import complete_layout
from wholeface.stages.shape.regressed import face_in_crop, usual_vector

EDGE, SIZE, FACES = 120, 64, 8
SMALL: dict[str, Any] = {
    "backbone": "compact", "compact": True, "input_size": SIZE, "features": "none", "optimiser": "adamw",
    "learning_rate": 2e-3,
    "mask_rate": 2.0, "batch_size": 4, "joint_batch": None, "warmup": 0, "log_every": 1,
}  # fmt: skip


class Known:
    """Knows the landmarks of the photos that it is shown."""

    def __init__(self) -> None:
        self.marks: dict[str, NDArray[np.float64]] = {}

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceLandmarks, ...]:
        marks = self.marks[hashlib.sha256(pixels.tobytes()).hexdigest()]
        return (FaceLandmarks.from_points(marks, "ibug68"),)


def _photos(folder: Path, known: Known) -> None:
    model = load_model()
    layout = complete_layout(model.identity_size, model.expression_size, model.albedo_size)
    assert model.landmarks_68 is not None
    marks = model.landmarks_68.points(model.mean, model.triangles)[:, :2] * torch.tensor([1.0, -1.0])
    marks = (marks - (marks.amax(0) + marks.amin(0)) / 2) * 0.45 + (EDGE - 1) / 2
    mean, spread = usual_vector(layout, model, marks, EDGE)
    noise = torch.randn(FACES, layout.size, generator=torch.Generator().manual_seed(3))
    vectors = mean + 0.5 * spread * noise
    vectors[:, model.identity_size : model.identity_size + model.expression_size] = 0
    faces, renderer = face_in_crop(vectors, layout, model, EDGE), FaceRenderer.of(model)
    drawn, points = renderer(*faces), renderer.landmarks(*faces).double().numpy()
    images = drawn.over(torch.full((FACES, 3, EDGE, EDGE), 0.4)).clamp(0, 1)
    for n, image in enumerate((images.permute(0, 2, 3, 1) * 255).round().byte().numpy()):
        pixels, hidden = image.copy(), np.zeros((EDGE, EDGE), bool)
        left = int(points[n, 30, 0]) - 4
        hidden[int(points[n, 30, 1]) : EDGE, left : left + 40] = True
        pixels[hidden] = (20, 200, 60)
        Image.fromarray(pixels).save(folder / f"{n}.png")
        known.marks[hashlib.sha256(pixels.tobytes()).hexdigest()] = points[n]
        for part, values in (("face", drawn.region[n, 0].numpy() > 0), ("occluder", hidden)):
            Image.fromarray(np.where(values, np.uint8(255), np.uint8(0))).save(folder / f"{n}_{part}.png")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    folder = tmp_path_factory.mktemp("focus") / "photos"
    folder.mkdir()
    known = Known()
    _photos(folder, known)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wholeface.lab.data.photo_crops.build.load_detector", lambda: known)
        yield {"data": folder, "check": folder, "cache": folder.parent / "cache"}


def _task(data: dict[str, Path], **settings: Any) -> FocusTask:
    torch.manual_seed(0)
    task = load_recipe("focus").build(FocusConfig(**{**SMALL, **data, **settings}))
    assert isinstance(task, FocusTask)
    return task


def _learned(task: FocusTask, turn: str, step: int, count: int) -> list[dict[str, float]]:
    """Some updates of one turn on the same batch."""
    optimiser = task.optimisers(task.config)[turn]
    batch = task.load(np.arange(4), torch.Generator().manual_seed(1))
    found = []
    for name, network in task.networks.items():
        network.train(name == turn)
    for _ in range(count):
        update = Update(step, 0.0, turn, task.networks, task.teachers, torch.Generator())
        losses = task.step(update, batch)
        for network in task.networks.values():
            network.zero_grad()
        losses["loss"].backward()
        optimiser.step()
        found.append({name: float(value.detach()) for name, value in losses.items()})
    return found


def test_the_settings_are_the_papers() -> None:
    config = FocusConfig()
    assert config.weights == FocusWeights()
    assert (config.batch_size, config.joint_batch, config.pretrain_encoder) == (12, 6, 300_000)
    assert (config.encoder_updates, config.mask_updates) == (25_000, 5_000)
    assert (config.optimiser, config.learning_rate, config.mask_rate) == ("adadelta", 0.06, 0.06)
    assert (config.decay, config.decay_every, config.threshold) == (0.99, 5_000, 0.17)


def test_the_schedule_and_its_optimisers(data: dict[str, Path]) -> None:
    task = _task(data, optimiser="adadelta", learning_rate=0.06, mask_rate=0.06)
    schedule = task.schedule(task.config)
    turns = [schedule.phase(step).turns for step in (0, 299_999, 300_000, 304_999, 305_000, 329_999, 330_000)]
    assert turns == [("encoder",)] * 2 + [("segmenter",)] * 2 + [("encoder",)] * 2 + [("segmenter",)]
    assert schedule.phase(335_000).turns == ("encoder",)
    assert schedule.rates["encoder"](0.06, 10_000, 0.5) == pytest.approx(0.06 * 0.99**2)
    optimisers = task.optimisers(task.config)
    assert isinstance(optimisers["encoder"], torch.optim.Adadelta)
    assert optimisers["segmenter"].defaults["lr"] == pytest.approx(0.06 * 0.06)


def test_the_encoder_learns_to_fit(data: dict[str, Path]) -> None:
    task = _task(data)
    found = _learned(task, "encoder", 0, 12)
    assert found[-1]["loss"] < 0.7 * found[0]["loss"]
    assert found[-1]["landmarks"] < 0.7 * found[0]["landmarks"]


def test_the_mask_learns_what_the_fit_does_not_explain(data: dict[str, Path]) -> None:
    """First from the preliminary masks, then by the balance of the losses; the green boxes go, the faces stay."""
    task = _task(data, binary=0.5)
    _learned(task, "encoder", 0, 12)
    first = _learned(task, "segmenter", task.config.pretrain_encoder, 25)
    assert first[-1]["preliminary"] < 0.5 * first[0]["preliminary"]
    joint = task.config.pretrain_encoder + task.config.pretrain_mask
    found = _learned(task, "segmenter", joint + task.config.encoder_updates, 10)
    assert found[-1]["loss"] < found[0]["loss"]
    assert list(found[0]) == list(first[0])
    networks = {name: network.eval() for name, network in task.networks.items()}
    scores = task.evaluate(networks, torch.device("cpu"))
    assert scores["iou"] > 0.6
    assert scores["f1"] > 0.8
    sheet = task.preview(networks, torch.device("cpu"))
    assert sheet is not None
    assert sheet.shape == (2 * SIZE, 4 * 3 * SIZE, 3)


def test_the_mask_pulls_the_encoder_but_stays(data: dict[str, Path]) -> None:
    """Of the terms of L_R the area has a gradient through S alone, which reaches the encoder and moves no mask."""
    config = {"image": 0.0, "feature": 0.0, "landmarks": 0.0, "coefficients": 0.0}
    task = _task(data, **config)
    task.networks["segmenter"].requires_grad_(False).eval()
    step = task.config.pretrain_encoder + task.config.pretrain_mask
    batch = task.load(np.arange(4), torch.Generator().manual_seed(1))
    update = Update(step, 0.0, "encoder", task.networks, task.teachers, torch.Generator())
    task.step(update, batch)["loss"].backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in task.networks["encoder"].parameters())
    assert all(p.grad is None for p in task.networks["segmenter"].parameters())


def test_batch_statistics_stay_when_they_should(data: dict[str, Path]) -> None:
    for still in (True, False):
        task = _task(data, still=still)
        before = {name: value.clone() for name, value in task.networks["encoder"].named_buffers()}
        _learned(task, "encoder", 0, 1)
        after = dict(task.networks["encoder"].named_buffers())
        assert all(torch.equal(value, after[name]) for name, value in before.items()) == still


def _states(folder: Path) -> dict[str, dict[str, Tensor]]:
    return {n: dict(state) for n, state in load_checkpoint(folder / "last.safetensors").networks.items()}


def test_in_a_phase_the_other_network_stays_as_it_is(data: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("lightning_fabric")
    recipe, learner = load_recipe("focus"), []
    phases: dict[str, Any] = {
        "pretrain_encoder": 1, "pretrain_mask": 1, "encoder_updates": 1, "mask_updates": 1, "validate_every": 100,
        "optimiser": "adadelta",  # whose learning rate does not depend on the number of steps
        "sources": ("renderings (CC0)", "boxes"),
    }  # fmt: skip
    states = []
    for steps in range(1, 6):
        config = FocusConfig(**{**SMALL, **data, **phases, "steps": steps})
        train(recipe, config, tmp_path / str(steps), options=EngineOptions(threads=1))
        states.append(_states(tmp_path / str(steps)))
    card = card_of(load_checkpoint(tmp_path / "1" / "last.safetensors"), network="encoder")
    assert card.sources == ("renderings (CC0)", "boxes")
    for before, after in itertools.pairwise(states):
        moved = [
            name
            for name in ("encoder", "segmenter")
            if any(not torch.equal(value, after[name][key]) for key, value in before[name].items())
        ]
        assert len(moved) == 1
        learner.append(moved[0])
    assert learner == ["segmenter", "encoder", "segmenter", "encoder"]


def test_a_resumed_run_ends_like_one_that_was_not_stopped(data: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("lightning_fabric")
    recipe = load_recipe("focus")
    phases = {"pretrain_encoder": 1, "pretrain_mask": 1, "encoder_updates": 1, "mask_updates": 1}
    config = FocusConfig(**{**SMALL, **data, **phases, "steps": 4, "validate_every": 100})
    options = EngineOptions(threads=1)
    train(recipe, config, tmp_path / "whole", options=options)
    paused = train(recipe, config, tmp_path / "parts", options=options, pause_after=1e-6)
    assert paused.status == "paused"
    train(recipe, config, tmp_path / "parts", options=options, resume=True)
    whole, parts = _states(tmp_path / "whole"), _states(tmp_path / "parts")
    for name, state in whole.items():
        for key, value in state.items():
            assert torch.equal(value, parts[name][key]), f"{name}.{key}"


def test_the_baselines(data: dict[str, Path]) -> None:
    """What each leaves out: nothing; what is hidden; besides, boxes; what has not the colour of skin."""
    losses = {}
    for name, settings in {
        "none": {"mask": "none"},
        "supervised": {"mask": "supervised"},
        "cutmix": {"mask": "supervised", "cut": "cutmix"},
        "cutout": {"mask": "supervised", "cut": "cutout"},
        "skin": {"mask": "skin"},
    }.items():
        task = _task(data, **settings)
        assert list(task.networks) == ["encoder"]
        assert task.schedule(task.config).turns == ("encoder",)
        losses[name] = _learned(task, "encoder", 0, 1)[0]
    assert losses["none"]["area"] == pytest.approx(-1)
    assert -0.95 < losses["supervised"]["area"] < -0.3
    assert losses["cutmix"]["area"] > losses["supervised"]["area"]
    assert losses["supervised"]["image"] < losses["none"]["image"]
    assert -1 < losses["skin"]["area"] < -0.05


def test_what_is_refused(data: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="data=FOLDER"):
        _task({})
    with pytest.raises(UsageError, match="mask=supervised"):
        FocusConfig(cut="cutmix")
    with pytest.raises(UsageError, match="multiple of 32"):
        FocusConfig(input_size=100)
    with pytest.raises(DataError, match="no such folder"):
        _task({"data": tmp_path / "nowhere"})


def test_the_published_layout_learns_too(data: dict[str, Path]) -> None:
    task = _task(data, layout="257")
    assert task.layout.size == 257
    found = _learned(task, "encoder", 0, 8)
    assert found[-1]["loss"] < 0.9 * found[0]["loss"]
