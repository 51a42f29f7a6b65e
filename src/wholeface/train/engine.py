"""The training loop: forward, losses, backward, clip, step, average; checkpoints, budget, logs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import TrainingError, UsageError
from ._average import WeightAverage
from ._clock import RunClock
from ._devices import EngineOptions, make_fabric, precision_state, restore_precision
from ._facts import card_facts
from ._interrupt import interrupts
from ._log import RunLog
from ._stream import BatchError, LoadedBatch, batch_indices, batches, stream_generator, stream_seed
from ._watch import LossWatch, SeenStep
from .checkpoint import (
    Checkpoint,
    load_checkpoint,
    optimiser_from_parts,
    optimiser_to_parts,
    save_checkpoint,
)
from .recipe import Recipe, Task, TrainConfig
from .settings import settings_to_json

__all__ = ["CHECKPOINT_NAME", "EngineOptions", "Listener", "Outcome", "learning_rate", "train"]

CHECKPOINT_NAME = "last.safetensors"
_STREAM_PREPARE, _STREAM_NETWORK, _STREAM_VALIDATE = 1, 2, 3


class Listener:
    """Is told how a run goes, in the first process of several; the methods do nothing here."""

    def begun(self, step: int, steps: int, folder: Path) -> None:
        """Training starts, at ``step`` finished steps."""

    def stepped(self, seen: SeenStep) -> None:
        """The numbers of a step are known."""

    def validated(self, step: int, seconds: float, metrics: dict[str, float]) -> None:
        """A validation has ended."""

    def ended(self, outcome: Outcome) -> None:
        """The session has ended without an error."""


@dataclass(frozen=True)
class Outcome:
    """How a session ended.

    Args:
        status: ``finished`` (the schedule came to its end), ``paused`` (its time was up) or ``interrupted``.
        step: finished steps.
        seconds: time of the run so far.
        metrics: of the last validation.
        checkpoint: to resume or to export.
    """

    status: Literal["finished", "paused", "interrupted"]
    step: int
    seconds: float
    metrics: dict[str, float]
    checkpoint: Path


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """Linear warm-up over steps, times half a cosine over the run's progress down to ``final_rate``.

    Args:
        config: settings.
        step: finished steps.
        progress: in [0, 1], the larger of the used parts of steps and of the time budget.
    """
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup > 0 else 1.0
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return config.learning_rate * warm * (config.final_rate + (1 - config.final_rate) * cosine)


def train(
    recipe: Recipe[Any],
    config: TrainConfig,
    folder: Path,
    *,
    options: EngineOptions = EngineOptions(),  # noqa: B008
    resume: bool = False,
    minutes: float | None = None,
    pause_after: float | None = None,
    listener: Listener | None = None,
) -> Outcome:
    """Train, or go on training, until the steps or the time budget are used up.

    Without a time budget the result is a function of the recipe, its settings and the device: a run that was
    interrupted and resumed ends like one that was not, to the last bit on a CPU with the same number of threads.

    Args:
        recipe: what to train.
        config: its settings.
        folder: for checkpoint, logs and pictures.
        options: how to compute.
        resume: go on from the folder's checkpoint; starts where there is none.
        minutes: wall-clock budget of the whole run, earlier sessions included; the learning rate comes to its end
            with it, and the last validation and checkpoint fit into it.
        pause_after: minutes after which this session writes a checkpoint and stops, wherever the schedule stands.
        listener: is told what happens.

    Raises:
        UsageError: the folder holds a run and ``resume`` was not asked for; no such device.
        TrainingError: a loss or a gradient is not a number, or samples cannot be loaded.
    """
    started = time.monotonic()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    last = folder / CHECKPOINT_NAME
    if last.exists() and not resume:
        raise UsageError(
            f"{folder} holds a run already: go on with it (--resume) or give another folder (--out)"
        )
    checkpoint = load_checkpoint(last) if last.exists() else None
    if checkpoint is not None and checkpoint.recipe != recipe.name:
        raise TrainingError(f"{last} is of the recipe {checkpoint.recipe!r}, not {recipe.name!r}")
    fabric = make_fabric(options)
    fabric.launch()
    run = _Run(recipe, config, folder, options, fabric, listener or Listener(), started)
    with interrupts() as interrupted:
        outcome = run.train(checkpoint, minutes, pause_after, interrupted)
    run.listener.ended(outcome)
    return outcome


class _Run:
    def __init__(
        self,
        recipe: Recipe[Any],
        config: TrainConfig,
        folder: Path,
        options: EngineOptions,
        fabric: Any,
        listener: Listener,
        started: float,
    ) -> None:
        self.recipe, self.config, self.folder = recipe, config, folder
        self.options, self.fabric, self.started = options, fabric, started
        self.listener = listener if fabric.is_global_zero else Listener()
        torch.manual_seed(config.seed)
        self.task: Task = recipe.build(config)
        self.task.network.train()
        optimiser = self.task.optimiser(config)
        self.base_rates = [group["lr"] / config.learning_rate for group in optimiser.param_groups]
        self.network, self.optimiser = fabric.setup(self.task.network, optimiser)
        self.average = WeightAverage(self.task.network, config.ema)
        self.on_cpu = fabric.device.type == "cpu"
        self.step = 0
        self.metrics: dict[str, float] = {}
        self.validated_at = -1
        self.log: RunLog | None = None
        self.rate_from = (time.monotonic(), 0)
        self.watch = LossWatch(self._see, lagging=not self.on_cpu)

    def train(
        self,
        checkpoint: Checkpoint | None,
        minutes: float | None,
        pause_after: float | None,
        interrupted: threading.Event,
    ) -> Outcome:
        if checkpoint is not None:
            self._restore(checkpoint)
        self.clock = RunClock(
            checkpoint.seconds if checkpoint else 0.0,
            None if minutes is None else minutes * 60,
            None if pause_after is None else pause_after * 60,
            self.started,
        )
        finished_before = checkpoint is not None and checkpoint.finished
        if finished_before and self._progress() >= 1:
            return self._outcome("finished")
        self.log = RunLog(self.folder, self.step) if self.fabric.is_global_zero else None
        try:
            self.listener.begun(self.step, self.config.steps, self.folder)
            if self.step == 0:
                self._validate()
            status = self._loop(interrupted)
            if status == "finished":
                self._validate(finished=True)
            else:
                self._save()
            return self._outcome(status)
        finally:
            if self.log is not None:
                self.log.close()

    def _loop(self, interrupted: threading.Event) -> Literal["finished", "paused", "interrupted"]:
        config, fabric = self.config, self.fabric
        stream = batches(
            self.task,
            range(self.step, config.steps),
            batch=config.batch_size,
            seed=config.seed,
            rank=fabric.global_rank,
            world=fabric.world_size,
            workers=self.options.workers,
            prepare=self.on_cpu,
            pin=not self.on_cpu,
        )
        saved_at = time.monotonic()
        self.rate_from = (time.monotonic(), self.step)
        while True:
            progress = self._progress()
            stop = self._agree((progress, self.clock.pausing, interrupted.is_set()))
            progress = min(stop[0], 1.0)
            if stop[0] >= 1:
                self.watch.flush()
                return "finished"
            if stop[1] or stop[2]:
                self.watch.flush()
                return "interrupted" if stop[2] else "paused"
            begun = time.monotonic()
            self._one_step(self._next(stream), progress)
            self.clock.took_step(time.monotonic() - begun)
            if self.step % config.validate_every == 0 and self.step < config.steps:
                self._validate()
                saved_at = time.monotonic()
            elif time.monotonic() - saved_at > 60 * config.checkpoint_minutes:
                self._save()
                saved_at = time.monotonic()

    def _next(self, stream: Iterator[LoadedBatch | BatchError]) -> LoadedBatch | BatchError:
        try:
            return next(stream)
        except RuntimeError as error:  # a worker process died, most often of memory
            indices = batch_indices(self.task.train_size, self.config.batch_size, self.config.seed, self.step)
            raise TrainingError(self._complaint(str(error), self.step, indices)) from error

    def _one_step(self, loaded: LoadedBatch | BatchError, progress: float) -> None:
        config, fabric, task = self.config, self.fabric, self.task
        if isinstance(loaded, BatchError):
            raise TrainingError(self._complaint(loaded.message, loaded.step, loaded.indices))
        # Dropout and the like: a function of the seed and the step, whatever happened before.
        torch.manual_seed(stream_seed(config.seed, self.step, fabric.global_rank, _STREAM_NETWORK))
        tensors = {name: fabric.to_device(tensor) for name, tensor in loaded.tensors.items()}
        if not self.on_cpu:
            generator = stream_generator(config.seed, self.step, fabric.global_rank, _STREAM_PREPARE)
            tensors = task.prepare(tensors, generator)
        rate = learning_rate(config, self.step, progress)
        for group, factor in zip(self.optimiser.param_groups, self.base_rates):
            group["lr"] = rate * factor
        self.optimiser.zero_grad()
        losses = task.losses(self.network, tensors, progress)
        fabric.backward(losses["loss"])
        if config.clip > 0:
            norm = fabric.clip_gradients(
                self.network, self.optimiser, max_norm=config.clip, error_if_nonfinite=False
            )
            if self.options.precision != "16-mixed":  # whose scaler skips steps of infinite gradients
                losses = {**losses, "gradient_norm": norm}
        self.optimiser.step()
        self.step += 1
        self.average.update(self.step)
        self.watch.push(SeenStep(self.step, progress, rate, loaded.indices, {}), losses)

    def _see(self, seen: SeenStep) -> None:
        """Called by the watch when the numbers of a step are on the host."""
        if broken := seen.broken:
            what = ", ".join(f"{name} = {seen.values[name]}" for name in broken)
            raise TrainingError(self._complaint(what, seen.step - 1, seen.indices))
        self.listener.stepped(seen)
        if self.log is not None and (seen.step % self.config.log_every == 0):
            now = time.monotonic()
            since, step = self.rate_from
            speed = (seen.step - step) * self.config.batch_size / max(now - since, 1e-9)
            self.rate_from = (now, seen.step)
            self.log.add_train(
                {
                    "step": seen.step,
                    "seconds": round(self.clock.seconds, 3),
                    "samples_per_second": round(speed, 2),
                    "learning_rate": seen.rate,
                    **seen.values,
                }
            )

    def _validate(self, *, finished: bool = False) -> None:
        """Scores, picture and checkpoint; only the first process measures."""
        self.watch.flush()
        begun = time.monotonic()
        if self.log is not None and self.validated_at != self.step:
            network, device = self.average.network, self.fabric.device
            was_training = network.training
            network.eval()
            torch.manual_seed(stream_seed(self.config.seed, self.step, 0, _STREAM_VALIDATE))
            with torch.no_grad():
                self.metrics = {
                    name: float(value) for name, value in self.task.validate(network, device).items()
                }
                picture = self.task.contact_sheet(network, device)
            network.train(was_training and self.config.ema == 0)
            seconds = self.clock.seconds
            row = {"step": self.step, "seconds": round(seconds, 3), **self.metrics}
            self.log.add_validation(row, picture)
            self.listener.validated(self.step, seconds, self.metrics)
        self.validated_at = self.step
        self._save(finished=finished)
        took = time.monotonic() - begun
        self.clock.took_validation(took)
        self.rate_from = (self.rate_from[0] + took, self.rate_from[1])  # not part of the training speed

    def _save(self, *, finished: bool = False) -> None:
        self.watch.flush()  # nothing is saved that a broken step has touched
        if self.fabric.is_global_zero:
            tensors, others = optimiser_to_parts(self.optimiser.optimizer)
            checkpoint = Checkpoint(
                recipe=self.recipe.name,
                settings=settings_to_json(self.config),
                step=self.step,
                seconds=self.clock.seconds,
                finished=finished,
                metrics=self.metrics,
                network=self.task.network.state_dict(),
                average=self.average.network.state_dict(),
                optimiser=tensors,
                facts={
                    "optimiser": others,
                    "precision": precision_state(self.fabric),
                    "validated_at": self.validated_at,
                    "card": card_facts(self.recipe, self.task),
                },
            )
            save_checkpoint(self.folder / CHECKPOINT_NAME, checkpoint)
        self.fabric.barrier()

    def _restore(self, checkpoint: Checkpoint) -> None:
        try:
            self.task.network.load_state_dict(dict(checkpoint.network))
            self.average.network.load_state_dict(dict(checkpoint.average))
            optimiser_from_parts(
                self.optimiser.optimizer, checkpoint.optimiser, checkpoint.facts["optimiser"]
            )
        except (RuntimeError, ValueError, KeyError) as error:
            raise TrainingError(
                f"{self.folder / CHECKPOINT_NAME} does not fit the recipe {self.recipe.name!r} with these "
                f"settings: {error}"
            ) from error
        restore_precision(self.fabric, checkpoint.facts.get("precision", {}))
        self.step = checkpoint.step
        self.metrics = dict(checkpoint.metrics)
        self.validated_at = checkpoint.facts["validated_at"]

    def _progress(self) -> float:
        return max(self.step / self.config.steps, self.clock.fraction)

    def _agree(self, mine: tuple[float, bool, bool]) -> tuple[float, bool, bool]:
        """What the first process thinks; all must take the same steps with the same learning rate."""
        if self.fabric.world_size == 1:
            return mine
        agreed: tuple[float, bool, bool] = self.fabric.broadcast(mine)
        return agreed

    def _complaint(self, what: str, step: int, indices: NDArray[np.int64]) -> str:
        last = self.folder / CHECKPOINT_NAME
        return (
            f"recipe {self.recipe.name}, step {step}: {what}; the batch holds {self.task.describe(indices)}; "
            + (f"the last good checkpoint is {last}" if last.exists() else "there is no checkpoint yet")
        )

    def _outcome(self, status: Literal["finished", "paused", "interrupted"]) -> Outcome:
        return Outcome(status, self.step, self.clock.seconds, self.metrics, self.folder / CHECKPOINT_NAME)
