"""Several processes make what one makes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.data import in_workers


@pytest.fixture
def for_children(fake_faces: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``fake_faces``, which spawned processes find on their path."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    return fake_faces


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order(for_children: ModuleType, workers: int) -> None:
    make = partial(for_children.FakeFaces, 5, 12)
    indices = [7, 3, *range(20, 40)]
    results = list(in_workers(make, for_children.summary, indices, workers=workers))
    faces = make()
    assert results == [for_children.summary(i, faces.sample(i)) for i in indices]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_sample_that_fails_is_named(for_children: ModuleType, workers: int) -> None:
    make = partial(for_children.FakeFaces, fails_at=2)
    results = in_workers(make, for_children.summary, range(5), workers=workers)
    assert [next(results)[0], next(results)[0]] == [0, 1]
    with pytest.raises(DataError, match="sample 2: no such face"):
        next(results)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_source_that_cannot_be_made(for_children: ModuleType, workers: int) -> None:
    with pytest.raises(DataError, match="no portraits"):
        list(in_workers(for_children.no_source, for_children.summary, range(3), workers=workers))


def test_a_worker_that_dies(for_children: ModuleType) -> None:
    make = partial(for_children.FakeFaces, dies_at=1)
    with pytest.raises(DataError, match="try fewer workers"):
        list(in_workers(make, for_children.summary, range(3), workers=2))


def test_no_worker_is_too_few(for_children: ModuleType) -> None:
    with pytest.raises(UsageError, match="at least one"):
        list(in_workers(for_children.FakeFaces, for_children.summary, [0], workers=0))
