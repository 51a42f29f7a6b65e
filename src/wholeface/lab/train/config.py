"""Settings that every recipe has."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.errors import UsageError

__all__ = ["TrainConfig"]


@dataclass(frozen=True)
class TrainConfig:
    """Settings that every recipe has.

    Args:
        steps: optimiser steps of a whole run.
        batch_size: samples in a step, over all devices together.
        accumulate: parts in which a batch goes through the networks, one after the other, where it does not fit at
            once; the gradient is that of the whole batch (batch statistics are those of the parts).
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
    accumulate: int = 1
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
        for name in ("steps", "batch_size", "accumulate", "log_every", "validate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise UsageError(f"ema must be in [0, 1), got {self.ema}")
