"""The server: heads over HTTP, and the page in the browser. Needs ``wholeface[serve]``; loaded when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .settings import ServeSettings

if TYPE_CHECKING:
    from .api import create_app
    from .viewing import create_view_app

__all__ = ["ServeSettings", "create_app", "create_view_app"]

_HOMES = {"create_app": ".api", "create_view_app": ".viewing"}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
