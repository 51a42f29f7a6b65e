"""A few threads for kernels that release the interpreter lock, alive for one call.

Numba's own ``parallel=True`` is avoided on purpose: its code takes longer to compile and to load, and its
threads fight with torch's over the cores. No pool outlives a call: threads do not survive a fork, and a child that
inherits a pool without them would wait for ever. Starting a thread costs a tenth of a millisecond, so give it more
than that to do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["run_ranges"]


def run_ranges(kernel: Callable[..., object], count: int, least: int, *arguments: Any) -> None:
    """Call ``kernel(start, stop, *arguments)`` over consecutive ranges that cover ``range(count)``.

    As many ranges as torch has threads; the caller's thread works on the first of them.

    Args:
        kernel: must write to its own range only.
        count: how much there is to do.
        least: do not make ranges shorter than this.
        arguments: passed through.

    Raises:
        Exception: the first that a range raised, after all have ended.
    """
    parts = max(1, min(torch.get_num_threads(), count // max(1, least)))
    edges = [count * part // parts for part in range(parts + 1)]
    errors: list[BaseException] = []

    def work(part: int) -> None:
        try:
            kernel(edges[part], edges[part + 1], *arguments)
        except BaseException as error:  # raised again by the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(part,)) for part in range(1, parts)]
    for thread in threads:
        thread.start()
    work(0)
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
