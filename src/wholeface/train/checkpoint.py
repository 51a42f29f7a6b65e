"""Checkpoints: one safetensors file each, so that resuming runs no pickles and never meets half a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import ModelFileError

__all__ = ["Checkpoint", "load_checkpoint", "optimiser_from_parts", "optimiser_to_parts", "save_checkpoint"]

_SCHEMA = "wholeface-checkpoint-1"


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands. Random numbers and the position in the data follow from the seed and the step.

    Args:
        recipe: name of the recipe.
        settings: its settings as JSON.
        step: finished steps.
        seconds: training time so far, of all sessions of the run together.
        finished: the schedule has come to its end.
        metrics: of the last validation.
        network: state of the network.
        average: running average of that state; equal to it where the run keeps none.
        optimiser: tensors of the optimiser's state.
        facts: everything else (JSON): other state of optimiser and precision, facts for the weight card.
    """

    recipe: str
    settings: Mapping[str, Any]
    step: int
    seconds: float
    finished: bool
    metrics: Mapping[str, float]
    network: Mapping[str, Tensor]
    average: Mapping[str, Tensor]
    optimiser: Mapping[str, Tensor]
    facts: Mapping[str, Any] = field(default_factory=dict)


_PARTS = ("network", "average", "optimiser")


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the one that is there; a reader sees the old or the new one, whole."""
    tensors = {
        f"{part}/{name}": tensor.detach().cpu().clone().contiguous()
        for part in _PARTS
        for name, tensor in getattr(checkpoint, part).items()
    }
    plain = {
        name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__ if name not in _PARTS
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    save_file(tensors, partial, metadata={"schema": _SCHEMA, "state": json.dumps(plain)})
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; its tensors are on the CPU.

    Raises:
        ModelFileError: missing, damaged, or not a checkpoint.
    """
    if not path.is_file():
        raise ModelFileError(f"there is no checkpoint {path}")
    parts: dict[str, Any] = {part: {} for part in _PARTS}
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("schema") != _SCHEMA:
                raise ModelFileError(f"{path} is a safetensors file, but not a checkpoint of a training run")
            for key in file.keys():  # noqa: SIM118
                part, _, name = key.partition("/")
                parts[part][name] = file.get_tensor(key)
        return Checkpoint(**json.loads(metadata["state"]), **parts)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"checkpoint {path} is damaged or of another version: {error}") from error


def optimiser_to_parts(optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimiser's state as named tensors and JSON."""
    state = optimiser.state_dict()
    tensors: dict[str, Tensor] = {}
    others: dict[str, Any] = {}
    for index, values in state["state"].items():
        for name, value in values.items():
            (tensors if isinstance(value, Tensor) else others)[f"{index}/{name}"] = value
    groups = [
        {k: float(v) if isinstance(v, Tensor) else v for k, v in group.items()}
        for group in state["param_groups"]
    ]
    return tensors, {"state": others, "groups": groups}


def optimiser_from_parts(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], others: Mapping[str, Any]
) -> None:
    """Inverse of :func:`optimiser_to_parts`."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **others["state"]}.items():
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": others["groups"]})
