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
from contextlib import contextmanager, nullcontext
from functools import lru_cache, partial
from typing import Any, TypeVar

import torch
from threadpoolctl import ThreadpoolController

__all__ = ["one_thread", "one_torch_thread", "run_ranges", "side_by_side", "width"]

_T = TypeVar("_T")
_R = TypeVar("_R")


class _Local(threading.local):
    """What holds for the present thread."""

    width: int | None = None  # of kernels; None: as many as torch has
    limited = False  # within one_torch_thread()


_local = _Local()


def width() -> int:
    """How many threads kernels may use.

    As many as torch has, or had outside of :func:`one_torch_thread`; within :func:`side_by_side` a share of them.
    """
    return torch.get_num_threads() if _local.width is None else _local.width


@contextmanager
def _width(threads: int) -> Iterator[None]:
    before, _local.width = _local.width, threads
    try:
        yield
    finally:
        _local.width = before


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Torch computes on the caller's thread alone; :func:`run_ranges` goes on using all cores.

    Torch's number of threads belongs to each thread of the program (OpenMP), so other threads keep theirs. Also a
    decorator: ``@one_torch_thread()``.
    """
    if _local.limited:
        yield
        return
    own = torch.get_num_threads()  # asked in any case: in a new thread that sets torch's number up
    _local.limited = True
    try:
        with _width(own if _local.width is None else _local.width), _controller("openmp").limit(limits=1):
            yield
    finally:
        _local.limited = False


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
    _together([partial(kernel, edges[part], edges[part + 1], *arguments) for part in range(parts)])


def side_by_side(work: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """``work`` of each item, in order, for several items at a time; each has a share of the cores for its kernels.

    As many at a time as :func:`width` says; within :func:`one_torch_thread` it holds for all of them.

    Args:
        work: may be called by several threads at once, and releases the interpreter lock where it takes time.
        items: any number.

    Raises:
        Exception: that of the first item that has one; all have ended then.
    """
    whole = width()
    crew = min(whole, len(items))
    if crew <= 1:
        return [work(item) for item in items]
    found: dict[int, _R] = {}
    errors: dict[int, BaseException] = {}
    rest = iter(enumerate(items))  # next() of an enumeration is one step, whatever thread takes it

    limited = _local.limited

    def worker() -> None:
        with _width(whole // crew), one_torch_thread() if limited else nullcontext():
            for number, item in rest:
                try:
                    found[number] = work(item)
                except BaseException as error:  # raised again by the caller's thread
                    errors[number] = error

    _together([worker] * crew)
    if errors:
        raise errors[min(errors)]
    return [found[number] for number in range(len(items))]


def _together(jobs: Sequence[Callable[[], object]]) -> None:
    """All jobs at once, the first by the caller's thread; raises an error when all have ended."""
    errors: list[BaseException] = []

    def work(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:  # raised again by the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs[1:]]
    for thread in threads:
        thread.start()
    work(jobs[0])
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
