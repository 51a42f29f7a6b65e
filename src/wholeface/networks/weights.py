"""Weight files: tensors as safetensors, and beside them a typed card that says what they are."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ..core.errors import ModelFileError, UsageError
from .quantise import STORAGES, Storage, pack, unpack

__all__ = ["WeightCard", "card_path", "load_card", "load_weights", "save_weights"]

_SCHEMA = 1
_MAPPINGS = ("preprocessing", "architecture_config", "recipe_config", "notes")


@dataclass(frozen=True)
class WeightCard:
    """What a weight file is, where it comes from and how good it is; stored as JSON beside the tensors.

    Args:
        name: short name, e.g. ``face_model``.
        version: version of these weights.
        description: one or two sentences for a reader.
        licence: SPDX identifier (or a short text) under which the weights may be used.
        sources: the data that the weights were learned from, each with its licence.
        paper: citation of the method, or empty.
        preprocessing: what must be done to an input before it meets these weights, name -> value.
        scores: measured results, protocol -> number.
        architecture: name of the network's class, or empty.
        architecture_config: its settings.
        recipe: name of the training recipe, or empty.
        recipe_config: its settings.
        commit: version of the source that trained, with a ``+`` where it was changed since, or empty.
        storage: how the numbers are kept (``fp32``, ``fp16``, ``int8``; they are loaded as float32), or empty for
            tensors that are kept and loaded as they are; filled in by :func:`save_weights`.
        notes: further facts that belong to these weights; any JSON.
        sha256: hash of the safetensors file; filled in by :func:`save_weights`.
    """

    name: str
    version: str
    description: str
    licence: str
    sources: tuple[str, ...] = ()
    paper: str = ""
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    architecture: str = ""
    architecture_config: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""
    recipe_config: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""
    storage: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""


def card_path(path: str | os.PathLike[str]) -> Path:
    """The card that lies beside a weight file: ``x.safetensors`` -> ``x.json``."""
    return Path(path).with_suffix(".json")


def save_weights(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Tensor],
    card: WeightCard,
    *,
    storage: Storage | None = None,
) -> WeightCard:
    """Write tensors and their card; the same input gives the same bytes.

    Args:
        path: file to write, ending in ``.safetensors``; the card goes to :func:`card_path`.
        tensors: name -> tensor of any shape and dtype; copied to the CPU.
        card: everything but ``sha256`` and ``storage``.
        storage: make the file smaller, see :func:`wholeface.networks.quantise.pack`; None keeps every tensor as
            it is.

    Returns:
        The card as written, with its hash.

    Raises:
        UsageError: the path has another ending, there is nothing to write, or no such storage.
    """
    target = Path(path)
    if target.suffix != ".safetensors":
        raise UsageError(f"weight files end in .safetensors, not {target.name!r}")
    if not tensors:
        raise UsageError(f"no tensors to write to {target}")
    if storage is not None:
        if storage not in STORAGES:
            raise UsageError(f"unknown storage {storage!r}; choose from {', '.join(STORAGES)}")
        tensors = pack(tensors, storage)
    # Clones, because safetensors refuses tensors that share memory.
    plain = {name: tensors[name].detach().cpu().clone().contiguous() for name in sorted(tensors)}
    data = safetensors.torch.save(plain)
    card = replace(card, sha256=hashlib.sha256(data).hexdigest(), storage=storage or "")
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"schema": _SCHEMA, **asdict(card)}, indent=2, ensure_ascii=False) + "\n"
    _write_whole(target, data)
    _write_whole(card_path(target), text.encode())
    return card


def load_weights(
    path: str | os.PathLike[str], *, sha256: str | None = None, device: torch.device | str = "cpu"
) -> tuple[dict[str, Tensor], WeightCard]:
    """Read tensors and their card; nothing in either file is executed.

    Args:
        path: the ``.safetensors`` file; its card must lie beside it.
        sha256: a hash that the file must have besides the one in its card, e.g. one pinned in code.
        device: where the tensors go.

    Returns:
        name -> tensor, and the card.

    Raises:
        ModelFileError: a file is missing, truncated or not what its card says.
    """
    source = Path(path)
    card = load_card(source)
    data = _read(source, "weight file")
    found = hashlib.sha256(data).hexdigest()
    for expected, origin in ((card.sha256, f"its card {card_path(source).name}"), (sha256, "the caller")):
        if expected is not None and found != expected.lower():
            raise ModelFileError(
                f"weight file {source} has the SHA-256 {found}, but {origin} says {expected or 'nothing'}: "
                "the file is damaged or belongs to another version; fetch or build it again"
            )
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise ModelFileError(f"weight file {source} is not a safetensors file: {error}") from error
    if card.storage:
        if card.storage not in STORAGES:
            raise ModelFileError(
                f"weight card {card_path(source)}: unknown storage {card.storage!r}; it needs a newer wholeface"
            )
        tensors = unpack(tensors)
    return {name: tensor.to(device) for name, tensor in tensors.items()}, card


def load_card(path: str | os.PathLike[str]) -> WeightCard:
    """Read the card of a weight file.

    Args:
        path: the ``.safetensors`` file or the ``.json`` card itself.

    Raises:
        ModelFileError: the card is missing, is not JSON, or lacks or mistypes a field.
    """
    source = card_path(path)
    try:
        raw = json.loads(_read(source, "weight card").decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"weight card {source} is not valid JSON: {error}") from error
    if not isinstance(raw, dict) or raw.get("schema") != _SCHEMA:
        raise ModelFileError(f'weight card {source} does not say "schema": {_SCHEMA}; it is not one of ours')
    del raw["schema"]
    known = {f.name: f for f in fields(WeightCard)}
    if unknown := sorted(set(raw) - set(known)):
        raise ModelFileError(f"weight card {source} has unknown fields: {', '.join(unknown)}")
    if missing := [n for n in ("name", "version", "description", "licence", "sha256") if not raw.get(n)]:
        raise ModelFileError(f"weight card {source} lacks: {', '.join(missing)}")
    for name, value in raw.items():
        if not _is_typed(name, value):
            raise ModelFileError(
                f"weight card {source}: field {name!r} should be {known[name].type}, got {value!r:.60}"
            )
    raw["sources"] = tuple(raw.get("sources", ()))
    return WeightCard(**raw)


def _is_typed(name: str, value: object) -> bool:
    if name == "sources":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if name == "scores":
        return isinstance(value, dict) and all(
            isinstance(item, (int, float)) and not isinstance(item, bool) for item in value.values()
        )
    return isinstance(value, dict if name in _MAPPINGS else str)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"cannot read the {what} {path}: {error.strerror or error}") from error


def _write_whole(path: Path, data: bytes) -> None:
    """Write through a temporary name, so that a reader never sees half a file."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(data)
    os.replace(partial, path)
