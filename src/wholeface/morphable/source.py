"""Where a face model came from: what travels with a result instead of its hundred megabytes."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..core.errors import ModelFileError

if TYPE_CHECKING:
    from .model import MorphableModel

__all__ = ["ModelSource", "content_hash", "find_model"]


@dataclass(frozen=True)
class ModelSource:
    """How to find a face model again.

    Args:
        place: ``wholeface``, ``body-models:…``, or the absolute path of its file or folder.
        options: what :func:`wholeface.morphable.load_model` was given besides.
        sha256: of the file, for WholeFace's own format; None elsewhere, where the loaded numbers are hashed.
        moved: the model was brought to another device or dtype after it was read.
    """

    place: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sha256: str | None = None
    moved: bool = False


def content_hash(model: MorphableModel) -> str:
    """SHA-256 of a model's mesh, modes and albedo."""
    digest = hashlib.sha256()
    parts: list[Tensor | None] = [model.mean, model.identity, model.expression, model.triangles, model.uv]
    if model.albedo is not None:
        parts += [model.albedo.mean, model.albedo.basis]
    for part in parts:
        if part is not None:
            array = part.detach().cpu().contiguous().numpy()
            digest.update(repr((array.shape, array.dtype.str)).encode())
            digest.update(array.data if array.size else b"")
    return digest.hexdigest()


# Models that live in this process, by their content: results that are unpickled one by one share one model. Entries
# vanish with the last result that uses them, and a key that names the content cannot give another model.
_alive: weakref.WeakValueDictionary[str, MorphableModel] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def remember(model: MorphableModel, sha256: str) -> None:
    """Let :func:`find_model` find this model while somebody holds it."""
    with _lock:
        _alive.setdefault(sha256, model)


def find_model(
    name: str, version: str, source: ModelSource, sha256: str, device: torch.device, dtype: torch.dtype
) -> MorphableModel:
    """The model that a result names.

    Args:
        name: of the model; ``version``: of it.
        source: where it came from.
        sha256: ``source.sha256``, or the content's.
        device: where the result had it; ``dtype``: in which precision.

    Raises:
        ModelFileError: the model is no longer there, or another one lies in its place.
    """
    from .loaders import load_model

    if device.type == "cuda" and not torch.cuda.is_available():
        device = torch.device("cpu")
    with _lock:
        model = _alive.get(sha256)
    if model is None:
        what = f"this result uses the face model {name!r} ({version})"
        place = Path(source.place)
        if source.place != "wholeface" and not source.place.startswith("body-models:") and not place.exists():
            raise ModelFileError(f"{what} from {place}, which is missing; put the model back there")
        model = load_model(source.place, **source.options)
        found = None if model.source is None else model.source.sha256
        if (found or model.table("content hash", content_hash)) != sha256:
            raise ModelFileError(
                f"{what}, but {source.place} holds another one ({model.name!r} {model.version}); "
                "put the model that made the result there, or reconstruct the photo again"
            )
        remember(model, sha256)
    return model if (model.mean.device, model.mean.dtype) == (device, dtype) else model.to(device, dtype)
