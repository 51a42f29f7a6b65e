"""Samples for the generator, made once and read many times."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, WholeFaceError
from ....stages.deocclude.generator.inputs import CHANNELS, GeneratorInput
from .composites import Composites, DeocclusionSample

__all__ = ["DeocclusionStore", "build_deocclusion_store"]

_SCHEMA = 1
_DONE, _IMPOSSIBLE = 1, 2
_TOGETHER = 3  # samples of a subject that a worker makes one after the other
_TARGETS = {"clean": 3, "kind": 1, "lens": 1, "face": 1}


class DeocclusionStore:
    """Read-only view of a folder that :func:`build_deocclusion_store` wrote; the arrays are memory-mapped.

    Args:
        folder: the store.

    Attributes:
        size: S, edge of the maps in pixels.
        names: of the occluders' designs, for each sample.
        sources: of the photos, for each sample.

    Raises:
        DataError: no store there, or one of another version.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        manifest = _manifest(self.folder)
        done = np.load(self.folder / "done.npy", mmap_mode="r")
        self.size = int(manifest["size"])
        self.rows = np.flatnonzero(done == _DONE)
        if len(self.rows) == 0:
            raise DataError(f"{self.folder}: the store holds no finished sample yet; build it again to go on")
        self._arrays = {
            name: np.load(self.folder / f"{name}.npy", mmap_mode="r") for name in (*CHANNELS, *_TARGETS)
        }
        told = [json.loads((self.folder / "told" / f"{row}.json").read_text()) for row in self.rows]
        self.names: list[str] = [t["name"] for t in told]
        self.sources: list[str] = [t["source"] for t in told]

    def __len__(self) -> int:
        return len(self.rows)

    def array(self, field: str, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """(B, S, S[, 3]) uint8, one field of some samples, copied."""
        order = self.rows[indices]
        return np.stack([self._arrays[field][row] for row in order])

    def __getitem__(self, index: int) -> DeocclusionSample:
        row = int(self.rows[index])
        given = GeneratorInput(
            **{f.name: np.array(self._arrays[f.name][row]) for f in fields(GeneratorInput)}
        )
        targets = {name: np.array(self._arrays[name][row]) for name in _TARGETS}
        return DeocclusionSample(given, **targets, name=self.names[index], source=self.sources[index])


def build_deocclusion_store(
    folder: Path,
    composites: Composites,
    count: int,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> DeocclusionStore:
    """Make samples 0 … count − 1, several subjects side by side; a store that was interrupted goes on.

    Samples that cannot be made (the face is not found behind its occluder) are left out.

    Args:
        folder: of the store, made where it is missing.
        composites: where the samples come from.
        count: number of samples.
        workers: processes.
        progress: called with finished and all samples.

    Raises:
        DataError: the folder holds a store of other settings, or a worker process died.
    """
    settings = {
        "schema": _SCHEMA, "size": composites.size, "count": count, "seed": composites.seed,
        "designs": composites.designs, "weights": composites.weights, "true_mask": composites.true_mask,
        "photos": [photo.name for photo in composites.photos],
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "manifest.json").is_file():
        if _manifest(folder) != settings:
            raise DataError(f"{folder} holds a store of other settings; choose another folder")
    else:
        edge = composites.size
        for name, channels in (CHANNELS | _TARGETS).items():
            shape = (count, edge, edge, 3) if channels == 3 else (count, edge, edge)
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, shape).flush()
        np.save(folder / "done.npy", np.zeros(count, np.uint8))
        (folder / "told").mkdir(exist_ok=True)
        (folder / "manifest.json").write_text(json.dumps(settings))
    done = np.load(folder / "done.npy")
    subjects = len(composites.photos)
    # All subjects a few times, then all again: a store that is not finished knows them all
    rounds = range(0, count, subjects * _TOGETHER)
    ends = [min(count, start + subjects * _TOGETHER) for start in rounds]
    jobs = [
        [i for i in range(start + first, end, subjects) if done[i] == 0]
        for start, end in zip(rounds, ends)
        for first in range(subjects)
    ]
    jobs = [job for job in jobs if job]
    finished = int((done > 0).sum())
    if workers == 1:
        work = _Worker(folder, composites)
        for job in jobs:
            finished += work(job)
            if progress is not None:
                progress(finished, count)
        return DeocclusionStore(folder)
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(folder, composites)) as pool:
            for future in as_completed([pool.submit(_make, job) for job in jobs]):
                finished += future.result()
                if progress is not None:
                    progress(finished, count)
    except BrokenProcessPool as error:
        raise DataError(
            f"{folder}: a worker process ended without a word, probably for lack of memory; what is made so far "
            "stays: go on with fewer workers"
        ) from error
    return DeocclusionStore(folder)


class _Worker:
    """Makes samples and writes them into their rows.

    Args:
        folder: of the store.
        composites: where the samples come from.
    """

    def __init__(self, folder: Path, composites: Composites) -> None:
        self._folder, self._composites = folder, composites
        names = (*CHANNELS, *_TARGETS, "done")
        self._arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in names}

    def __call__(self, indices: list[int]) -> int:
        """How many samples it went through, those that cannot be made included."""
        for index in indices:
            try:
                sample = self._composites[index]
            except WholeFaceError:
                self._arrays["done"][index] = _IMPOSSIBLE
                continue
            for name in CHANNELS:
                self._arrays[name][index] = getattr(sample.given, name)
            for name in _TARGETS:
                self._arrays[name][index] = getattr(sample, name)
            told = {"name": sample.name, "source": sample.source}
            (self._folder / "told" / f"{index}.json").write_text(json.dumps(told))
            self._arrays["done"][index] = _DONE  # last: a row that is half written is written again
        return len(indices)


_worker: _Worker | None = None  # of this worker process alone


def _begin(folder: Path, composites: Composites) -> None:
    global _worker  # noqa: PLW0603 - a worker's only state
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and says so once
    torch.set_num_threads(1)
    _worker = _Worker(folder, composites)


def _make(indices: list[int]) -> int:
    assert _worker is not None
    return _worker(indices)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.is_file():
        raise DataError(f"{folder}: no manifest.json, so no store of composites")
    manifest: dict[str, Any] = json.loads(path.read_text())
    if manifest.get("schema") != _SCHEMA:
        raise DataError(f"{folder}: a store of another version; build it again")
    return manifest
