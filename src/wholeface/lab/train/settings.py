"""Typed settings of a recipe: a frozen dataclass, words of the command line, JSON."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ...core.errors import UsageError

__all__ = ["describe_settings", "parse_settings", "settings_from_json", "settings_to_json"]

C = TypeVar("C")


def parse_settings(base: C, words: Sequence[str]) -> C:
    """A copy of ``base`` with settings of the form ``key=value`` applied.

    Values are read by the type of their field: numbers (``1e-3``, ``20_000``), ``true``/``false``, text, paths,
    one of some words, comma-separated tuples; ``none`` where the field may be None.

    Args:
        base: instance of a frozen dataclass.
        words: for example ``["steps=2000", "stores=a,b"]``.

    Raises:
        UsageError: an unknown key (the message lists the known ones), or a value of the wrong type.
    """
    hints = get_type_hints(type(base))
    changes: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r}: settings have the form key=value")
        if key not in hints:
            known = ", ".join(f"{name} ({_type_name(hint)})" for name, hint in hints.items())
            raise UsageError(f"unknown setting {key!r}; known are: {known}")
        try:
            changes[key] = _parse(text, hints[key])
        except ValueError as error:
            raise UsageError(f"{key}={text}: expected {_type_name(hints[key])}") from error
    return _replaced(base, changes)


def describe_settings(base: object) -> list[str]:
    """One line per setting: name, type, value and what the class's docstring says about it."""
    hints = get_type_hints(type(base))
    said = _field_docs(type(base))
    lines = []
    for name in (f.name for f in dataclasses.fields(base)):  # type: ignore[arg-type]
        line = f"{name}: {_type_name(hints[name])} = {_plain(getattr(base, name))}"
        lines.append(f"{line}   {said[name]}" if name in said else line)
    return lines


def settings_to_json(settings: object) -> dict[str, Any]:
    """The settings as plain JSON values."""
    return {f.name: _to_json(getattr(settings, f.name)) for f in dataclasses.fields(settings)}  # type: ignore[arg-type]


def settings_from_json(kind: type[C], values: Mapping[str, Any]) -> C:
    """Inverse of :func:`settings_to_json`; settings that ``kind`` no longer has are refused.

    Raises:
        UsageError: unknown settings or values of a wrong type.
    """
    hints = get_type_hints(kind)
    if unknown := sorted(set(values) - set(hints)):
        raise UsageError(f"{kind.__name__} has no settings {', '.join(unknown)}")
    try:
        return kind(**{name: _from_json(value, hints[name]) for name, value in values.items()})
    except (TypeError, ValueError) as error:
        raise UsageError(f"{kind.__name__}: {error}") from error


def _replaced(base: C, changes: Mapping[str, Any]) -> C:
    try:
        return dataclasses.replace(base, **changes)  # type: ignore[type-var]
    except ValueError as error:
        raise UsageError(str(error)) from error


def _parse(text: str, hint: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if type(None) in arguments and text.lower() in ("none", ""):
            return None
        return _parse_first(text, [a for a in arguments if a is not type(None)])
    if origin is Literal:
        for choice in arguments:
            if text == str(choice):
                return choice
        raise ValueError(text)
    if origin is tuple:
        parts = [part.strip() for part in text.split(",")] if text else []
        return tuple(_parse(part, hint) for part, hint in zip(parts, _items(arguments, len(parts))))
    if hint is bool:
        if text.lower() not in _BOOLEANS:
            raise ValueError(text)
        return _BOOLEANS[text.lower()]
    if hint in (int, float, str, Path):
        return hint(text)
    raise ValueError(text)


_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _parse_first(text: str, hints: Sequence[Any]) -> Any:
    for hint in hints:
        try:
            return _parse(text, hint)
        except ValueError:
            continue
    raise ValueError(text)


def _items(arguments: tuple[Any, ...], count: int) -> list[Any]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return [arguments[0]] * count
    if len(arguments) != count:
        raise ValueError(f"{len(arguments)} values, got {count}")
    return list(arguments)


def _to_json(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [_to_json(item) for item in value] if isinstance(value, tuple) else value


def _from_json(value: Any, hint: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(a for a in arguments if a is not type(None))
        return _from_json(value, hint)
    if origin is tuple:
        return tuple(_from_json(item, h) for item, h in zip(value, _items(arguments, len(value))))
    return Path(value) if hint is Path else value


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(_plain(item) for item in value)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _type_name(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join("none" if a is type(None) else _type_name(a) for a in arguments)
    if origin is Literal:
        return "one of " + ", ".join(str(a) for a in arguments)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return f"{_type_name(arguments[0])},…"
        return ",".join(_type_name(a) for a in arguments)
    return {bool: "true or false", int: "int", float: "float", str: "text", Path: "path"}.get(hint, str(hint))


def _field_docs(kind: type) -> dict[str, str]:
    """name -> what the ``Args:`` sections of the class and its bases say."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        section = re.search(r"\n\s*Args:\n(.*?)(\n\s*\n|\Z)", base.__doc__ or "", flags=re.S)
        if base is object or section is None:
            continue
        for name, text in re.findall(r"^\s+(\w+): (.*(?:\n(?!\s+\w+: ).*)*)", section[1], flags=re.M):
            found[name] = " ".join(text.split())
    return found
