"""How to compute: devices and precision, by Lightning Fabric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch

from ....core.errors import UsageError

__all__ = ["EngineOptions", "make_fabric", "precision_state", "restore_precision"]


@dataclass(frozen=True)
class EngineOptions:
    """How to compute; nothing here is meant to change results beyond rounding.

    Args:
        device: ``auto`` takes CUDA where there is a device.
        precision: 32-bit, or mixed.
        devices: number of devices (``torchrun`` works as well).
        threads: of torch's operators on the CPU; None leaves torch's choice.
        workers: processes that load and augment samples; 0 = the training process itself.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32"
    devices: int = 1
    threads: int | None = None
    workers: int = 0


def make_fabric(options: EngineOptions) -> Any:
    """Lightning's Fabric for these options."""
    import logging
    import warnings

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    from lightning_fabric import Fabric

    if options.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no CUDA device here; use --device cpu")
    use_cuda = options.device == "cuda" or (options.device == "auto" and torch.cuda.is_available())
    if use_cuda:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Fabric(
            accelerator="cuda" if use_cuda else "cpu",
            devices=options.devices,
            precision="32-true" if options.precision == "32" else options.precision,
            strategy="ddp" if options.devices > 1 else "auto",
        )


def precision_state(fabric: Any) -> dict[str, Any]:
    """State of the loss scaler, if there is one."""
    state: dict[str, Any] = fabric.strategy.precision.state_dict()
    return state


def restore_precision(fabric: Any, state: dict[str, Any]) -> None:
    """Inverse of :func:`precision_state`."""
    if state and fabric.strategy.precision.state_dict():
        fabric.strategy.precision.load_state_dict(state)
