"""Three recipes of several networks, small enough for tests: a GAN, an alternation as in EM, a frozen teacher."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from wholeface.lab.train import (
    Batch,
    EngineOptions,
    JointTask,
    Listener,
    Phase,
    Recipe,
    Schedule,
    StepDecay,
    TrainConfig,
    Update,
    train,
)

CPU = EngineOptions(device="cpu", threads=1)


@dataclass(frozen=True)
class JointConfig(TrainConfig):
    """Settings.

    Args:
        teacher_seed: of the teacher's weights.
        nameless: the encoder returns other losses from step 5 on.
    """

    steps: int = 24
    batch_size: int = 8
    warmup: int = 4
    log_every: int = 5  # never a multiple of the turns
    validate_every: int = 7
    teacher_seed: int = 3
    nameless: bool = False


class Points(JointTask):
    """Points on a noisy line; what the three have in common."""

    train_size = 40

    def __init__(self, config: JointConfig) -> None:
        self.config = config
        rng = np.random.default_rng(5)
        self.x = torch.from_numpy(rng.normal(size=(self.train_size, 3)).astype(np.float32))
        self.y = self.x @ torch.tensor([[1.0], [-2.0], [0.5]])

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        picked = torch.from_numpy(indices)
        noise = 0.05 * torch.randn(len(picked), 3, generator=generator)
        return {"x": self.x[picked] + noise, "y": self.y[picked]}

    def evaluate(self, networks: Mapping[str, nn.Module], device: torch.device) -> dict[str, float]:
        assert not any(network.training for network in networks.values())
        total = sum(p.double().sum() for n in networks.values() for p in n.parameters())
        return {"sum": float(total), "draw": float(torch.rand(()))}


class Gan(Points):
    """Two players on the same batch; dropout and batch statistics in the generator, noise from the engine."""

    def __init__(self, config: JointConfig) -> None:
        super().__init__(config)
        generator = nn.Sequential(
            nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3)
        )
        critic = nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
        self.networks = {"generator": generator, "critic": critic}

    def optimisers(self, config: TrainConfig) -> Mapping[str, torch.optim.Optimizer]:
        return {
            "critic": torch.optim.Adam(self.networks["critic"].parameters(), lr=4e-3, betas=(0.0, 0.99)),
            "generator": torch.optim.Adam(
                self.networks["generator"].parameters(), lr=1e-3, betas=(0.0, 0.99)
            ),
        }

    def schedule(self, config: TrainConfig) -> Schedule:
        return Schedule((Phase(("critic", "generator"), resting="train"),))

    def averages(self, config: TrainConfig) -> Mapping[str, float]:
        return {"generator": 0.9}

    def step(self, update: Update, batch: Batch) -> dict[str, Tensor]:
        generator, critic = update.networks["generator"], update.networks["critic"]
        fake = generator(torch.randn(len(batch["x"]), 2, generator=update.generator))
        if update.turn == "critic":
            real, false = critic(batch["x"]), critic(fake.detach())
            return {"loss": F.softplus(-real).mean() + F.softplus(false).mean(), "real": real.mean()}
        return {"loss": F.softplus(-critic(fake)).mean()}


class Alternation(Points):
    """An encoder and a segmentation in turns of some updates, by Adadelta with a decay in steps, as FOCUS does."""

    def __init__(self, config: JointConfig) -> None:
        super().__init__(config)
        encoder = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))
        mask = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))
        self.networks = {"encoder": encoder, "mask": mask}
        self.seen: list[tuple[int, str, dict[str, Tensor]]] = []

    def optimisers(self, config: TrainConfig) -> Mapping[str, torch.optim.Optimizer]:
        return {name: torch.optim.Adadelta(n.parameters(), lr=0.5) for name, n in self.networks.items()}

    def schedule(self, config: TrainConfig) -> Schedule:
        return Schedule(
            before=(Phase(("encoder",), updates=4),),
            cycle=(Phase(("mask",), updates=3), Phase(("encoder",), updates=2)),
            rates={"encoder": StepDecay(every=5, factor=0.5), "mask": StepDecay(every=2, factor=0.9)},
            clips={"mask": 0.0},
        )

    def step(self, update: Update, batch: Batch) -> dict[str, Tensor]:
        state = {
            f"{name}.{key}": value.clone()
            for name, network in self.networks.items()
            for key, value in network.state_dict().items()
        }
        self.seen.append((update.step, update.turn, state))
        error = (update.networks["encoder"](batch["x"]) - batch["y"]).square()
        visible = update.networks["mask"](torch.cat([batch["x"], batch["y"]], dim=1)).sigmoid()
        losses = {"loss": (visible * error).mean() - 0.5 * visible.log().mean()}
        if update.turn == "mask":
            return {**losses, "visible": visible.mean()}
        return {**losses, "more": losses["loss"]} if self.config.nameless and update.step >= 5 else losses


class Distillation(Points):
    """A student that learns from a teacher with batch statistics, which are not to follow the batches."""

    def __init__(self, config: JointConfig) -> None:
        super().__init__(config)
        self.networks = {"student": nn.Linear(3, 1)}
        state = torch.get_rng_state()
        torch.manual_seed(config.teacher_seed)
        teacher = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1)
        )
        torch.set_rng_state(state)
        self.teachers = {"teacher": teacher}

    def step(self, update: Update, batch: Batch) -> dict[str, Tensor]:
        told = update.teachers["teacher"](batch["x"])
        assert not told.requires_grad
        return {"loss": (update.networks["student"](batch["x"]) - told).square().mean()}


RECIPES: dict[str, Recipe[JointConfig]] = {
    kind.__name__.lower(): Recipe(kind.__name__.lower(), "A toy.", JointConfig, kind)
    for kind in (Gan, Alternation, Distillation)
}


class KillAt(Listener):
    """No exception, no clean-up: the process is gone."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, seen: object) -> None:
        if seen.step == self.step:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGKILL)


def kill_all(folder: Path, step: int) -> None:
    """Run each recipe in a child that is killed when ``step`` updates are done."""
    for name, recipe in RECIPES.items():
        child = os.fork()
        if child == 0:
            signal.alarm(100)  # another signal than the expected one
            train(recipe, recipe.config(), folder / name, options=CPU, listener=KillAt(step))
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGKILL
