"""Several networks in one run: two players, an alternation, a frozen teacher; parts of batches, resuming."""

from __future__ import annotations

import csv
import importlib.util
import itertools
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from wholeface.app.cli.command import main
from wholeface.core.errors import TrainingError, UsageError
from wholeface.lab.train import EngineOptions, Listener, Phase, Recipe, Schedule, load_checkpoint, train
from wholeface.networks.weights import load_weights

pytest.importorskip("lightning_fabric")
_FILE = Path(__file__).with_name("joint_recipes.py")
KINDS = ["gan", "alternation", "distillation"]


@pytest.fixture(scope="module")
def joint() -> ModuleType:
    spec = importlib.util.spec_from_file_location("joint_recipes", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["joint_recipes"] = module
    spec.loader.exec_module(module)
    return module


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        skipped = ("seconds", "samples_per_second")
        return [{k: v for k, v in row.items() if k not in skipped} for row in csv.DictReader(file)]


def tensors(folder: Path) -> dict[str, Tensor]:
    with safe_open(folder / "last.safetensors", framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def assert_same_run(one: Path, other: Path) -> None:
    for name in ("train.csv", "validation.csv"):
        assert rows(one / name) == rows(other / name)
    ours, theirs = tensors(one), tensors(other)
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


class Watched:
    """A recipe whose task is kept, to be looked at."""

    def __init__(self, recipe: Recipe[Any]) -> None:
        import dataclasses

        self.task: Any = None
        self.build = recipe.build
        self.recipe = dataclasses.replace(recipe, build=self._build)

    def _build(self, config: Any) -> Any:
        self.task = self.build(config)
        return self.task


@pytest.fixture(scope="module")
def whole(joint: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Uninterrupted runs of the three."""
    folder = tmp_path_factory.mktemp("whole")
    for name, recipe in joint.RECIPES.items():
        assert train(recipe, recipe.config(), folder / name, options=joint.CPU).status == "finished"
    return folder


@pytest.fixture(scope="module")
def killed(joint: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that SIGKILL ended after 12 updates; their checkpoints are of 7."""
    if not hasattr(os, "fork"):
        pytest.skip("needs processes that fork")
    folder = tmp_path_factory.mktemp("killed")
    joint.kill_all(folder, 12)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_killed_and_resumed_equals_uninterrupted(
    joint: ModuleType, whole: Path, killed: Path, kind: str
) -> None:
    assert load_checkpoint(killed / kind / "last.safetensors").step == 7
    torch.rand(3)
    recipe = joint.RECIPES[kind]
    outcome = train(recipe, recipe.config(), killed / kind, options=joint.CPU, resume=True)
    assert (outcome.status, outcome.step) == ("finished", 24)
    assert_same_run(whole / kind, killed / kind)


class Crash(Exception):
    pass


class CrashAt(Listener):
    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, seen: Any) -> None:
        if seen.step == self.step:
            raise Crash


@pytest.mark.parametrize("step", [3, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_stopped_and_resumed_equals_uninterrupted(
    joint: ModuleType, whole: Path, tmp_path: Path, kind: str, step: int
) -> None:
    recipe = joint.RECIPES[kind]
    with pytest.raises(Crash):
        train(recipe, recipe.config(), tmp_path, options=joint.CPU, listener=CrashAt(step))
    train(recipe, recipe.config(), tmp_path, options=joint.CPU, resume=True)
    assert_same_run(whole / kind, tmp_path)


def test_the_gan_is_that_of_the_plain_loop(joint: ModuleType, whole: Path) -> None:
    """The same thing by hand: the critic's step, then the generator's, on one batch."""
    from wholeface.lab.train.engine.loop import learning_rate
    from wholeface.lab.train.engine.stream import batch_indices, stream_generator, stream_seed

    config = joint.JointConfig()
    torch.manual_seed(config.seed)
    task = joint.Gan(config)
    optimisers = task.optimisers(config)
    average = {k: v.clone() for k, v in task.networks["generator"].state_dict().items()}
    for step in range(config.steps):
        batch = task.load(
            batch_indices(task.train_size, config.batch_size, config.seed, step),
            stream_generator(config.seed, step, 0, 0),
        )
        torch.manual_seed(stream_seed(config.seed, step, 0, 2))
        for number, name in enumerate(("critic", "generator")):
            draws = stream_generator(config.seed, step, 0, 4 + number)
            update = joint.Update(step, step / config.steps, name, task.networks, {}, draws)
            optimisers[name].zero_grad()
            task.step(update, batch)["loss"].backward()
            parameters = list(task.networks[name].parameters())
            torch.nn.utils.clip_grad_norm_(parameters, config.clip)
            peak = optimisers[name].defaults["lr"]
            factor = learning_rate(joint.JointConfig(learning_rate=peak), step, step / config.steps)
            for group in optimisers[name].param_groups:
                group["lr"] = factor
            optimisers[name].step()
        decay = min(0.9, (2 + step) / (11 + step))
        for key, value in task.networks["generator"].state_dict().items():
            average[key] = average[key].lerp(value, 1 - decay) if value.is_floating_point() else value.clone()
    found = load_checkpoint(whole / "gan" / "last.safetensors")
    for name, network in task.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(found.networks[name][key], value), (name, key)
    for key, value in average.items():
        torch.testing.assert_close(found.averages["generator"][key], value)
    assert set(found.averages) == {"generator"}


def test_the_log_names_turns(whole: Path) -> None:
    table = rows(whole / "gan" / "train.csv")
    assert [row["step"] for row in table] == ["5", "10", "15", "20"]
    assert list(table[0]) == [
        "step", "critic/learning_rate", "generator/learning_rate",
        "critic/loss", "critic/real", "critic/gradient_norm", "generator/loss", "generator/gradient_norm",
    ]  # fmt: skip
    table = rows(whole / "alternation" / "train.csv")
    assert list(table[0]) == [
        "step", "encoder/learning_rate", "encoder/loss", "encoder/gradient_norm",
        "mask/learning_rate", "mask/loss", "mask/visible",
    ]  # fmt: skip
    assert all(table[-1].values())


def test_in_an_alternation_one_rests_while_the_other_learns(joint: ModuleType, tmp_path: Path) -> None:
    watched = Watched(joint.RECIPES["alternation"])
    train(watched.recipe, joint.JointConfig(), tmp_path, options=joint.CPU)
    seen = watched.task.seen
    plan = ["encoder"] * 4 + (["mask"] * 3 + ["encoder"] * 2) * 4
    assert [turn for _, turn, _ in seen] == plan
    for (_, turn, before), (_, _, after) in itertools.pairwise(seen):
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert {name.partition(".")[0] for name in moved} == {turn}  # neither weights nor running statistics
        assert {f"{turn}.3.weight", f"{turn}.1.running_mean"} <= moved
    rates = {
        (int(row["step"]), name): float(row[f"{name}/learning_rate"] or "nan")
        for row in rows(tmp_path / "train.csv")
        for name in ("encoder", "mask")
    }
    assert rates[5, "encoder"] == 0.5  # of its own updates: 4 by then, 8 after 15
    assert rates[15, "encoder"] == 0.25
    assert rates[15, "mask"] == pytest.approx(0.5 * 0.9**3)
    updates = load_checkpoint(tmp_path / "last.safetensors").facts["updates"]
    assert updates["networks"] == updates["optimisers"] == {"encoder": 12, "mask": 12}


def test_a_teacher_never_changes_and_is_known_by_its_hash(joint: ModuleType, tmp_path: Path) -> None:
    watched = Watched(joint.RECIPES["distillation"])
    config = joint.JointConfig()
    before = joint.Distillation(config).teachers["teacher"].state_dict()
    train(watched.recipe, config, tmp_path, options=joint.CPU)
    teacher = watched.task.teachers["teacher"]
    assert not teacher.training
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(p.grad is None for p in teacher.parameters())
    names = {key.split("/")[1] for key in tensors(tmp_path)}
    assert names == {"student"}
    assert len(load_checkpoint(tmp_path / "last.safetensors").facts["teachers"]["teacher"]) == 64
    other = joint.JointConfig(teacher_seed=4, steps=30)
    with pytest.raises(
        TrainingError, match="the teacher 'teacher' has other weights than the one with which"
    ):
        train(watched.recipe, other, tmp_path, options=joint.CPU, resume=True)


@pytest.mark.parametrize("kind", ["distillation", "alternation"])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(joint: ModuleType, tmp_path: Path, kind: str) -> None:
    recipe, double = joint.RECIPES[kind], Watched(joint.RECIPES[kind])
    norms = {}
    for parts in (1, 3):  # 8 samples as 3, 3 and 2
        config = joint.JointConfig(steps=1, log_every=1, accumulate=parts)
        recipe = double.recipe if kind == "distillation" else _without_batch_norm(joint)
        train(recipe, config, tmp_path / str(parts), options=joint.CPU)
        norms[parts] = rows(tmp_path / str(parts) / "train.csv")[0]
    assert list(norms[1]) == list(norms[3])
    for name in norms[1]:
        assert float(norms[3][name]) == pytest.approx(float(norms[1][name]), rel=1e-5), name


def _without_batch_norm(joint: ModuleType) -> Recipe[Any]:
    class Plain(joint.Alternation):  # type: ignore[name-defined,misc]
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            for network in self.networks.values():
                network[1] = nn.Identity()

    return Recipe("plain", "", joint.JointConfig, Plain)


def test_parts_resume_exactly(joint: ModuleType, tmp_path: Path) -> None:
    recipe, config = joint.RECIPES["gan"], joint.JointConfig(accumulate=2, steps=12)
    train(recipe, config, tmp_path / "whole", options=joint.CPU)
    with pytest.raises(Crash):
        train(recipe, config, tmp_path / "cut", options=joint.CPU, listener=CrashAt(9))
    train(recipe, config, tmp_path / "cut", options=joint.CPU, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16(joint: ModuleType, whole: Path, tmp_path: Path, kind: str) -> None:
    """Networks at rest and teachers compute in it, too; weights, averages and states of optimisers do not."""
    recipe, options = joint.RECIPES[kind], EngineOptions(device="cpu", precision="bf16-mixed", threads=1)
    config = joint.JointConfig(steps=10)
    train(recipe, config, tmp_path, options=options)
    ours, theirs = rows(tmp_path / "train.csv")[0], rows(whole / kind / "train.csv")[0]
    losses = [name for name in ours if name.endswith("loss")]
    assert losses
    for name in losses:
        assert ours[name] != theirs[name]
        assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=0.1, abs=0.05)
    assert all(value.dtype != torch.bfloat16 for value in tensors(tmp_path).values())


class _Odd:
    """Recipes that contradict themselves."""

    def __init__(self, joint: ModuleType, **changes: Any) -> None:
        task = type("Odd", (joint.Gan,), {k: (lambda self, config, v=v: v(self)) for k, v in changes.items()})
        self.recipe: Recipe[Any] = Recipe("odd", "", joint.JointConfig, task)


def _sgd(*names: str) -> Any:
    return lambda task: {
        f"o{i}": torch.optim.SGD(task.networks[name].parameters(), lr=0.1) for i, name in enumerate(names)
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": lambda t: Schedule((Phase(("critic",)),))}, "no phase .* lets the optimiser generator"),
        (
            {"schedule": lambda t: Schedule((Phase(("critic+judge",)),))},
            "the schedule names judge, but the opt",
        ),
        ({"optimisers": _sgd("critic", "critic")}, "'o0' and 'o1' hold the same parameter"),
        (
            {"optimisers": lambda t: {"stray": torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)}},
            "'stray' holds a parameter that is in none of the networks",
        ),
    ],
)
def test_tasks_that_contradict_themselves_are_refused(
    joint: ModuleType, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        train(_Odd(joint, **changes).recipe, joint.JointConfig(), tmp_path, options=joint.CPU)
    assert not list(tmp_path.iterdir())


def test_losses_that_change_their_names_are_refused(joint: ModuleType, tmp_path: Path) -> None:
    recipe = joint.RECIPES["alternation"]
    with pytest.raises(TrainingError, match="step 7: the turn 'encoder' returns loss, more after loss"):
        train(recipe, joint.JointConfig(nameless=True), tmp_path, options=joint.CPU)


def test_half_precision_with_several_optimisers_on_a_loss_is_refused(
    joint: ModuleType, tmp_path: Path
) -> None:
    odd = _Odd(joint, schedule=lambda t: Schedule((Phase(("critic+generator",)),)))
    options = EngineOptions(device="cpu", precision="16-mixed")
    with pytest.raises(
        UsageError, match="16-mixed cannot step several optimisers on one loss; use bf16-mixed"
    ):
        train(odd.recipe, joint.JointConfig(), tmp_path, options=options)


def test_one_network_of_several_is_exported(
    joint: ModuleType, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "weights",
        "export",
        str(whole / "gan"),
        "-o",
        str(tmp_path / "g.safetensors"),
        "--dtype",
        "fp32",
    ]
    assert main(words) == 2
    assert "holds several networks (generator, critic); say which (--network)" in capsys.readouterr().err
    assert main([*words, "--network", "judge"]) == 2
    assert "no network 'judge'; there are: generator, critic" in capsys.readouterr().err
    found = load_checkpoint(whole / "gan" / "last.safetensors")
    for name, state in (("generator", found.averages["generator"]), ("critic", found.networks["critic"])):
        assert main([*words, "--network", name]) == 0
        written, card = load_weights(tmp_path / "g.safetensors")
        assert card.architecture == "Sequential"
        for key, value in written.items():
            assert torch.equal(value, state[key])


def test_a_run_of_the_time_of_single_networks_goes_on(toy: Recipe[Any], tmp_path: Path) -> None:
    """Files of the first schema: the same tensors under the names of then."""
    options = EngineOptions(device="cpu", threads=1)
    train(toy, toy.config(), tmp_path / "whole", options=options)
    with pytest.raises(Crash):
        train(toy, toy.config(), tmp_path / "old", options=options, listener=CrashAt(9))
    last = tmp_path / "old" / "last.safetensors"
    with safe_open(last, framework="pt") as file:
        plain = json.loads(file.metadata()["state"])
        then = {"networks": "network", "averages": "average", "optimisers": "optimiser"}
        old = {}
        for key in file.keys():  # noqa: SIM118
            part, _, name = key.split("/", 2)
            old[f"{then[part]}/{name}"] = file.get_tensor(key)
    facts = plain["facts"]
    facts = {
        **{name: facts[name] for name in ("precision", "validated_at")},
        "optimiser": facts["optimisers"]["network"],
        "card": {name: value for name, value in facts["card"].items() if name != "networks"},
    }
    plain = {**{name: value for name, value in plain.items() if name != "owners"}, "facts": facts}
    del plain["settings"]["accumulate"]
    save_file(old, last, metadata={"schema": "wholeface-checkpoint-1", "state": json.dumps(plain)})
    assert main(["weights", "export", str(tmp_path / "old"), "-o", str(tmp_path / "w.safetensors")]) == 0
    train(toy, toy.config(), tmp_path / "old", options=options, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "old")


def test_a_checkpoint_of_other_networks_is_one_sentence(
    joint: ModuleType, whole: Path, tmp_path: Path
) -> None:
    import dataclasses
    import shutil

    shutil.copy(whole / "gan" / "last.safetensors", tmp_path)
    other = dataclasses.replace(joint.RECIPES["alternation"], name="gan")
    with pytest.raises(TrainingError, match="its networks are generator, critic, not encoder, mask"):
        train(other, joint.JointConfig(), tmp_path, options=joint.CPU, resume=True)


def test_the_state_of_an_optimiser_with_another_order_is_refused() -> None:
    from wholeface.lab.train.engine.checkpoint import optimiser_from_parts, optimiser_to_parts

    layer = nn.Linear(3, 2)
    layer(torch.ones(1, 3)).sum().backward()
    one, other = torch.optim.Adam([layer.weight, layer.bias]), torch.optim.Adam([layer.bias, layer.weight])
    one.step()
    with pytest.raises(ValueError, match="the optimiser's exp_avg of parameter 0 has another shape"):
        optimiser_from_parts(other, *optimiser_to_parts(one))
