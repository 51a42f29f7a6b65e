"""What can be made before the first photo: done in the background while that photo is read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from .stage import Stage
from .tools import Tools

__all__ = ["in_background", "prepare_stages"]

_T = TypeVar("_T")


def in_background(work: Callable[[], _T], name: str) -> Future[_T]:
    """Begin ``work`` in a thread; its result, or its error, comes with ``.result()``."""
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def prepare_stages(stages: Sequence[Stage], tools: Tools) -> None:
    """Let each stage that has a method ``prepare(tools)`` make its tables; others do nothing here."""
    for step in stages:
        prepare = getattr(step, "prepare", None)
        if prepare is not None:
            prepare(tools)
