"""What is trained: networks and optimisers by name, the data they learn from, and how good they are."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .config import TrainConfig
from .schedule import Phase, Schedule

__all__ = ["Batch", "JointTask", "Task", "Update", "adamw"]

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Update:
    """What a task is told about the update whose loss it computes.

    Args:
        step: finished updates of the run.
        progress: in [0, 1] through the run.
        turn: name of the optimiser that will step on the loss; of several, joined by ``+``.
        networks: the task's networks in their engine wrapping (devices, precision). Call these, not the task's own.
        teachers: the task's teachers, likewise.
        generator: on the CPU, seeded by the run's seed, the step and the turn alone: draws from it resume exactly.
    """

    step: int
    progress: float
    turn: str
    networks: Mapping[str, nn.Module]
    teachers: Mapping[str, nn.Module]
    generator: torch.Generator


class JointTask(ABC):
    """Networks that are trained together. Made by :attr:`Recipe.build`.

    Attributes:
        networks: name -> what is trained, validated and saved. A ``config`` of theirs goes into the weight card.
            State that must resume but is not learned is a network without parameters: a module of buffers.
        teachers: name -> what is only asked, never trained: it moves to the device, stays in evaluation mode and gets
            no gradient. Checkpoints hold its hash; a run does not resume with another one.
        train_size: number of training samples.
        preprocessing: what must be done to an input before it meets the networks (for the weight card).
        sources: what is learned from, with its licence, where the task knows it better than the recipe.
    """

    networks: Mapping[str, nn.Module]
    teachers: Mapping[str, nn.Module] = {}
    train_size: int
    preprocessing: Mapping[str, Any] = {}
    sources: tuple[str, ...] = ()

    def optimisers(self, config: TrainConfig) -> Mapping[str, torch.optim.Optimizer]:
        """Name -> optimiser; no two hold the same parameter. As it stands: :func:`adamw` for each network."""
        return {
            name: adamw(network, config)
            for name, network in self.networks.items()
            if any(p.requires_grad for p in network.parameters())
        }

    def schedule(self, config: TrainConfig) -> Schedule:
        """Which optimisers step when. As it stands: all of them in every update, on one loss."""
        return Schedule((Phase(("+".join(self.optimisers(config)),)),))

    def averages(self, config: TrainConfig) -> Mapping[str, float]:
        """Network -> decay of the running average of its weights; 0 or no entry = none. As it stands: ``ema``."""
        return dict.fromkeys(self.networks, config.ema)

    @abstractmethod
    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Training samples as CPU tensors, each with a row per sample; runs in a data worker.

        Args:
            indices: (B,) in [0, train_size).
            generator: CPU generator, seeded by the run's seed and the step alone.
        """

    def prepare(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Augmentation: in the data worker when training on the CPU, on the device otherwise."""
        return batch

    @abstractmethod
    def step(self, update: Update, batch: Batch) -> dict[str, Tensor]:
        """Scalars of one batch (or part of one); ``loss`` is minimised by the turn's optimisers, all are logged.

        Args:
            update: whose turn it is, and with which networks.
            batch: what :meth:`prepare` returned, on the device. All turns of an update get the same mapping, so a
                later turn finds what an earlier one put there (what a generator made, for its discriminator).
        """

    @abstractmethod
    def evaluate(self, networks: Mapping[str, nn.Module], device: torch.device) -> dict[str, float]:
        """Scores on held-out samples, name -> number.

        Args:
            networks: name -> the averaged one, or the network itself where no average is kept; in evaluation mode.
            device: on which they are.
        """

    def preview(self, networks: Mapping[str, nn.Module], device: torch.device) -> NDArray[np.uint8] | None:
        """(H, W, 3) image of what the networks do with some held-out samples, or None."""
        return None

    def describe(self, indices: NDArray[np.int64]) -> str:
        """How to find the samples of a batch again, for error messages."""
        return f"samples {indices.tolist()}"


class Task(JointTask):
    """One network that minimises one loss.

    Attributes:
        network: what is trained. Its ``config``, where it has one, goes into the weight card.
        train_size: number of training samples.
        preprocessing: what must be done to an input before it meets the network (for the weight card).
    """

    network: nn.Module

    @functools.cached_property
    def networks(self) -> Mapping[str, nn.Module]:  # type: ignore[override]
        """The network, by the name ``network``."""
        return {"network": self.network}

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
        """(H, W, 3) image of what the network does with some held-out samples, or None."""
        return None

    def optimiser(self, config: TrainConfig) -> torch.optim.Optimizer:
        """AdamW; weight decay on matrices and kernels only."""
        return adamw(self.network, config)

    def optimisers(self, config: TrainConfig) -> Mapping[str, torch.optim.Optimizer]:
        """:meth:`optimiser`, by the name ``network``."""
        return {"network": self.optimiser(config)}

    def schedule(self, config: TrainConfig) -> Schedule:
        """The network learns in every update."""
        return Schedule((Phase(("network",)),))

    def step(self, update: Update, batch: Batch) -> dict[str, Tensor]:
        """:meth:`losses`."""
        return self.losses(update.networks["network"], batch, update.progress)

    def evaluate(self, networks: Mapping[str, nn.Module], device: torch.device) -> dict[str, float]:
        """:meth:`validate`."""
        return self.validate(networks["network"], device)

    def preview(self, networks: Mapping[str, nn.Module], device: torch.device) -> NDArray[np.uint8] | None:
        """:meth:`contact_sheet`."""
        return self.contact_sheet(networks["network"], device)


def adamw(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW on what a network learns; weight decay on matrices and kernels only.

    Args:
        network: whose parameters with ``requires_grad`` are taken.
        config: ``learning_rate`` and ``weight_decay`` are used.
    """
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=config.learning_rate, foreach=True)
