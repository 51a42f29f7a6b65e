import multiprocessing
import threading

import numpy as np
import pytest
import torch

from wholeface.core.threads import run_ranges


def _fill(start: int, stop: int, out: np.ndarray) -> None:
    out[start:stop] += 1


def test_ranges_cover_everything_once():
    for count in (0, 1, 7, 5000):
        out = np.zeros(count)
        run_ranges(_fill, count, 1, out)
        np.testing.assert_array_equal(out, 1)


def test_an_error_in_any_range_reaches_the_caller(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)

    def work(start: int, stop: int) -> None:
        if start > 0:
            raise ValueError(f"range {start}")

    with pytest.raises(ValueError, match="range"):
        run_ranges(work, 9, 1)


def test_no_thread_outlives_the_call(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    before = set(threading.enumerate())
    run_ranges(_fill, 3000, 1, np.zeros(3000))
    assert set(threading.enumerate()) == before


def _child(queue) -> None:
    out = np.zeros(3000)
    run_ranges(_fill, 3000, 1, out)
    queue.put(float(out.sum()))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
def test_works_in_a_fork_after_use(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    run_ranges(_fill, 3000, 1, np.zeros(3000))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_child, args=(queue,), daemon=True)
    child.start()
    assert queue.get(timeout=30) == 3000
    child.join(10)
    assert child.exitcode == 0
