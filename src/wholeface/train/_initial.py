"""Weights to start from: those of an earlier run."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from ..errors import ModelFileError
from .checkpoint import load_checkpoint

__all__ = ["start_from"]


def start_from(network: nn.Module, path: Path | None) -> None:
    """Load the averaged weights of a checkpoint into a network; nothing happens without a path.

    Raises:
        ModelFileError: the file is no checkpoint, or one of another network.
    """
    if path is None:
        return
    checkpoint = load_checkpoint(path)
    try:
        network.load_state_dict(dict(checkpoint.average))
    except RuntimeError as error:
        raise ModelFileError(f"{path} holds weights of another network: {error}") from error
