"""Who computes on how many cores: kernels in bands on all of them, networks and solvers on one.

Our kernels release the interpreter lock, so a few threads, alive for one call, share them. Numba's own
``parallel=True`` is avoided on purpose: its code takes longer to compile and to load, and its threads fight with
torch's over the cores. No pool outlives a call: threads do not survive a fork, and a child that inherits a pool
without them would wait for ever. Starting a thread costs a tenth of a millisecond, so give it more than that to do.

The operations of our networks and solvers are too small to be shared: threads of torch and of the linear algebra
only wait for one another, and burn the other cores while they wait.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

__all__ = ["one_thread", "one_torch_thread", "run_ranges", "width"]

_local = threading.local()  # .width, within one_torch_thread(): how many threads torch had outside


def width() -> int:
    """How many threads kernels may use: as many as torch has, or had outside of :func:`one_torch_thread`."""
    outside: int | None = getattr(_local, "width", None)
    return torch.get_num_threads() if outside is None else outside


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Torch computes on the caller's thread alone; :func:`run_ranges` goes on using all cores.

    Torch's number of threads belongs to each thread of the program (OpenMP), so other threads keep theirs. Also a
    decorator: ``@one_torch_thread()``.
    """
    if getattr(_local, "width", None) is not None:
        yield
        return
    _local.width = torch.get_num_threads()  # asked first: in a new thread that sets torch's number up
    try:
        with _controller("openmp").limit(limits=1):
            yield
    finally:
        _local.width = None


@contextmanager
def one_thread() -> Iterator[None]:
    """As :func:`one_torch_thread`; and NumPy's and SciPy's linear algebra computes on one thread.

    Their number of threads belongs to the process: it comes back when the last of overlapping contexts ends.
    """
    with one_torch_thread(), _one_blas_thread(os.getpid()):
        yield


@lru_cache(maxsize=2)
def _controller(user_api: str) -> ThreadpoolController:
    return ThreadpoolController().select(user_api=user_api)


class _OneBlasThread:
    """A limit that overlapping contexts of several threads share: the first sets it, the last takes it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._before: list[int] = []

    def __enter__(self) -> None:
        with self._lock:
            libraries = _controller("blas").lib_controllers
            if self._open == 0:
                self._before = [library.num_threads for library in libraries]
                _set_threads(libraries, [1] * len(libraries))
            self._open += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0:
                _set_threads(_controller("blas").lib_controllers, self._before)


def _set_threads(libraries: Sequence[Any], numbers: Sequence[int]) -> None:
    for library, number in zip(libraries, numbers):
        # Newer versions do nothing while another thread, which set a limit, is alive; we keep count ourselves.
        getattr(library, "_real_set_num_threads", library.set_num_threads)(number)


@lru_cache(maxsize=1)
def _one_blas_thread(process: int) -> _OneBlasThread:
    """That of a process: a child of a fork has none of its parent's threads, so it begins anew."""
    return _OneBlasThread()


def run_ranges(kernel: Callable[..., object], count: int, least: int, *arguments: Any) -> None:
    """Call ``kernel(start, stop, *arguments)`` over consecutive ranges that cover ``range(count)``.

    As many ranges as :func:`width` says; the caller's thread works on the first of them.

    Args:
        kernel: must write to its own range only.
        count: how much there is to do.
        least: do not make ranges shorter than this.
        arguments: passed through.

    Raises:
        Exception: the first that a range raised, after all have ended.
    """
    parts = max(1, min(width(), count // max(1, least)))
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
