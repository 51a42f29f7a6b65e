"""Representations that fit on a line: arrays by type and shape, never by their content."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

__all__ = ["short_repr"]

_LONGEST = 60  # characters of one value
_MOST_ENTRIES = 6  # of a container


def short_repr(self: Any) -> str:
    """One line for a dataclass: its fields, arrays and tensors as ``float32 (10021, 3)``, None left out.

    Use it as ``__repr__ = short_repr`` in the body of a dataclass that holds arrays; `dataclass` then keeps it.
    """
    shown = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self) if f.repr)
    parts = (f"{name}={_short(value)}" for name, value in shown if value is not None)
    return f"{type(self).__qualname__}({', '.join(parts)})"


def _short(value: Any) -> str:
    """A value in a few characters."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        if len(shape) == 0:
            return f"{float(value):g}"
        return f"{str(dtype).removeprefix('torch.')} {tuple(shape)}"
    if isinstance(value, Mapping):
        return _container(
            "{", [f"{key!r}: {_short(entry)}" for key, entry in _first(value.items())], "}", value
        )
    if isinstance(value, (list, tuple)):
        return _container("(", [_short(entry) for entry in _first(value)], ")", value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return short_repr(value)
    text = f"{value:g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _first(entries: Any) -> list[Any]:
    return [entry for entry, _ in zip(entries, range(_MOST_ENTRIES))]


def _container(opening: str, parts: list[str], closing: str, whole: Any) -> str:
    """The first entries and how many there are, or the number alone where they do not fit."""
    more = [f"… {len(whole)} in all"] if len(whole) > len(parts) else []
    text = opening + ", ".join([*parts, *more]) + closing
    return text if len(text) <= 2 * _LONGEST else f"{opening}… {len(whole)} in all{closing}"
