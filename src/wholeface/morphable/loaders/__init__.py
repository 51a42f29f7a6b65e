"""Loaders, one file per format, each returning a ``MorphableModel`` in our conventions."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from ...core.errors import ModelFileError, UsageError
from ..model import MorphableModel
from ..source import ModelSource
from ._files import npz_names, read_bytes

__all__ = ["MODEL_FORMATS", "detect_format", "load_model"]

MODEL_FORMATS = {
    "bfm09": "Basel Face Model 2009, MATLAB: BFM_model_front.mat or 01_MorphableModel.mat",
    "bfm17": "Basel Face Model 2017 or 2019, HDF5: model2017-1_face12_nomouth.h5, model2019_fullHead.h5, …",
    "flame": "FLAME 2019–2023, pickle or .npz: generic_model.pkl, flame2023.pkl, …",
    "gnm": "GNM Head, .npz: gnm_head.npz",
    "wholeface": "WholeFace's own, .safetensors with its card beside it",
    "ict": "ICT-FaceKit, the folder FaceXModel with generic_neutral_mesh.obj, or the same packed as .npz",
}
"""Formats that :func:`load_model` recognises by content, and the files in which they are published."""

_BODY_MODELS = "body-models:"


def load_model(name_or_path: str | os.PathLike[str] = "wholeface", **options: Any) -> MorphableModel:
    """A face model by name, or from a file or folder that the user has.

    Args:
        name_or_path: ``"wholeface"`` for the model that comes with the package; ``"body-models:flame"`` or
            ``"body-models:gnm"`` through that package; else a path, whose format is recognised by content.
        options: passed on to the loader of that format, e.g. ``landmarks=`` or ``texture=`` (see its
        documentation).

    Raises:
        ModelFileError: the file is missing, damaged, incomplete or of no known format.
        UsageError: an option that the format does not have.

    Example:
        >>> model = load_model("generic_model.pkl", landmarks="landmark_embedding.npy")  # doctest: +SKIP
    """
    if name_or_path == "wholeface":
        return _call("wholeface", "read_asset", (), options)
    if isinstance(name_or_path, str) and name_or_path.startswith(_BODY_MODELS):
        found = _call("body_models", "load_body_model", (name_or_path.removeprefix(_BODY_MODELS),), options)
        return found.from_source(ModelSource(name_or_path, _lasting(options)))
    path = Path(name_or_path)
    kind = detect_format(path)
    if kind == "wholeface":
        return _call(kind, "read_asset", (path,), options)
    found = _call(kind, f"load_{kind}", (path,), options)
    return found.from_source(ModelSource(str(path.resolve()), _lasting(options)))


def _lasting(options: dict[str, Any]) -> dict[str, Any]:
    """Options that mean the same in another folder: files by their absolute paths."""
    return {
        name: str(Path(value).resolve())
        if isinstance(value, (str, os.PathLike)) and Path(value).exists()
        else value
        for name, value in options.items()
    }


def detect_format(path: str | os.PathLike[str]) -> str:
    """Key of :data:`MODEL_FORMATS` for a file or folder, by its content; its name does not matter.

    Raises:
        ModelFileError: missing, unreadable or of no known format.
    """
    place = Path(path)
    if place.is_dir():
        if any(place.glob("*.obj")) or any(place.glob("FaceXModel/*.obj")):
            return "ict"
        raise _unknown(place)
    data = read_bytes(place, 16)
    if data.startswith(b"\x89HDF\r\n\x1a\n"):
        return "bfm17"
    if data.startswith(b"MATLAB "):
        return "bfm09"
    if data.startswith(b"PK\x03\x04"):
        names = npz_names(place)
        for kind, sign in (
            ("flame", "shapedirs"),
            ("gnm", "template_vertex_positions"),
            ("ict", "expression"),
        ):
            if sign in names:
                return kind
        raise _unknown(place)
    if data[8:9] == b"{" and 0 < int.from_bytes(data[:8], "little") < 100_000_000:
        return "wholeface"
    # Pickles begin with the PROTO opcode (protocol 2 up) or, in protocols 0 and 1, with MARK or EMPTY_DICT.
    if data[:1] == b"\x80" or data[:2] in (b"(d", b"(i", b"}q", b"(c"):
        return "flame"
    raise _unknown(place)


def _unknown(path: Path) -> ModelFileError:
    known = "; ".join(MODEL_FORMATS.values())
    return ModelFileError(f"{path} is in no format that is known here. These are: {known}")


def _call(module: str, function: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> MorphableModel:
    loader: Callable[..., MorphableModel] = getattr(import_module(f".{module}", __name__), function)
    try:
        inspect.signature(loader).bind(*arguments, **options)
    except TypeError as error:
        known = [p.name for p in inspect.signature(loader).parameters.values() if p.kind is p.KEYWORD_ONLY]
        raise UsageError(
            f"{error}; the options of this model format are: {', '.join(known) or 'none'}"
        ) from None
    return loader(*arguments, **options)
