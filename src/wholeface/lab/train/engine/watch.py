"""Losses on their way from the device: looked at without making it wait, and stopped at when not a number."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["LossWatch", "SeenStep"]

_LAG = 8  # steps that a GPU may be ahead


@dataclass(frozen=True)
class SeenStep:
    """The numbers of one step, once they are on the host.

    Args:
        step: finished steps, this one included.
        progress: in [0, 1] through the run.
        rates: learning rates of the optimisers that stepped, by the names of their columns in the log.
        indices: of the samples.
        values: losses and norms of gradients; in a run of several turns their names begin with ``TURN/``.
    """

    step: int
    progress: float
    rates: dict[str, float]
    indices: NDArray[np.int64]
    values: dict[str, float]

    @property
    def losses(self) -> dict[str, float]:
        """What was minimised, by turn (the turn of a run that has only one is called ``loss``)."""
        return {
            name.removesuffix("/loss"): value
            for name, value in self.values.items()
            if name == "loss" or name.endswith("/loss")
        }

    @property
    def broken(self) -> list[str]:
        """Names of the values that are not finite."""
        return [name for name, value in self.values.items() if not math.isfinite(value)]


class LossWatch:
    """Hands each step's numbers to ``see`` in order: at once on the CPU, some steps later on a GPU.

    Args:
        see: may raise.
        lagging: the device works on its own.
    """

    def __init__(self, see: Callable[[SeenStep], None], *, lagging: bool) -> None:
        self._see = see
        self._lagging = lagging
        self._waiting: deque[tuple[SeenStep, list[str], Tensor, torch.cuda.Event | None]] = deque()

    def push(self, seen: SeenStep, losses: dict[str, Tensor]) -> None:
        """Note one step; ``seen.values`` are filled in from ``losses``."""
        values = torch.stack([loss.detach().double().reshape(()) for loss in losses.values()])
        event = None
        if self._lagging:
            host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            values = host.copy_(values, non_blocking=True)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        self._waiting.append((seen, list(losses), values, event))
        while len(self._waiting) > (_LAG if self._lagging else 0):
            self._pop()

    def flush(self) -> None:
        """Look at everything that is still on its way."""
        while self._waiting:
            self._pop()

    def _pop(self) -> None:
        seen, names, values, event = self._waiting.popleft()
        if event is not None:
            event.synchronize()
        seen.values.update(zip(names, values.tolist()))
        self._see(seen)
