"""What a recipe is: settings, a network, data, losses and a way to measure; the engine does the rest."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import UsageError

__all__ = ["Batch", "Recipe", "Task", "TrainConfig", "load_recipe", "recipe_names"]

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class TrainConfig:
    """Settings that every recipe has.

    Args:
        steps: optimiser steps of a whole run.
        batch_size: samples in a step, over all devices together.
        learning_rate: at its highest, after the warm-up.
        final_rate: learning rate at the end, as a fraction of the highest.
        warmup: steps over which the learning rate grows from 0.
        weight_decay: of AdamW, on matrices and kernels only.
        clip: largest norm of the gradient; 0 = any.
        ema: decay of the running average of the weights, which is what is validated and exported; 0 = no average.
        seed: of everything random.
        log_every: steps between rows of the log.
        validate_every: steps between validations (there is one at the start and one at the end, too).
        checkpoint_minutes: minutes between checkpoints (each validation makes one, too).
    """

    steps: int = 10_000
    batch_size: int = 64
    learning_rate: float = 1e-3
    final_rate: float = 0.01
    warmup: int = 200
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.998
    seed: int = 0
    log_every: int = 20
    validate_every: int = 1000
    checkpoint_minutes: float = 5.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every", "validate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise UsageError(f"ema must be in [0, 1), got {self.ema}")


class Task(ABC):
    """One network, the data that it learns from, and how good it is. Made by :attr:`Recipe.build`.

    Attributes:
        network: what is trained. Its ``config``, where it has one, goes into the weight card.
        train_size: number of training samples.
        preprocessing: what must be done to an input before it meets the network (for the weight card).
    """

    network: nn.Module
    train_size: int
    preprocessing: Mapping[str, Any] = {}

    @abstractmethod
    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Training samples as CPU tensors; runs in a data worker.

        Args:
            indices: (B,) in [0, train_size).
            generator: CPU generator, seeded by the run's seed and the step alone.
        """

    def prepare(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Augmentation: in the data worker when training on the CPU, on the device otherwise."""
        return batch

    @abstractmethod
    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Scalars of one batch; the one called ``loss`` is minimised, all are logged.

        Args:
            network: to be called instead of ``self.network`` (it is that network in its engine wrapping).
            batch: what :meth:`prepare` returned, on the device.
            progress: in [0, 1] through the run.
        """

    @abstractmethod
    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Scores on held-out samples, name -> number; ``network`` is the averaged one, in evaluation mode."""

    def contact_sheet(self, network: nn.Module, device: torch.device) -> NDArray[np.uint8] | None:
        """(H, W, 3) picture of what the network does with some held-out samples, or None."""
        return None

    def describe(self, indices: NDArray[np.int64]) -> str:
        """How to find the samples of a batch again, for error messages."""
        return f"samples {indices.tolist()}"

    def optimiser(self, config: TrainConfig) -> torch.optim.Optimizer:
        """AdamW; weight decay on matrices and kernels only."""
        decayed = [p for p in self.network.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.network.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW([g for g in groups if g["params"]], lr=config.learning_rate, foreach=True)


C = TypeVar("C", bound=TrainConfig)


@dataclass(frozen=True)
class Recipe(Generic[C]):
    """How one network is trained.

    Args:
        name: name of its file.
        summary: one line.
        config: class of its settings, a frozen dataclass whose docstring has an ``Args:`` line for each.
        build: settings -> task. The global random state is seeded before (initial weights).
        licence: SPDX identifier for the weights.
        sources: data that it learns from, each with its licence.
        paper: citation of the method, or empty.
    """

    name: str
    summary: str
    config: type[C]
    build: Callable[[C], Task]
    licence: str = "MIT"
    sources: tuple[str, ...] = field(default=())
    paper: str = ""


def recipe_names() -> list[str]:
    """Names of the recipes of this package, sorted."""
    from . import recipes

    return sorted(m.name for m in pkgutil.iter_modules(recipes.__path__) if not m.name.startswith("_"))


def load_recipe(name: str) -> Recipe[Any]:
    """A recipe of this package by its name, or the ``RECIPE`` of a Python file (``my/recipe.py``), which is run.

    Raises:
        UsageError: there is none.
    """
    if name.endswith(".py"):
        module = _module_of_file(Path(name))
    elif name in recipe_names():
        module = importlib.import_module(f"{__package__}.recipes.{name}")
    else:
        raise UsageError(f"no recipe {name!r}; there are: {', '.join(recipe_names()) or 'none'}")
    recipe = getattr(module, "RECIPE", None)
    if not isinstance(recipe, Recipe):
        raise UsageError(f"{module.__file__} has no RECIPE of type wholeface.train.Recipe")
    return recipe


def _module_of_file(path: Path) -> Any:
    name = f"wholeface_recipe_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"{path}: no such recipe file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their annotations up there
    spec.loader.exec_module(module)
    return module
