"""Weights to start from: those of an earlier run."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from ..errors import ModelFileError
from ..weights import load_weights
from .checkpoint import load_checkpoint

__all__ = ["start_from"]


def start_from(network: nn.Module, path: Path | None) -> None:
    """Load a checkpoint's averaged weights, or exported ones, into a network; nothing happens without a path.

    Args:
        network: gets the weights.
        path: a run's ``last.safetensors``, or weights with their card beside them (``wholeface weights export``).

    Raises:
        ModelFileError: the file is neither, or of another network.
    """
    if path is None:
        return
    weights = dict(
        load_weights(path)[0] if path.with_suffix(".json").is_file() else load_checkpoint(path).average
    )
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelFileError(f"{path} holds weights of another network: {error}") from error
