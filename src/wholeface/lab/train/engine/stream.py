"""Which samples a step sees, and its random numbers: functions of the seed and the step alone."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..task import Batch, JointTask

__all__ = ["BatchError", "LoadedBatch", "batch_indices", "batches", "stream_generator", "stream_seed"]


@functools.lru_cache(maxsize=2)
def _order(size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(size)


def batch_indices(size: int, batch: int, seed: int, step: int) -> NDArray[np.int64]:
    """(batch,) sample indices of a step: all samples in random order, then all in another one, and so on."""
    place = step * batch + np.arange(batch)
    return np.array([_order(size, seed, int(p // size))[p % size] for p in place], dtype=np.int64)


def stream_seed(seed: int, step: int, rank: int, purpose: int) -> int:
    """A seed for one purpose in one step on one device."""
    return int(np.random.SeedSequence([seed, step, rank, purpose]).generate_state(1, np.uint64)[0]) >> 1


def stream_generator(seed: int, step: int, rank: int, purpose: int) -> torch.Generator:
    """A CPU generator with :func:`stream_seed`."""
    return torch.Generator().manual_seed(stream_seed(seed, step, rank, purpose))


@dataclass(frozen=True)
class LoadedBatch:
    """Samples of one step on one device."""

    step: int
    indices: NDArray[np.int64]
    tensors: Batch

    def pin_memory(self) -> LoadedBatch:
        """The loader's hook: tensors from which a GPU can copy while it computes."""
        return LoadedBatch(self.step, self.indices, {n: t.pin_memory() for n, t in self.tensors.items()})


@dataclass(frozen=True)
class BatchError:
    """Loading the samples of a step failed (carried from a worker to the engine, which raises)."""

    step: int
    indices: NDArray[np.int64]
    message: str


@dataclass(frozen=True)
class _Batches(torch.utils.data.Dataset[LoadedBatch | BatchError]):
    """Item ``step`` is the batch of that step."""

    task: JointTask
    batch: int
    seed: int
    rank: int
    world: int
    prepare: bool

    def __getitem__(self, step: int) -> LoadedBatch | BatchError:
        indices = batch_indices(self.task.train_size, self.batch, self.seed, step)[self.rank :: self.world]
        try:
            tensors = self.task.load(indices, stream_generator(self.seed, step, self.rank, 0))
            if self.prepare:
                tensors = self.task.prepare(tensors, stream_generator(self.seed, step, self.rank, 1))
        except Exception as error:
            return BatchError(step, indices, f"{type(error).__name__}: {error}")
        return LoadedBatch(step, indices, tensors)


def batches(
    task: JointTask,
    steps: range,
    *,
    batch: int,
    seed: int,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    prepare: bool = True,
    pin: bool = False,
) -> Iterator[LoadedBatch | BatchError]:
    """The batches of ``steps`` in order; the same for any number of workers."""
    loader: torch.utils.data.DataLoader[LoadedBatch | BatchError] = torch.utils.data.DataLoader(
        _Batches(task, batch, seed, rank, world, prepare),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        collate_fn=None,
        pin_memory=pin,
        generator=torch.Generator(),  # so that the loader does not draw from the global one
    )
    return iter(loader)
