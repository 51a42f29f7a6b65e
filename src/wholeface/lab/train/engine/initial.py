"""Weights to start from: those of an earlier run."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from ....core.errors import ModelFileError
from ....networks.weights import load_weights
from .checkpoint import load_checkpoint

__all__ = ["borrow", "start_from"]


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
    weights = _weights_of(path, name)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelFileError(f"{path} holds weights of another network: {error}") from error


def borrow(network: nn.Module, path: Path | None) -> int:
    """Take over what another network has under the same name and in the same shape; nothing without a path.

    Args:
        network: gets the weights.
        path: as in :func:`start_from`, of another architecture.

    Returns:
        How many tensors were taken over.

    Raises:
        ModelFileError: the file is no weight file, or the two have nothing in common.
    """
    if path is None:
        return 0
    own = network.state_dict()
    taken = {n: t for n, t in _weights_of(path).items() if n in own and own[n].shape == t.shape}
    if not taken:
        raise ModelFileError(f"{path} holds weights of a network that has no layer in common with this one")
    network.load_state_dict(taken, strict=False)
    return len(taken)


def _weights_of(path: Path, name: str | None = None) -> dict[str, Tensor]:
    if path.with_suffix(".json").is_file():
        return dict(load_weights(path)[0])
    checkpoint = load_checkpoint(path)
    return dict(checkpoint.averaged(checkpoint.sole(name)))
