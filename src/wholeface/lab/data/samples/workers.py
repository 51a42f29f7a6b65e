"""Samples made by several processes, in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar

from ....core.errors import DataError, UsageError, WholeFaceError
from .sample import FaceSample

__all__ = ["IndexedSource", "in_workers"]

T = TypeVar("T")
_AHEAD = 4  # samples that may wait for the caller, per worker


class IndexedSource(Protocol):
    """Anything that makes the sample of an index, always the same one."""

    def sample(self, index: int) -> FaceSample:
        """The sample with this index."""
        ...


def in_workers(
    make: Callable[[], IndexedSource],
    work: Callable[[int, FaceSample], T],
    indices: Iterable[int],
    *,
    workers: int = 1,
) -> Iterator[T]:
    """What ``work(index, sample)`` returns for each index, in the order of the indices.

    The results do not depend on the number of workers. Each worker computes on one core.

    Args:
        make: builds the source, once in each process; must be picklable for more than one worker.
        work: what to do with a sample, in the process that made it; picklable, as its results.
        indices: of the samples.
        workers: processes; 1 = none but this one.

    Yields:
        The results; no more than a few samples a worker are made ahead.

    Raises:
        UsageError: fewer than one worker.
        DataError: a sample cannot be made (its index is named), or a worker process died.
    """
    if workers < 1:
        raise UsageError(f"at least one worker is needed, got {workers}")
    if workers == 1:
        source = make()
        for index in indices:
            yield _one(source, work, index)
        return
    # Forking a process in which torch or numba already run threads can hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(make, work))
    waiting: deque[Future[T]] = deque()
    try:
        for index in indices:
            waiting.append(pool.submit(_in_process, index))
            if len(waiting) > _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(
            "a worker process ended without a word, probably for lack of memory; try fewer workers"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_source: IndexedSource | WholeFaceError | None = None
_work: Callable[[int, FaceSample], Any] | None = None


def _start(make: Callable[[], IndexedSource], work: Callable[[int, FaceSample], Any]) -> None:
    global _source, _work  # noqa: PLW0603 - a worker's only state
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and says so once
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
    try:
        _source, _work = make(), work
    except WholeFaceError as error:  # an error here would only be told as a broken pool
        _source = error


def _in_process(index: int) -> Any:
    if isinstance(_source, WholeFaceError):
        raise _source
    assert _source is not None
    assert _work is not None
    return _one(_source, _work, index)


def _one(source: IndexedSource, work: Callable[[int, FaceSample], T], index: int) -> T:
    try:
        sample = source.sample(index)
    except WholeFaceError as error:
        raise DataError(f"sample {index}: {error}") from error
    return work(index, sample)
