"""Weights to start from: those of an earlier run."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from ..errors import ModelFileError
from .checkpoint import load_checkpoint

__all__ = ["start_from"]


def start_from(network: nn.Module, path: Path | None, name: str | None = None) -> None:
    """Load the averaged weights of a checkpoint into a network; nothing happens without a path.

    Args:
        network: to load into.
        path: of the checkpoint.
        name: of the network in that run; needed where the run has several.

    Raises:
        ModelFileError: the file is no checkpoint, or one of another network.
        UsageError: the run has several networks, or none of that name.
    """
    if path is None:
        return
    checkpoint = load_checkpoint(path)
    try:
        network.load_state_dict(dict(checkpoint.averaged(checkpoint.sole(name))))
    except RuntimeError as error:
        raise ModelFileError(f"{path} holds weights of another network: {error}") from error
