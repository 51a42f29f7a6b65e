"""The training loop: turns of networks, each forward, losses, backward, clip, step, average; checkpoints, logs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.errors import TrainingError, UsageError
from ..recipe import Recipe, TrainConfig
from ..schedule import Cosine, Phase
from ..settings import settings_to_json
from ..task import Batch, JointTask, Update
from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .clock import RunClock
from .devices import EngineOptions, make_fabric, precision_state, restore_precision
from .facts import card_facts
from .interrupt import interrupts
from .log import RunLog
from .players import Players
from .stream import BatchError, LoadedBatch, batch_indices, batches, stream_generator, stream_seed
from .watch import LossWatch, SeenStep

__all__ = ["CHECKPOINT_NAME", "EngineOptions", "Listener", "Outcome", "learning_rate", "train"]

CHECKPOINT_NAME = "last.safetensors"
_STREAM_PREPARE, _STREAM_NETWORK, _STREAM_VALIDATE, _STREAM_TURN = 1, 2, 3, 4


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
    """The learning rate of an optimiser for which the schedule names no other: :class:`~.schedule.Cosine`.

    Args:
        config: settings.
        step: finished steps.
        progress: in [0, 1], the larger of the used parts of steps and of the time budget.
    """
    return Cosine(config.warmup, config.final_rate)(config.learning_rate, step, progress)


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
        folder: for checkpoint, logs and images.
        options: how to compute.
        resume: go on from the folder's checkpoint; starts where there is none.
        minutes: wall-clock budget of the whole run, earlier sessions included; the learning rate comes to its end
            with it, and the last validation and checkpoint fit into it. A run that goes on before its end keeps the
            budget that it had, unless another is given.
        pause_after: minutes after which this session writes a checkpoint and stops, wherever the schedule stands.
        listener: is told what happens.

    Raises:
        UsageError: the folder holds a run and ``resume`` was not asked for; no such device.
        TrainingError: a loss or a gradient is not a number, samples cannot be loaded, the checkpoint does not fit, or
            the task's networks, optimisers and schedule contradict each other.
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
        self.task: JointTask = recipe.build(config)
        self.card = card_facts(recipe, self.task)
        self.players = Players(self.task, config, fabric, scaled=options.precision == "16-mixed")
        self.on_cpu = fabric.device.type == "cpu"
        self.step = 0
        self.minutes: float | None = None
        self.metrics: dict[str, float] = {}
        self.latest: dict[
            str, float
        ] = {}  # numbers of the last update of each turn, for the next row of the log
        self.names: dict[str, list[str]] = {}
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
            if minutes is None and not checkpoint.finished:
                minutes = checkpoint.facts.get("minutes")
        self.minutes = minutes
        self.clock = RunClock(
            checkpoint.seconds if checkpoint else 0.0,
            None if minutes is None else minutes * 60,
            None if pause_after is None else pause_after * 60,
            self.started,
        )
        finished_before = checkpoint is not None and checkpoint.finished
        if finished_before and self._progress() >= 1:
            return self._outcome("finished")
        widen = len(self.players.schedule.turns) > 1
        self.log = RunLog(self.folder, self.step, widen=widen) if self.fabric.is_global_zero else None
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
        parts = _parts(tensors, len(loaded.indices), config.accumulate)
        values: dict[str, Tensor] = {}
        rates: dict[str, float] = {}
        phase = self.players.schedule.phase(self.step)
        for number, turn in enumerate(phase.turns):
            found, rated = self._one_turn(turn, number, phase, parts, progress)
            values.update({self.players.column(turn, name): value for name, value in found.items()})
            rates.update(rated)
        self.step += 1
        self.watch.push(SeenStep(self.step, progress, rates, loaded.indices, {}), values)

    def _one_turn(
        self, turn: str, number: int, phase: Phase, parts: list[tuple[float, Batch]], progress: float
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        seed, rank = self.config.seed, self.fabric.global_rank
        update = Update(
            step=self.step,
            progress=progress,
            turn=turn,
            networks=self.players.begin(turn, phase),
            teachers=self.players.teachers,
            generator=stream_generator(seed, self.step, rank, _STREAM_TURN + number),
        )
        found = self.players.descend(turn, parts, lambda part: self.task.step(update, part))
        if len(self.players.schedule.turns) > 1 and self.names.setdefault(turn, list(found)) != list(found):
            raise TrainingError(
                f"recipe {self.recipe.name}, step {self.step}: the turn {turn!r} returns {', '.join(found)} after "
                f"{', '.join(self.names[turn])}; it must always return the same names"
            )
        norms, rates = self.players.step(turn, progress)
        return {**found, **norms}, rates

    def _see(self, seen: SeenStep) -> None:
        """Called by the watch when the numbers of a step are on the host."""
        if broken := seen.broken:
            what = ", ".join(f"{name} = {seen.values[name]}" for name in broken)
            raise TrainingError(self._complaint(what, seen.step - 1, seen.indices))
        self.latest.update({**seen.rates, **seen.values})
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
                    **self.latest,
                }
            )

    def _validate(self, *, finished: bool = False) -> None:
        """Scores, image and checkpoint; only the first process measures."""
        self.watch.flush()
        begun = time.monotonic()
        if self.log is not None and self.validated_at != self.step:
            device = self.fabric.device
            torch.manual_seed(stream_seed(self.config.seed, self.step, 0, _STREAM_VALIDATE))
            with self.players.evaluation() as networks, torch.no_grad():
                scores = self.task.evaluate(networks, device)
                self.metrics = {name: float(value) for name, value in scores.items()}
                image = self.task.preview(networks, device)
            seconds = self.clock.seconds
            row = {"step": self.step, "seconds": round(seconds, 3), **self.metrics}
            self.log.add_validation(row, image)
            self.listener.validated(self.step, seconds, self.metrics)
        self.validated_at = self.step
        self._save(finished=finished)
        took = time.monotonic() - begun
        self.clock.took_validation(took)
        self.rate_from = (self.rate_from[0] + took, self.rate_from[1])  # not part of the training speed

    def _save(self, *, finished: bool = False) -> None:
        self.watch.flush()  # nothing is saved that a broken step has touched
        if self.fabric.is_global_zero:
            parts = self.players.parts()
            checkpoint = Checkpoint(
                recipe=self.recipe.name,
                settings=settings_to_json(self.config),
                step=self.step,
                seconds=self.clock.seconds,
                finished=finished,
                metrics=self.metrics,
                networks=parts["networks"],
                averages=parts["averages"],
                optimisers=parts["optimisers"],
                facts={
                    **parts["facts"],
                    "latest": self.latest,
                    "precision": precision_state(self.fabric),
                    "validated_at": self.validated_at,
                    "minutes": self.minutes,
                    "card": self.card,
                },
            )
            save_checkpoint(self.folder / CHECKPOINT_NAME, checkpoint)
        self.fabric.barrier()

    def _restore(self, checkpoint: Checkpoint) -> None:
        try:
            self.players.restore(checkpoint)
        except (RuntimeError, ValueError, KeyError) as error:
            raise TrainingError(
                f"{self.folder / CHECKPOINT_NAME} does not fit the recipe {self.recipe.name!r} with these "
                f"settings: {error}"
            ) from error
        restore_precision(self.fabric, checkpoint.facts.get("precision", {}))
        self.step = checkpoint.step
        self.metrics = dict(checkpoint.metrics)
        self.latest = dict(checkpoint.facts.get("latest", {}))
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


def _parts(batch: Batch, rows: int, count: int) -> list[tuple[float, Batch]]:
    """A batch cut into ``count`` parts (fewer where it has fewer rows), each with its share of the rows."""
    if count == 1:
        return [(1.0, batch)]
    if wrong := [name for name, tensor in batch.items() if tensor.ndim == 0 or len(tensor) != rows]:
        raise TrainingError(
            f"accumulate={count} cuts batches by their rows, but {', '.join(wrong)} of a batch of {rows} samples has "
            "no row for each; train with accumulate=1"
        )
    cuts = {name: torch.tensor_split(tensor, min(count, rows)) for name, tensor in batch.items()}
    sizes = [len(part) for part in torch.tensor_split(torch.empty(rows), min(count, rows))]
    return [(n / rows, {name: cuts[name][i] for name in batch}) for i, n in enumerate(sizes)]
