"""The training loop: resuming, worker counts, budgets, broken numbers."""

from __future__ import annotations

import csv
import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from wholeface.core.errors import ModelFileError, TrainingError, UsageError
from wholeface.lab.train import EngineOptions, Listener, Recipe, load_checkpoint, train
from wholeface.lab.train.engine.loop import learning_rate
from wholeface.lab.train.engine.watch import SeenStep

pytest.importorskip("lightning_fabric")
CPU = EngineOptions(device="cpu")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return [
            {k: v for k, v in row.items() if k not in ("seconds", "samples_per_second")}
            for row in csv.DictReader(file)
        ]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    found = load_checkpoint(folder / "last.safetensors")
    return {
        f"{part}/{owner}/{name}": value
        for part in ("networks", "averages", "optimisers")
        for owner, state in getattr(found, part).items()
        for name, value in state.items()
    }


def assert_same_run(one: Path, other: Path) -> None:
    for name in ("train.csv", "validation.csv"):
        assert rows(one / name) == rows(other / name)
    ours, theirs = tensors(one), tensors(other)
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


class At(Listener):
    """Does something when a step has been seen."""

    def __init__(self, step: int, action: Callable[[], None]) -> None:
        self.step, self.action = step, action

    def stepped(self, seen: SeenStep) -> None:
        if seen.step == self.step:
            self.action()


class Crash(Exception):
    """Stands for a power cut: nothing is written any more."""


def crash() -> None:
    raise Crash


@pytest.fixture(scope="module")
def whole(toy: Recipe[Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    outcome = train(toy, toy.config(), folder, options=CPU)
    assert (outcome.status, outcome.step) == ("finished", 24)
    return folder


def test_the_log_holds_the_numbers(whole: Path) -> None:
    table = rows(whole / "train.csv")
    assert [int(row["step"]) for row in table] == list(range(1, 25))
    assert list(table[0]) == ["step", "learning_rate", "loss", "absolute", "gradient_norm"]
    checked = rows(whole / "validation.csv")
    assert [int(row["step"]) for row in checked] == [0, 7, 14, 21, 24]
    checkpoint = load_checkpoint(whole / "last.safetensors")
    assert checkpoint.finished
    assert checkpoint.metrics == {k: float(v) for k, v in checked[-1].items() if k != "step"}
    assert Image.open(whole / "pictures" / "step_0000007.png").size == (40, 8)


def test_the_first_losses_are_those_of_the_plain_loop(toy: Recipe[Any], whole: Path) -> None:
    """The same thing by hand, without engine, average or log."""
    from wholeface.lab.train.engine.stream import batch_indices, stream_generator, stream_seed

    config = toy.config()
    torch.manual_seed(config.seed)
    task = toy.build(config)
    optimiser = task.optimiser(config)
    for step, row in enumerate(rows(whole / "train.csv")):
        indices = batch_indices(task.train_size, config.batch_size, config.seed, step)
        batch = task.load(indices, stream_generator(config.seed, step, 0, 0))
        batch = task.prepare(batch, stream_generator(config.seed, step, 0, 1))
        torch.manual_seed(stream_seed(config.seed, step, 0, 2))
        rate = learning_rate(config, step, step / config.steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad()
        losses = task.losses(task.network, batch, step / config.steps)
        losses["loss"].backward()
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, config.clip)
        optimiser.step()
        expected = {
            "learning_rate": rate,
            **{k: v.item() for k, v in losses.items()},
            "gradient_norm": float(norm),
        }
        assert {k: float(v) for k, v in row.items() if k != "step"} == expected
    ours = tensors(whole)
    for name, value in task.network.state_dict().items():
        assert torch.equal(ours[f"networks/network/{name}"], value), name
        if value.is_floating_point():
            assert not torch.equal(ours[f"averages/network/{name}"], value), name


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(toy: Recipe[Any], whole: Path, tmp_path: Path, workers: int) -> None:
    train(toy, toy.config(), tmp_path, options=EngineOptions(device="cpu", workers=workers))
    assert_same_run(whole, tmp_path)


@pytest.mark.parametrize("step", [1, 7, 10, 23])
def test_crashed_and_resumed_equals_uninterrupted(
    toy: Recipe[Any], whole: Path, tmp_path: Path, step: int
) -> None:
    with pytest.raises(Crash):
        train(toy, toy.config(), tmp_path, options=CPU, listener=At(step, crash))
    (tmp_path / "train.csv").open("a").write("25,0.1,")  # a half-written row
    torch.rand(step)
    outcome = train(toy, toy.config(), tmp_path, options=CPU, resume=True)
    assert outcome.status == "finished"
    assert_same_run(whole, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_politely_and_resumed_equals_uninterrupted(
    toy: Recipe[Any], whole: Path, tmp_path: Path, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    listener = At(12, lambda: os.kill(os.getpid(), number))
    outcome = train(toy, toy.config(), tmp_path, options=CPU, listener=listener)
    assert (outcome.status, outcome.step) == ("interrupted", 12)
    assert signal.getsignal(number) is before
    train(toy, toy.config(), tmp_path, options=CPU, resume=True)
    assert_same_run(whole, tmp_path)


def test_paused_and_resumed_equals_uninterrupted(toy: Recipe[Any], tmp_path: Path) -> None:
    config = toy.config(pause_seconds=0.02)
    sessions = 0
    while True:
        outcome = train(toy, config, tmp_path / "run", options=CPU, resume=True, pause_after=0.3 / 60)
        sessions += 1
        if outcome.status == "finished":
            break
        assert outcome.status == "paused"
        assert sessions < 20
    assert sessions > 1
    train(toy, config, tmp_path / "whole", options=CPU)
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_a_finished_run_stays_finished(toy: Recipe[Any], tmp_path: Path) -> None:
    first = train(toy, toy.config(), tmp_path, options=CPU)
    content = (tmp_path / "last.safetensors").read_bytes()
    again = train(toy, toy.config(), tmp_path, options=CPU, resume=True)
    assert (again.status, again.step, again.metrics) == ("finished", 24, first.metrics)
    assert (tmp_path / "last.safetensors").read_bytes() == content
    longer = train(toy, toy.config(steps=30), tmp_path, options=CPU, resume=True)
    assert longer.step == 30


def test_a_run_that_goes_on_keeps_its_budget(toy: Recipe[Any], tmp_path: Path) -> None:
    config = toy.config(steps=1_000_000, pause_seconds=0.01, warmup=0)
    first = train(toy, config, tmp_path, options=CPU, minutes=2 / 60, pause_after=0.4 / 60)
    assert first.status == "paused"
    assert load_checkpoint(first.checkpoint).facts["minutes"] == pytest.approx(2 / 60)
    again = train(toy, config, tmp_path, options=CPU, resume=True)
    assert again.status == "finished"
    assert again.step < 400


def test_a_budget_ends_the_schedule_in_time(toy: Recipe[Any], tmp_path: Path) -> None:
    config = toy.config(steps=1_000_000, pause_seconds=0.01, warmup=0, final_rate=0.0)
    outcome = train(toy, config, tmp_path, options=CPU, minutes=1.5 / 60)
    assert outcome.status == "finished"
    assert 5 < outcome.step < 200
    assert outcome.seconds < 1.5
    rates = [float(row["learning_rate"]) for row in rows(tmp_path / "train.csv")]
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates))
    assert rates[-1] < 0.05 * config.learning_rate
    assert load_checkpoint(outcome.checkpoint).finished
    assert int(rows(tmp_path / "validation.csv")[-1]["step"]) == outcome.step


def test_a_loss_that_is_not_a_number_stops_with_the_samples(toy: Recipe[Any], tmp_path: Path) -> None:
    config = toy.config(poison=3)
    pattern = r"recipe toy, step (\d+): loss = nan, absolute = nan.*toys \[([\d, ]+)\].*last\.safetensors"
    with pytest.raises(TrainingError, match=pattern) as caught:
        train(toy, config, tmp_path, options=CPU)
    import re

    found = re.search(pattern, str(caught.value))
    assert found is not None
    assert 3 in [int(word) for word in found[2].split(",")]
    checkpoint = load_checkpoint(tmp_path / "last.safetensors")
    assert checkpoint.step <= int(found[1])
    assert all(v.isfinite().all() for v in tensors(tmp_path).values())
    table = rows(tmp_path / "train.csv")
    assert all(np.isfinite(float(row["loss"])) for row in table)
    assert len(table) == int(found[1])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_sample_that_cannot_be_loaded_stops_with_its_batch(
    toy: Recipe[Any], tmp_path: Path, workers: int
) -> None:
    config = toy.config(unreadable=3)
    with pytest.raises(TrainingError, match=r"recipe toy, step \d+: OSError: the disk is gone.*toys \["):
        train(toy, config, tmp_path, options=EngineOptions(device="cpu", workers=workers))
    assert load_checkpoint(tmp_path / "last.safetensors").step >= 0


def test_a_worker_that_is_killed_is_one_error(toy: Recipe[Any], tmp_path: Path) -> None:
    config = toy.config(unreadable=3, deadly=True)
    with pytest.raises(TrainingError, match=r"recipe toy, step \d+: DataLoader worker .*toys \["):
        train(toy, config, tmp_path, options=EngineOptions(device="cpu", workers=1))


def test_a_folder_with_a_run_is_not_overwritten(toy: Recipe[Any], whole: Path) -> None:
    with pytest.raises(UsageError, match="--resume"):
        train(toy, toy.config(), whole, options=CPU)


def test_checkpoints_of_other_runs_are_refused(toy: Recipe[Any], whole: Path, tmp_path: Path) -> None:
    import dataclasses
    import shutil

    shutil.copy(whole / "last.safetensors", tmp_path)
    with pytest.raises(TrainingError, match="of the recipe 'toy', not 'other'"):
        train(dataclasses.replace(toy, name="other"), toy.config(), tmp_path, options=CPU, resume=True)
    with pytest.raises(TrainingError, match="does not fit the recipe 'toy' with these settings"):
        train(toy, toy.config(width=9), tmp_path, options=CPU, resume=True)
    (tmp_path / "last.safetensors").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelFileError, match="damaged"):
        train(toy, toy.config(), tmp_path, options=CPU, resume=True)


def test_without_average_the_network_itself_is_kept(toy: Recipe[Any], tmp_path: Path) -> None:
    train(toy, toy.config(ema=0.0), tmp_path, options=CPU)
    found = load_checkpoint(tmp_path / "last.safetensors")
    assert not found.averages
    assert found.average is found.network


def test_bfloat16(toy: Recipe[Any], whole: Path, tmp_path: Path) -> None:
    train(toy, toy.config(), tmp_path, options=EngineOptions(device="cpu", precision="bf16-mixed"))
    ours, theirs = (np.array([float(r["loss"]) for r in rows(f / "train.csv")]) for f in (tmp_path, whole))
    assert not np.array_equal(ours, theirs)
    np.testing.assert_allclose(ours, theirs, rtol=0.1, atol=0.05)
    assert all(value.dtype != torch.bfloat16 for value in tensors(tmp_path).values())


def test_no_cuda_is_one_sentence(toy: Recipe[Any], tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(UsageError, match="no CUDA device"):
        train(toy, toy.config(), tmp_path, options=EngineOptions(device="cuda"))


@pytest.mark.gpu
def test_on_a_gpu(toy: Recipe[Any], whole: Path, tmp_path: Path) -> None:
    """The same samples in the same order; a broken loss is found although the device runs ahead."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    train(toy, toy.config(), tmp_path / "run", options=EngineOptions(device="cuda", workers=2))
    assert [r["step"] for r in rows(tmp_path / "run" / "train.csv")] == [str(n) for n in range(1, 25)]
    first = float(rows(tmp_path / "run" / "train.csv")[0]["absolute"])
    assert first > 0
    with pytest.raises(TrainingError, match=r"step \d+: loss = nan.*toys"):
        train(toy, toy.config(poison=3), tmp_path / "nan", options=EngineOptions(device="cuda"))
    assert all(v.isfinite().all() for v in tensors(tmp_path / "nan").values())
    with pytest.raises(Crash):
        train(
            toy, toy.config(), tmp_path / "cut", options=EngineOptions(device="cuda"), listener=At(10, crash)
        )
    train(toy, toy.config(), tmp_path / "cut", options=EngineOptions(device="cuda"), resume=True)
    table = rows(tmp_path / "cut" / "train.csv")
    assert [r["step"] for r in table] == [str(n) for n in range(1, 25)]
    np.testing.assert_allclose(
        [float(r["loss"]) for r in table],
        [float(r["loss"]) for r in rows(tmp_path / "run" / "train.csv")],
        rtol=1e-4,
    )
    mixed = EngineOptions(device="cuda", precision="16-mixed")
    assert train(toy, toy.config(), tmp_path / "half", options=mixed).status == "finished"


def test_learning_rate() -> None:
    from wholeface.lab.train import TrainConfig

    config = TrainConfig(learning_rate=2.0, final_rate=0.1, warmup=4)
    assert [learning_rate(config, step, 0.0) for step in range(5)] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert learning_rate(config, 9, 0.5) == pytest.approx(2.0 * (0.1 + 0.9 / 2))
    assert learning_rate(config, 9, 1.0) == pytest.approx(0.2)
    assert learning_rate(config, 9, 7.0) == pytest.approx(0.2)
