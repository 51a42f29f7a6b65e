"""JSON that people can read and diff."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import UsageError
from ._files import write_file

__all__ = ["SCHEMA_VERSION", "plain_json", "write_json"]

SCHEMA_VERSION = 1
"""Written where the data name no ``schema_version`` of their own."""
_DIGITS = 7  # significant; what a float32 holds
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode  # json.dumps makes a new one each time


def write_json(path: str | os.PathLike[str], data: Mapping[str, Any], *, digits: int = _DIGITS) -> Path:
    """Writes a record: ``schema_version`` first, then the keys in the order given; one row of numbers a line.

    Arrays, tensors, dataclasses, enums and paths become plain JSON; floats are rounded to significant
    digits; values that are not finite become null.

    Raises:
        UsageError: a value that JSON cannot hold.
        OutputError: the file cannot be written.
    """
    record = {"schema_version": data.get("schema_version", SCHEMA_VERSION), **data}
    text = _dump(plain_json(record, digits=digits), "") + "\n"
    # Names of files may hold bytes that are not UTF-8, as lone surrogates: Python's escape for them is JSON's, too.
    return write_file(path, text.encode("utf-8", "backslashreplace"))


def plain_json(value: Any, *, digits: int | None = None) -> Any:  # noqa: PLR0911
    """The value in dicts, lists, strings, numbers, booleans and None.

    Args:
        value: what to convert.
        digits: significant digits of floats, or None to leave them exact.

    Raises:
        UsageError: a value that JSON cannot hold.
    """
    kind = type(value)
    if kind is float:  # nearly all values, so they come first
        return _rounded(value, digits)
    if kind is list:
        return [plain_json(v, digits=digits) for v in value]
    if hasattr(value, "detach"):  # torch tensor
        value = value.detach().cpu().numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _rounded(value, digits)
    if isinstance(value, Mapping):
        return {_key(k): plain_json(v, digits=digits) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return plain_json(sorted(value), digits=digits)
    if isinstance(value, (list, tuple)):
        return [plain_json(v, digits=digits) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain_json(getattr(value, f.name), digits=digits) for f in dataclasses.fields(value)}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise UsageError(f"cannot write a {type(value).__name__} to JSON")


def _key(key: Any) -> str:
    if isinstance(key, enum.Enum):
        key = key.value
    if isinstance(key, (str, int)) and not isinstance(key, bool):
        return str(key)
    raise UsageError(f"JSON keys are strings, got {key!r}")


def _rounded(value: float, digits: int | None) -> float | None:
    if not math.isfinite(value):
        return None
    if digits is None:
        return value
    rounded = float(f"{value:.{digits}g}")
    return 0.0 if rounded == 0 else rounded  # no -0.0


def _dump(value: Any, indent: str) -> str:
    """Objects over several lines; lists of scalars on one line; lists of lists one line per row."""
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        rows = [f"{deeper}{_encode(k)}: {_dump(v, deeper)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        return "[\n" + ",\n".join(deeper + _dump(v, deeper) for v in value) + f"\n{indent}]"
    return _encode(value)
