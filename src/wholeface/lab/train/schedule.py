"""Who learns when, and how fast: data that the engine reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ...core.errors import UsageError

__all__ = ["Constant", "Cosine", "Phase", "Rate", "Schedule", "StepDecay"]


class Rate(Protocol):
    """Learning rate of one optimiser over a run."""

    def __call__(self, peak: float, updates: int, progress: float) -> float:
        """The learning rate of the next update.

        Args:
            peak: the rate with which the optimiser was made.
            updates: that this optimiser has taken so far.
            progress: in [0, 1] through the run, the larger of the used parts of steps and of the time budget.
        """


def _warm(updates: int, warmup: int) -> float:
    return min(1.0, (updates + 1) / warmup) if warmup > 0 else 1.0


@dataclass(frozen=True)
class Cosine:
    """Linear warm-up over updates, times half a cosine over the run's progress; it ends with the time budget.

    Args:
        warmup: updates over which the rate grows from 0.
        final: rate at the end of the run, as a fraction of the highest.
    """

    warmup: int = 0
    final: float = 0.01

    def __call__(self, peak: float, updates: int, progress: float) -> float:
        """See :class:`Rate`."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        return peak * _warm(updates, self.warmup) * (self.final + (1 - self.final) * cosine)


@dataclass(frozen=True)
class StepDecay:
    """The rate is multiplied by ``factor`` after each ``every`` updates of its optimiser, whatever the budget.

    Args:
        every: updates between two decays.
        factor: at each.
        warmup: updates over which the rate grows from 0.
    """

    every: int
    factor: float
    warmup: int = 0

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UsageError(f"a step decay needs at least 1 update between two decays, got {self.every}")

    def __call__(self, peak: float, updates: int, progress: float) -> float:
        """See :class:`Rate`."""
        return peak * _warm(updates, self.warmup) * self.factor ** (updates // self.every)


@dataclass(frozen=True)
class Constant:
    """The same rate all along.

    Args:
        warmup: updates over which the rate grows from 0.
    """

    warmup: int = 0

    def __call__(self, peak: float, updates: int, progress: float) -> float:
        """See :class:`Rate`."""
        return peak * _warm(updates, self.warmup)


@dataclass(frozen=True)
class Phase:
    """Some updates in which the same optimisers step.

    In each update the turns follow one another on the same batch: the loss of a turn is computed, and the optimisers
    of the turn step on it. Only what these optimisers hold has a gradient in the turn; nothing else moves.

    Args:
        turns: each the name of an optimiser, or the names of several that step on one loss, joined by ``+``:
            ``("critic", "generator")``, ``("encoder+decoder",)``.
        updates: length of the phase.
        resting: mode of the networks that do not learn in a turn: ``eval`` (they do not change at all), or ``train``
            (dropout and batch statistics as when learning, as is usual between the players of a GAN; the running
            statistics of batch normalisation follow).
    """

    turns: tuple[str, ...]
    updates: int = 1
    resting: Literal["eval", "train"] = "eval"

    def __post_init__(self) -> None:
        if isinstance(self.turns, str) or not self.turns or not all(all(t.split("+")) for t in self.turns):
            raise UsageError(f"turns must be a tuple of optimisers' names, got {self.turns!r}")
        if self.updates < 1:
            raise UsageError(f"a phase must have at least 1 update, got {self.updates}")


@dataclass(frozen=True)
class Schedule:
    """Who learns when: the phases of ``before`` once, then those of ``cycle`` again and again.

    Args:
        cycle: phases that are repeated until the run ends.
        before: phases at the start.
        rates: optimiser -> learning rate over the run; for those that are not named: :class:`Cosine` with the
            settings ``warmup`` and ``final_rate``.
        clips: optimiser -> largest norm of its gradient, 0 = any; the setting ``clip`` for those not named.
    """

    cycle: tuple[Phase, ...]
    before: tuple[Phase, ...] = ()
    rates: Mapping[str, Rate] = field(default_factory=dict)
    clips: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.cycle:
            raise UsageError("a schedule needs at least one phase in its cycle")

    def phase(self, step: int) -> Phase:
        """The phase of the update after ``step`` finished ones."""
        for phase in self.before:
            if step < phase.updates:
                return phase
            step -= phase.updates
        step %= sum(phase.updates for phase in self.cycle)
        for phase in self.cycle:
            if step < phase.updates:
                break
            step -= phase.updates
        return phase

    @property
    def turns(self) -> tuple[str, ...]:
        """The different turns, in the order in which they come first."""
        return tuple(dict.fromkeys(turn for phase in (*self.before, *self.cycle) for turn in phase.turns))
