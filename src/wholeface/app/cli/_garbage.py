"""When the cyclic garbage collector may stay idle: while modules load, and when the program ends."""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def collection_postponed() -> Iterator[Callable[[], None]]:
    """Hold the collector back until the function that this yields is called, or until the block ends.

    Torch, numba and SciPy make some hundred thousand objects that stay for good; looking through them
    again and again takes half a second of start-up. They are exempt from then on (``gc.freeze``).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    done = False

    def resume() -> None:
        nonlocal done
        if not done and was_enabled:
            gc.freeze()
            gc.enable()
        done = True

    try:
        yield resume
    finally:
        resume()


@functools.cache
def leave_the_rest_to_the_system() -> None:
    """At the end of the process, do not search everything that was ever imported for cycles (0.7 s)."""
    atexit.register(gc.freeze)
