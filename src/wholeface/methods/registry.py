"""Methods by name: those of this package, those that other packages offer, and those in a file."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ..core.errors import UsageError
from .spec import MethodSpec

__all__ = ["ENTRY_POINT_GROUP", "METHODS", "get_method", "method_names"]

METHODS: dict[str, str] = {
    "auto": "auto",
    "analysis": "analysis",
    "distilled": "distilled",
    "eyeglasses": "eyeglasses",
    "focus": "focus",
    "layered": "layered",
    "parsing_guided": "parsing_guided",
}
"""Name on the command line -> module of this package whose ``METHOD`` runs."""

ENTRY_POINT_GROUP = "wholeface.methods"
"""Packages offer methods of their own as entry points of this group, each a :class:`MethodSpec`."""


def _offered() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP) if entry.name not in METHODS}


def method_names() -> list[str]:
    """Names that :func:`get_method` takes, those of installed packages after our own."""
    return [*METHODS, *sorted(_offered())]


def get_method(name: str | MethodSpec) -> MethodSpec:
    """The method of a name.

    Args:
        name: a key of :data:`METHODS`; the name of an entry point of the group ``wholeface.methods``; a Python file
            that assigns a :class:`MethodSpec` to ``METHOD`` (``my_method.py``, which is executed); or a
            :class:`MethodSpec`, which is returned as it is.

    Raises:
        UsageError: no such method; the message lists those that exist. Or what was found is no method.
    """
    if isinstance(name, MethodSpec):
        return name
    if name in METHODS:
        return _checked(import_module(f"{__package__}.{METHODS[name]}").METHOD, name)
    if name.endswith(".py"):
        return _from_file(Path(name))
    offered = _offered().get(name)
    if offered is None:
        raise UsageError(
            f"unknown method {name!r}; choose from {', '.join(method_names())}, or give a Python file that assigns "
            "a wholeface.methods.MethodSpec to METHOD"
        )
    try:
        found = offered.load()
    except Exception as error:
        raise UsageError(
            f"method {name!r}, offered by {offered.value}, cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    return _checked(found, f"{name}, offered by {offered.value}")


def _from_file(path: Path) -> MethodSpec:
    if not path.is_file():
        raise UsageError(f"method {path}: no such file")
    spec = importlib.util.spec_from_file_location(f"wholeface_method_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"method {path} cannot be loaded: {type(error).__name__}: {error}") from error
    return _checked(getattr(module, "METHOD", None), str(path))


def _checked(found: object, where: str) -> MethodSpec:
    if not isinstance(found, MethodSpec):
        raise UsageError(
            f"method {where}: METHOD should be a wholeface.methods.MethodSpec, but is {type(found).__name__}"
        )
    return found
