import multiprocessing
import threading

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from wholeface.core.threads import one_thread, run_ranges, side_by_side, width


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


def test_torch_and_linear_algebra_keep_to_one_thread_and_kernels_do_not():
    def blas() -> list[int]:
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    before = torch.get_num_threads(), blas()
    torch.set_num_threads(3)
    elsewhere = []
    try:
        with one_thread(), one_thread():
            assert torch.get_num_threads() == 1
            assert set(blas()) == {1}
            assert width() == 3
            other = threading.Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
            other.start()
            other.join()
        assert torch.get_num_threads() == width() == 3
        assert elsewhere == [3]  # other threads keep theirs
    finally:
        torch.set_num_threads(before[0])
    assert (torch.get_num_threads(), blas()) == before


def test_overlapping_contexts_give_the_linear_algebra_back():
    def blas() -> list[int]:
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    before, inside, go = blas(), threading.Event(), threading.Event()

    def overlap() -> None:
        with one_thread():
            inside.set()
            go.wait(10)

    other = threading.Thread(target=overlap)
    with one_thread():
        other.start()
        assert inside.wait(10)
    assert set(blas()) == {1}  # the other one is still open
    go.set()
    other.join()
    assert blas() == before


@one_thread()
def _limited() -> int:
    return torch.get_num_threads()


def test_it_decorates_functions_and_ends_with_their_errors():
    assert _limited() == _limited() == 1
    with pytest.raises(ValueError, match="within"), one_thread():
        raise ValueError("within")
    assert width() == torch.get_num_threads()


def test_items_side_by_side_keep_their_order_and_share_the_cores(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    meeting = threading.Barrier(2)

    def work(item: int) -> tuple[int, int]:
        if item < 2:
            meeting.wait(10)  # two are under way at the same time
        return item * item, width()

    assert side_by_side(work, [0, 1]) == [(0, 2), (1, 2)]
    assert side_by_side(lambda item: item, range(50)) == list(range(50))
    assert side_by_side(work, [5]) == [(25, 4)]  # one alone has all cores
    assert side_by_side(work, []) == []
    assert width() == 4


def test_the_first_item_with_an_error_speaks_and_all_have_ended(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    done = []

    def work(item: int) -> None:
        if item in (2, 4):
            raise ValueError(f"item {item}")
        done.append(item)

    with pytest.raises(ValueError, match="item 2"):
        side_by_side(work, range(6))
    assert sorted(done) == [0, 1, 3, 5]
