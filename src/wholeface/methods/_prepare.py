"""Tables that depend on the face model alone, made while the first photo is on its way."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future
from pathlib import Path

from ..morphable import MorphableModel, load_model

__all__ = ["load_in_background", "prepare_in_background"]


def load_in_background(model: str | Path) -> Future[MorphableModel]:
    """Begin to load a face model; the result, or the error, comes with ``.result()``."""
    future: Future[MorphableModel] = Future()

    def work() -> None:
        try:
            future.set_result(load_model(model))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name="face model").start()
    return future


def prepare_in_background(model: MorphableModel, texture_size: int) -> None:
    """Begin to make the texture tables of a model; who needs them meanwhile waits for them.

    An error is raised where the tables are used.
    """
    from ..complete import prepare

    def work() -> None:
        with contextlib.suppress(Exception):
            prepare(model, texture_size)

    threading.Thread(target=work, name="texture tables").start()
