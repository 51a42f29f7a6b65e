"""Items one ahead: order, errors in their place, and no thread left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from wholeface.core.ahead import ahead


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ahead"]


@pytest.mark.parametrize("count", [1, 3, 100])
def test_all_items_in_order(count: int) -> None:
    assert list(ahead(range(50), count)) == list(range(50))
    assert _threads() == []


def test_the_next_is_computed_while_the_first_is_used() -> None:
    begun = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        begun.set()
        yield 2

    found = ahead(items())
    assert next(found) == 1
    assert begun.wait(5)
    assert list(found) == [2]


def test_an_error_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("two")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(KeyError, match="two"):
        next(found)
    assert _threads() == []


def test_nothing_runs_before_the_first_is_asked_for_and_no_more_than_may_wait() -> None:
    taken: list[int] = []
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                taken.append(len(taken))
                yield len(taken)
        finally:
            closed.set()

    found = ahead(endless(), 2)
    assert taken == []
    assert next(found) == 1
    found.close()
    assert _threads() == []
    assert closed.is_set()
    assert len(taken) <= 5
