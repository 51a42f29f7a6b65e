"""Weights to start from: those of an earlier run."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from ....core.errors import ModelFileError
from ....networks.weights import load_weights
from .checkpoint import load_checkpoint

__all__ = ["start_from"]


def start_from(network: nn.Module, path: Path | None, name: str | None = None) -> None:
    """Load a checkpoint's averaged weights, or exported ones, into a network; nothing happens without a path.

    Args:
        network: gets the weights.
        path: a run's ``last.safetensors``, or weights with their card beside them (``wholeface weights export``).
        name: of the network in that run; needed where the run has several.

    Raises:
        ModelFileError: the file is neither, or of another network.
        UsageError: the run has several networks, or none of that name.
    """
    if path is None:
        return
    if path.with_suffix(".json").is_file():
        weights = dict(load_weights(path)[0])
    else:
        checkpoint = load_checkpoint(path)
        weights = dict(checkpoint.averaged(checkpoint.sole(name)))
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelFileError(f"{path} holds weights of another network: {error}") from error
