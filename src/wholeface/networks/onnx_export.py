"""Our networks as ONNX models, for ONNX Runtime and other programs."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import tempfile
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import OutputError, UsageError
from .backend import fold_norms
from .registry import HASH_KEY, NetworkName, load_network, read_card, weights_file

if TYPE_CHECKING:
    from torch import nn

    from .weights import WeightCard

__all__ = ["OPSET", "export_onnx", "onnx_bytes", "onnx_metadata", "onnx_model", "traced_size"]

OPSET = 17
_EDITION = 1  # of what this file writes; a new one leaves old files in the cache alone


def onnx_bytes(network: nn.Module, size: int, *, metadata: Mapping[str, str] | None = None) -> bytes:
    """A network as the content of an ONNX file.

    The model has one input ``image``, (batch, 3, height, width) float32 in [0, 1], and one output ``raw``: what the
    module's ``forward`` returns. The batch is dynamic; so are height and width (multiples of 32) for networks that
    are convolutional throughout. Norms are folded into their convolutions.

    Args:
        network: one of :mod:`wholeface.networks`; it is copied.
        size: edge of the input with which it is traced, and the only one where the network has a fixed input.
        metadata: written into the file.

    Raises:
        UsageError: the package ``onnx`` is not installed, or the network takes more than an image.
    """
    taken = list(inspect.signature(network.forward).parameters)
    if len(taken) != 1:
        raise UsageError(
            f"a {type(network).__name__} takes {', '.join(taken)}; ONNX models are written of networks that take one "
            "image alone"
        )
    try:
        import onnx
    except ImportError as error:
        raise UsageError(
            f"writing ONNX models needs the package onnx ({error}); install it with: pip install 'wholeface[onnx]'"
        ) from error
    import torch

    from . import LandmarkNet

    axes: dict[str, dict[int, str]] = {"image": {0: "batch"}, "raw": {0: "batch"}}
    if not isinstance(network, LandmarkNet):  # whose last layer is fully connected
        axes["image"] |= {2: "height", 3: "width"}
        axes["raw"] |= {1: "cells"} if type(network).__name__ == "DetectorNet" else {2: "rows", 3: "columns"}
    # The exporter that traces; the newer one needs onnxscript, and some seconds instead of half a second. Versions of
    # torch that know only one have no argument to choose by.
    choice: dict[str, Any] = {"dynamo": False} if _knows_dynamo() else {}
    network, example = fold_norms(network), torch.zeros(1, 3, size, size)
    with torch.inference_mode():
        shape = network(example).shape
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = Path(folder) / "model.onnx"
        torch.onnx.export(
            network,
            (example,),
            str(traced),
            input_names=["image"],
            output_names=["raw"],
            dynamic_axes=axes,
            opset_version=OPSET,
            **choice,
        )
        model = onnx.load_model(str(traced))
    for axis, dimension in enumerate(model.graph.output[0].type.tensor_type.shape.dim):
        if axis not in axes["raw"]:  # the exporter calls some of them unknown
            dimension.dim_value = shape[axis]
    onnx.helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def export_onnx(
    network: nn.Module, path: Path, size: int, *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a network as an ONNX file; see :func:`onnx_bytes`.

    Args:
        network: one of :mod:`wholeface.networks`; it is copied.
        path: file to write; a reader never sees half of it.
        size: edge of the input.
        metadata: written into the file.

    Raises:
        UsageError: the package ``onnx`` is not installed.
        OutputError: the file cannot be written.
    """
    try:
        _write_whole(Path(path), onnx_bytes(network, size, metadata=metadata))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def onnx_metadata(card: WeightCard) -> dict[str, str]:
    """What a file made from these weights says of itself."""
    return {
        HASH_KEY: card.sha256,
        "wholeface.name": card.name,
        "wholeface.version": card.version,
        "wholeface.licence": card.licence,
        "wholeface.architecture": card.architecture,
        "wholeface.architecture_config": json.dumps(dict(card.architecture_config), sort_keys=True),
        "wholeface.preprocessing": json.dumps(dict(card.preprocessing), sort_keys=True),
    }


def onnx_model(name: NetworkName, weights: Path | None = None) -> str | bytes:
    """Path of a network's ONNX model; its content where it cannot be kept.

    ``NAME.onnx`` beside the weights is taken where it exists. Otherwise the model is exported once into the user's
    cache folder (``$XDG_CACHE_HOME/wholeface`` or ``~/.cache/wholeface``), under a name that holds the weights' hash.

    Args:
        name: of the network.
        weights: see :func:`shipped.weights_file`.

    Raises:
        ModelFileError: the weights are missing or damaged.
        UsageError: the model must be exported, and the package ``onnx`` is not installed.
    """
    file = weights_file(name, weights)
    beside = file.with_suffix(".onnx")
    if beside.is_file():
        return str(beside)
    kept: Path | None = None
    with contextlib.suppress(RuntimeError):  # nobody's home
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wholeface"
        kept = cache / f"{name}-{read_card(name, file).sha256[:32]}-{_EDITION}.onnx"
        if kept.is_file():
            return str(kept)
    network, card = load_network(name, file)
    data = onnx_bytes(network, traced_size(card), metadata=onnx_metadata(card))
    if kept is None:
        return data
    try:
        _write_whole(kept, data)
    except OSError:
        return data
    return str(kept)


def traced_size(card: WeightCard) -> int:
    """Edge of the input that a network was trained for."""
    return int(card.architecture_config.get("input_size", 224))


def _knows_dynamo() -> bool:
    import inspect

    import torch

    return "dynamo" in inspect.signature(torch.onnx.export).parameters


def _write_whole(path: Path, data: bytes) -> None:
    """Through a temporary name of its own, so that neither a reader nor a second writer sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
