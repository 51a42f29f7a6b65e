"""A few threads for kernels that release the interpreter lock.

Numba's own ``parallel=True`` is avoided on purpose: its code takes longer to compile and to load, and its
threads fight with torch's over the cores. The number of threads follows ``torch.get_num_threads()``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import torch

__all__ = ["run_ranges"]


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    del process  # part of the key: threads do not survive a fork
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="render")


def run_ranges(kernel: Callable[..., None], count: int, least: int, *arguments: Any, split: int = 1) -> None:
    """Call ``kernel(start, stop, *arguments)`` over consecutive ranges that cover ``range(count)``.

    Args:
        kernel: must write to its own range only.
        count: how much there is to do.
        least: do not make ranges shorter than this.
        arguments: passed through.
        split: ranges per thread; more than 1 evens out uneven work.
    """
    parts = max(1, min(torch.get_num_threads() * split, count // max(1, least)))
    if parts == 1 or torch.get_num_threads() == 1:
        kernel(0, count, *arguments)
        return
    edges = [count * part // parts for part in range(parts + 1)]
    pool = _pool(os.getpid())
    jobs = [pool.submit(kernel, edges[part], edges[part + 1], *arguments) for part in range(1, parts)]
    kernel(edges[0], edges[1], *arguments)
    for job in jobs:
        job.result()
