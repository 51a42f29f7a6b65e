"""A recipe small enough for tests: a line through noisy points, with dropout, batch norm and augmentation."""

from __future__ import annotations

import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wholeface.lab.train import Batch, Recipe, Task, TrainConfig


@dataclass(frozen=True)
class ToyNetConfig:
    width: int = 8
    plain: bool = False


class ToyNet(nn.Module):
    def __init__(self, config: ToyNetConfig) -> None:
        super().__init__()
        self.config = config
        middle = [nn.Tanh()] if config.plain else [nn.BatchNorm1d(config.width), nn.ReLU(), nn.Dropout(0.2)]
        self.body = nn.Sequential(nn.Linear(3, config.width), *middle)
        self.head = nn.Linear(config.width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x))
        return out


@dataclass(frozen=True)
class ToyConfig(TrainConfig):
    """Settings of the toy.

    Args:
        width: neurons.
        noise: of the augmentation, in units of the
            inputs.
        poison: sample whose target is not a number, or none.
        unreadable: sample that cannot be loaded, or none.
        deadly: loading the unreadable sample kills the process.
        kind: of weather.
        folder: anything.
        pair: two numbers.
        plain: neither batch statistics nor dropout.
        pause_seconds: for which each step sleeps.
    """

    steps: int = 24
    batch_size: int = 6
    warmup: int = 4
    log_every: int = 1
    validate_every: int = 7
    width: int = 8
    noise: float = 0.1
    poison: int | None = None
    unreadable: int | None = None
    deadly: bool = False
    kind: Literal["sunny", "rainy"] = "sunny"
    folder: Path = Path("x")
    pair: tuple[float, ...] = (1.0, 2.0)
    plain: bool = False
    pause_seconds: float = 0.0


class ToyTask(Task):
    train_size = 40

    def __init__(self, config: ToyConfig) -> None:
        self.config = config
        self.network = ToyNet(ToyNetConfig(config.width, config.plain))
        self.preprocessing = {"inputs": 3}
        rng = np.random.default_rng(5)
        self.x = torch.from_numpy(rng.normal(size=(self.train_size, 3)).astype(np.float32))
        self.y = self.x @ torch.tensor([[1.0], [-2.0], [0.5]])
        if config.poison is not None:
            self.y[config.poison] = float("nan")

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        if self.config.unreadable in indices:
            if self.config.deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError("the disk is gone")
        picked = torch.from_numpy(indices)
        return {"x": self.x[picked], "y": self.y[picked]}

    def prepare(self, batch: Batch, generator: torch.Generator) -> Batch:
        noise = torch.randn(batch["x"].shape, generator=generator).to(batch["x"].device)
        return {**batch, "x": batch["x"] + self.config.noise * noise}

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        if self.config.pause_seconds:
            import time

            time.sleep(self.config.pause_seconds)
        error = network(batch["x"]) - batch["y"]
        return {"loss": (error**2).mean(), "absolute": error.abs().mean()}

    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        assert not network.training
        error = network(self.x.to(device)) - self.y.to(device)
        return {"rms": float((error**2).nanmean().sqrt()), "draw": float(torch.rand(()))}

    def contact_sheet(self, network: nn.Module, device: torch.device) -> NDArray[np.uint8]:
        shown = network(self.x.to(device)).cpu().numpy()
        return np.tile((np.clip(shown, 0, 1) * 255).astype(np.uint8)[None], (8, 1, 3))

    def describe(self, indices: NDArray[np.int64]) -> str:
        return f"toys {indices.tolist()}"


RECIPE = Recipe(
    name="toy",
    summary="A line through points.",
    config=ToyConfig,
    build=ToyTask,
    licence="CC0-1.0",
    sources=("made up (CC0)",),
)
assert asdict(ToyConfig())["steps"] == 24
