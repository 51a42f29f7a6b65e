"""The systems that turn a photo into a head, each a short composition of the rooms.

``analysis`` is training-free: landmarks, maximum-a-posteriori fit, analysis by synthesis. ``auto`` names
the method that serves best at present.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, cast

from ..errors import UsageError

if TYPE_CHECKING:
    from ..reconstruction import Reconstruction
    from ._job import FaceJob

__all__ = ["METHODS", "get_method"]

METHODS: dict[str, str] = {
    "auto": "analysis",
    "analysis": "analysis",
}
"""Name on the command line -> file in this folder."""


def get_method(name: str) -> Callable[[FaceJob], Reconstruction]:
    """The function that runs the method ``name``.

    Raises:
        UsageError: no such method; the message lists those that exist.
    """
    if name not in METHODS:
        raise UsageError(f"unknown method {name!r}; choose from {', '.join(METHODS)}")
    module = import_module(f".{METHODS[name]}", __name__)
    return cast("Callable[[FaceJob], Reconstruction]", module.run)
