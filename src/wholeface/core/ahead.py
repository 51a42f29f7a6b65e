"""The next items of an iterator while the present one is used, by one thread that lives as long as the iteration."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

__all__ = ["ahead"]

_T = TypeVar("_T")


def ahead(items: Iterable[_T], count: int = 1) -> Generator[_T, None, None]:
    """Iterate over ``items`` in a thread, so that they are computed while earlier ones are used.

    The order stays. The thread starts with the first item that is asked for, and has ended when the iteration ends:
    by exhaustion, by an error of ``items``, which is raised in its place, or because it is closed or given up; the
    item that is being computed then is finished first.

    Args:
        items: used by that one thread alone.
        count: how many finished items may wait; one more is being computed.

    Example:
        >>> list(ahead(n * n for n in range(4)))
        [0, 1, 4, 9]
    """
    waiting: queue.Queue[tuple[str, object]] = queue.Queue(max(1, count))
    stopped = threading.Event()

    def work() -> None:
        try:
            for item in items:
                waiting.put(("item", item))
                if stopped.is_set():
                    break
            else:
                waiting.put(("end", None))
        except BaseException as error:  # raised again where the item is asked for
            waiting.put(("error", error))
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    # A daemon: whoever keeps a half-used iterator until the program ends must not keep the program from ending.
    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = waiting.get()
            if kind == "end":
                return
            if kind == "error":
                assert isinstance(value, BaseException)
                raise value
            yield value  # type: ignore[misc]
    finally:
        stopped.set()
        while thread.is_alive():
            try:  # room for what it is about to hand over
                waiting.get(timeout=0.01)
            except queue.Empty:
                thread.join(timeout=0.01)
