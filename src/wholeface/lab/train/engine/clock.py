"""Wall-clock time of a run, and how far along that makes it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

__all__ = ["RunClock"]


@dataclass
class RunClock:
    """Time of a run over all its sessions, against a budget.

    The budget covers everything: what the end of a run costs (validation, checkpoint) is kept back, measured on
    the validations before.

    Args:
        before: seconds of earlier sessions.
        budget: seconds for the whole run, or None.
        pause: seconds after which this session stops, or None.
        started: ``time.monotonic()`` at the start of this session.
    """

    before: float
    budget: float | None
    pause: float | None
    started: float = field(default_factory=time.monotonic)
    _ending: float = 0.0
    _step: float = 0.0

    @property
    def session(self) -> float:
        """Seconds of this session."""
        return time.monotonic() - self.started

    @property
    def seconds(self) -> float:
        """Seconds of the run."""
        return self.before + self.session

    def took_step(self, seconds: float) -> None:
        """Learn how long a step takes."""
        self._step = seconds if self._step == 0 else 0.9 * self._step + 0.1 * seconds

    def took_validation(self, seconds: float) -> None:
        """Learn how long validation and checkpoint take."""
        self._ending = seconds

    @property
    def reserve(self) -> float:
        """Seconds that are kept back for the end."""
        return 1.25 * self._ending + 3 * self._step

    @property
    def fraction(self) -> float:
        """Used part of the budget's training time; 0 without a budget."""
        if self.budget is None:
            return 0.0
        return self.seconds / max(self.budget - self.reserve, 1e-9)

    @property
    def pausing(self) -> bool:
        """This session's time is up (a pause writes a checkpoint, but does not validate)."""
        return self.pause is not None and self.session + 3 * self._step >= self.pause
