"""Which samples a step sees."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wholeface.lab.train import Recipe
from wholeface.lab.train.engine.stream import LoadedBatch, batch_indices, batches, stream_seed


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 5), st.integers(1, 12))
def test_every_sample_comes_once_before_any_comes_again(size: int, batch: int, seed: int, steps: int) -> None:
    seen = np.concatenate([batch_indices(size, batch, seed, step) for step in range(steps)])
    for start in range(0, len(seen), size):
        part = seen[start : start + size]
        assert len(set(part.tolist())) == len(part)
    assert set(seen.tolist()) <= set(range(size))


def test_orders_differ_between_seeds_and_epochs() -> None:
    orders = {tuple(batch_indices(50, 50, seed, step)) for seed in range(3) for step in range(3)}
    assert len(orders) == 9


def test_seeds_differ() -> None:
    counts = Counter(
        stream_seed(a, b, c, d) for a in range(4) for b in range(4) for c in range(3) for d in range(3)
    )
    assert set(counts.values()) == {1}
    assert all(0 <= seed < 2**63 for seed in counts)


@pytest.mark.parametrize("workers", [0, 2])
def test_processes_share_a_batch(toy: Recipe[Any], workers: int) -> None:
    task = toy.build(toy.config())
    whole = list(batches(task, range(3, 9), batch=6, seed=1, workers=workers))
    halves = [list(batches(task, range(3, 9), batch=6, seed=1, rank=rank, world=2)) for rank in range(2)]
    assert [b.step for b in whole] == list(range(3, 9))
    for one, first, second in zip(whole, *halves):
        assert isinstance(one, LoadedBatch)
        np.testing.assert_array_equal(one.indices, batch_indices(40, 6, 1, one.step))
        np.testing.assert_array_equal(first.indices, one.indices[::2])
        np.testing.assert_array_equal(second.indices, one.indices[1::2])


def test_the_loader_leaves_the_global_random_state_alone(toy: Recipe[Any]) -> None:
    task = toy.build(toy.config())
    before = torch.get_rng_state()
    for workers in (0, 1):
        next(batches(task, range(4), batch=2, seed=0, workers=workers))
    assert torch.equal(torch.get_rng_state(), before)
