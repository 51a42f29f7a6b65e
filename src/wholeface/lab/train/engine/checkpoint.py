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

from ....core.errors import ModelFileError, UsageError

__all__ = ["Checkpoint", "load_checkpoint", "optimiser_from_parts", "optimiser_to_parts", "save_checkpoint"]

_SCHEMA = "wholeface-checkpoint-2"
_ONE_NETWORK = "wholeface-checkpoint-1"
"""Schema of the runs that had a single network, ``network``, and its optimiser."""

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands. Random numbers, phases and the position in the data follow from the seed and the step.

    Args:
        recipe: name of the recipe.
        settings: its settings as JSON.
        step: finished steps.
        seconds: training time so far, of all sessions of the run together.
        finished: the schedule has come to its end.
        metrics: of the last validation.
        networks: name -> state of the network.
        averages: name -> running average of that state, of the networks for which the run keeps one.
        optimisers: name -> tensors of the optimiser's state.
        facts: everything else (JSON): other state of optimisers and precision, how often each has learned, hashes of
            teachers, facts for the weight card.
    """

    recipe: str
    settings: Mapping[str, Any]
    step: int
    seconds: float
    finished: bool
    metrics: Mapping[str, float]
    networks: Mapping[str, State]
    averages: Mapping[str, State]
    optimisers: Mapping[str, State]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def sole(self, name: str | None = None) -> str:
        """The name of the run's only network, or the given one if the run has it.

        Raises:
            UsageError: there are several and none was named, or not this one.
        """
        known = ", ".join(self.networks)
        if name is None and len(self.networks) > 1:
            raise UsageError(
                f"a run of {self.recipe!r} holds several networks ({known}); say which (--network)"
            )
        if name is not None and name not in self.networks:
            raise UsageError(f"a run of {self.recipe!r} holds no network {name!r}; there are: {known}")
        return name or next(iter(self.networks))

    def averaged(self, name: str) -> State:
        """Running average of a network; its state where the run keeps none."""
        return self.averages.get(name, self.networks[name])

    @property
    def network(self) -> State:
        """State of the only network."""
        return self.networks[self.sole()]

    @property
    def average(self) -> State:
        """Running average of the only network; its state where the run keeps none."""
        return self.averaged(self.sole())


_PARTS = ("networks", "averages", "optimisers")


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the one that is there; a reader sees the old or the new one, whole."""
    tensors = {
        f"{part}/{owner}/{name}": tensor.detach().cpu().clone().contiguous()
        for part in _PARTS
        for owner, state in getattr(checkpoint, part).items()
        for name, tensor in state.items()
    }
    plain = {
        name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__ if name not in _PARTS
    }
    # An optimiser that has not stepped yet has no tensors, but is there.
    plain["owners"] = {part: list(getattr(checkpoint, part)) for part in _PARTS}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    save_file(tensors, partial, metadata={"schema": _SCHEMA, "state": json.dumps(plain)})
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, also one of the time when runs had one network; its tensors are on the CPU.

    Raises:
        ModelFileError: missing, damaged, or not a checkpoint.
    """
    if not path.is_file():
        raise ModelFileError(f"there is no checkpoint {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            schema = metadata.get("schema")
            if schema not in (_SCHEMA, _ONE_NETWORK):
                raise ModelFileError(f"{path} is a safetensors file, but not a checkpoint of a training run")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        plain = json.loads(metadata["state"])
        if schema == _ONE_NETWORK:
            tensors, plain = _from_one_network(tensors, plain)
        owners = plain.pop("owners")
        parts: dict[str, Any] = {p: {o: {} for o in owners[p]} for p in _PARTS}
        for key, tensor in tensors.items():
            part, owner, name = key.split("/", 2)
            parts[part][owner][name] = tensor
        return Checkpoint(**plain, **parts)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"checkpoint {path} is damaged or of another version: {error}") from error


def _from_one_network(
    tensors: dict[str, Tensor], plain: dict[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What a file of the schema :data:`_ONE_NETWORK` is in today's."""
    only = "network"
    parts = {"network": "networks", "average": "averages", "optimiser": "optimisers"}
    renamed = {}
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        renamed[f"{parts[part]}/{only}/{name}"] = tensor
    facts = dict(plain["facts"])
    facts["optimisers"] = {only: facts.pop("optimiser")}
    facts["updates"] = {"optimisers": {only: plain["step"]}, "networks": {only: plain["step"]}}
    return renamed, {**plain, "facts": facts, "owners": {part: [only] for part in _PARTS}}


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
    """Inverse of :func:`optimiser_to_parts`.

    Raises:
        ValueError: the state is of other parameters, or of the same in another order.
    """
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **others["state"]}.items():
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = value
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for index, values in state.items():
        for name, value in values.items():
            fits = index < len(parameters) and (
                not isinstance(value, Tensor) or value.ndim == 0 or value.shape == parameters[index].shape
            )
            if not fits:
                raise ValueError(f"the optimiser's {name} of parameter {index} has another shape")
    optimiser.load_state_dict({"state": state, "param_groups": others["groups"]})
