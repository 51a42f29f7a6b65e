"""Samples made once and read many times: the cores' time then goes into gradients."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError
from .. import FaceSample
from .fields import OPTIONAL_FIELDS, STANDARD_FIELDS, Fields, layout_of, row_of

__all__ = ["SampleSource", "SampleStore", "build_store"]

_SCHEMA = 1
_CHUNK = 16  # samples that a worker makes before it reports
_PROBES = 8  # samples that are looked at for the shapes


class SampleSource(Protocol):
    """Any data set of face samples; the same index always gives the same sample.

    A dataclass, or an attribute ``settings`` (a mapping), lets the store say what it was made from.
    """

    def __getitem__(self, index: int, /) -> FaceSample:
        """The sample with this index."""
        ...


class SampleStore:
    """Read-only view of a folder that :func:`build_store` wrote; the arrays are memory-mapped.

    Args:
        folder: the store.

    Attributes:
        settings: what the samples were made from.
        indices: (N,) int64, the data set's index of each row.
        fields: names of the arrays.
        size: edge of the images in pixels.

    Raises:
        DataError: no store, a half-built one, or files that do not fit its manifest.

    Example:
        >>> store = SampleStore("stores/train")  # doctest: +SKIP
        >>> store[7]["landmarks_68"].shape  # doctest: +SKIP
        (68, 2)
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        manifest = _read_manifest(self.folder)
        if manifest is None:
            half = _partial(self.folder).exists()
            raise DataError(
                f"{self.folder}: no manifest.json, so no store of samples"
                + ("; it was only half built: build it again to finish it" if half else "")
            )
        self.settings: Mapping[str, Any] = manifest["settings"]
        self._blocks: dict[str, tuple[int, ...]] = {n: tuple(s) for n, s in manifest["parameters"]}
        fields: Fields = {n: (d, tuple(s)) for n, (d, s) in manifest["fields"].items()}
        count = manifest["count"]
        self.indices: NDArray[np.int64] = _open(self.folder, "index", "<i8", (count,))
        self._arrays = {n: _open(self.folder, n, d, (count, *s)) for n, (d, s) in fields.items()}

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the arrays."""
        return tuple(self._arrays)

    @property
    def size(self) -> int:
        """Edge of the images in pixels."""
        return int(self.array("image").shape[1])

    def array(self, field: str) -> NDArray[Any]:
        """(N, …) memory-mapped array of one field, e.g. for statistics.

        Raises:
            UsageError: the store does not hold it.
        """
        if field not in self._arrays:
            raise UsageError(f"the store {self.folder} holds no {field!r}; it has: {', '.join(self._arrays)}")
        return self._arrays[field]

    def __getitem__(self, row: int) -> dict[str, NDArray[Any]]:
        """One sample: field -> view, not a copy, of its row.

        Numbers that the sample does not know are NaN, flags False; ``known`` is in the order of
        ``wholeface.lab.data.stores.KNOWN``.

        Raises:
            IndexError: there is no such row.
        """
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return {name: array[row] for name, array in self._arrays.items()}

    def batch(
        self, rows: Sequence[int] | NDArray[np.int64], fields: Sequence[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Several samples stacked: field -> (B, …), copied.

        Args:
            rows: row numbers.
            fields: only these (None = all).
        """
        picked = np.asarray(rows, dtype=np.int64)
        return {name: self.array(name)[picked] for name in (self._arrays if fields is None else fields)}

    def parameters(self, flat: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Named blocks of the field ``parameters``: (…, P) -> name -> (…, *shape), views; NaN = unknown."""
        found, start = {}, 0
        for name, shape in self._blocks.items():
            stop = start + int(np.prod(shape, dtype=np.int64))
            found[name] = flat[..., start:stop].reshape((*flat.shape[:-1], *shape))
            start = stop
        return found


def build_store(
    dataset: SampleSource,
    indices: Sequence[int] | NDArray[np.int64],
    folder: str | os.PathLike[str],
    *,
    workers: int = 2,
    fields: Sequence[str] = STANDARD_FIELDS,
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SampleStore:
    """Make samples and keep them; a build that was cut off goes on where it stopped.

    The content depends on the data set and the indices alone, not on the number of workers. Readers see the
    folder only when it is complete (until then it is called ``<folder>.part``).

    Args:
        dataset: must survive pickling where workers are spawned (macOS, Windows).
        indices: of the samples, in the order of the rows.
        folder: to write; when it already holds this very store, nothing is done.
        workers: processes; 0 = this one.
        fields: of ``STANDARD_FIELDS`` and, when wanted, ``depth`` and ``normals``.
        settings: what the manifest says about the data set (JSON); None asks the data set (``settings``
            attribute or its dataclass fields).
        progress: called with (finished samples, all samples).

    Raises:
        UsageError: unknown fields, no indices, or the folder holds another store.
        DataError: a sample could not be made; the message names its index.
    """
    target = Path(folder)
    rows = np.asarray(indices, dtype=np.int64)
    if rows.ndim != 1 or len(rows) == 0:
        raise UsageError(f"a store needs a list of sample indices, got shape {rows.shape}")
    if unknown := sorted(set(fields) - {*STANDARD_FIELDS, *OPTIONAL_FIELDS}):
        raise UsageError(
            f"unknown fields {', '.join(unknown)}; a store may hold {', '.join((*STANDARD_FIELDS, *OPTIONAL_FIELDS))}"
        )
    told = _jsonable(_settings_of(dataset) if settings is None else settings)
    wanted = {"settings": told, "count": len(rows), "names": sorted(set(fields))}

    if (existing := _read_manifest(target)) is not None:
        _must_match(target, existing, wanted, rows)
        return SampleStore(target)
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} holds other things; give an empty or new folder for the store")

    partial = _partial(target)
    manifest = _read_manifest(partial)
    if manifest is None:
        probes = [_make(dataset, int(i)) for i in rows[_spread(len(rows), _PROBES)]]
        layout, blocks = layout_of(probes, fields)
        manifest = {
            "schema": _SCHEMA,
            **wanted,
            "fields": {name: [dtype, list(shape)] for name, (dtype, shape) in layout.items()},
            "parameters": [[name, list(shape)] for name, shape in blocks.items()],
        }
        _create(partial, manifest, rows)
    else:
        _must_match(partial, manifest, wanted, rows)

    done = _open(partial, "done", "|b1", (len(rows),), mode="r+")
    chunks = [np.arange(start, min(start + _CHUNK, len(rows))) for start in range(0, len(rows), _CHUNK)]
    todo = [chunk for chunk in chunks if not done[chunk].all()]
    finished = len(rows) - sum(len(chunk) for chunk in todo)
    for chunk in _run(dataset, partial, todo, workers):
        done[chunk] = True
        finished += len(chunk)
        if progress is not None:
            progress(finished, len(rows))
    del done
    (partial / "done.npy").unlink()
    if target.exists():
        target.rmdir()
    os.replace(partial, target)
    return SampleStore(target)


def _run(dataset: SampleSource, folder: Path, todo: list[NDArray[np.int64]], workers: int) -> Any:
    """Yield each chunk when its rows are written."""
    if workers < 1:
        writer = _Writer(dataset, folder)
        for chunk in todo:
            writer.write(chunk)
            yield chunk
        return
    # Fork where it is safe: the data set need not be pickled, and compiled kernels are shared.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (dataset, folder)) as pool:
        futures = {pool.submit(_work, chunk): chunk for chunk in todo}
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BrokenProcessPool as error:
            raise DataError(
                f"a process that made samples for {folder} was killed (memory?); run it again to go on"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Writer:
    def __init__(self, dataset: SampleSource, folder: Path) -> None:
        manifest = _read_manifest(folder)
        if manifest is None:
            raise DataError(f"{folder}: its manifest.json is gone")
        self.dataset = dataset
        self.fields: Fields = {n: (d, tuple(s)) for n, (d, s) in manifest["fields"].items()}
        self.blocks = {n: tuple(s) for n, s in manifest["parameters"]}
        count = manifest["count"]
        self.index = _open(folder, "index", "<i8", (count,))
        self.arrays = {n: _open(folder, n, d, (count, *s), mode="r+") for n, (d, s) in self.fields.items()}

    def write(self, chunk: NDArray[np.int64]) -> None:
        for position in chunk.tolist():
            index = int(self.index[position])
            sample = _make(self.dataset, index)
            try:
                row = row_of(sample, self.fields, self.blocks)
            except DataError as error:
                raise DataError(f"sample {index}: {error}") from error
            for name, value in row.items():
                self.arrays[name][position] = value


_writer: _Writer | None = None  # of a worker process


def _start_worker(dataset: SampleSource, folder: Path) -> None:
    import torch
    from threadpoolctl import threadpool_limits

    global _writer  # noqa: PLW0603
    torch.set_num_threads(1)
    threadpool_limits(1)
    if "numba" in sys.modules:
        import numba

        numba.set_num_threads(1)
    _writer = _Writer(dataset, folder)


def _work(chunk: NDArray[np.int64]) -> None:
    assert _writer is not None
    _writer.write(chunk)


def _make(dataset: SampleSource, index: int) -> FaceSample:
    try:
        return dataset[index]
    except Exception as error:
        raise DataError(f"sample {index} cannot be made: {type(error).__name__}: {error}") from error


def _create(folder: Path, manifest: Mapping[str, Any], rows: NDArray[np.int64]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "index.npy", rows)
    np.save(folder / "done.npy", np.zeros(len(rows), dtype=bool))
    for name, (dtype, shape) in manifest["fields"].items():
        array = np.lib.format.open_memmap(
            folder / f"{name}.npy", mode="w+", dtype=np.dtype(dtype), shape=(len(rows), *shape)
        )
        del array  # a hole in the file until rows are written
    scratch = folder / "manifest.json.part"
    scratch.write_text(json.dumps(manifest, indent=1) + "\n")
    os.replace(scratch, folder / "manifest.json")  # last: with it the folder counts as begun


def _must_match(
    folder: Path, manifest: Mapping[str, Any], wanted: Mapping[str, Any], rows: NDArray[np.int64]
) -> None:
    differing = [name for name in wanted if manifest.get(name) != wanted[name]]
    if not differing and not np.array_equal(_open(folder, "index", "<i8", (len(rows),)), rows):
        differing = ["indices"]
    if differing:
        raise UsageError(
            f"{folder} was built with other {', '.join(differing)}; delete it or give another folder"
        )


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / "manifest.json"
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(f"{path} cannot be read: {str(error)[:120]}; build the store again") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != _SCHEMA:
        raise DataError(
            f'{path} does not say "schema": {_SCHEMA}: not a store of this version; build it again'
        )
    for problem in _manifest_problems(manifest):
        raise DataError(f"{path} is damaged: {problem}; build the store again")
    return manifest


def _manifest_problems(manifest: Mapping[str, Any]) -> Iterator[str]:
    count, fields, blocks = (manifest.get(name) for name in ("count", "fields", "parameters"))
    if not isinstance(manifest.get("settings"), (dict, list)):
        yield "it does not say what the samples were made from"
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count < 1 << 40:
        yield "it has no number of samples"
    known = {*STANDARD_FIELDS, *OPTIONAL_FIELDS}
    if not isinstance(fields, dict) or not fields or not set(fields) <= known:
        yield f"its fields are not some of {', '.join(sorted(known))}"
    elif not all(_is_field(field) for field in fields.values()):
        yield "a field does not have a number type and a shape"
    if not isinstance(blocks, list) or not all(
        isinstance(b, list) and len(b) == 2 and isinstance(b[0], str) and _is_shape(b[1]) for b in blocks
    ):
        yield "its parameters do not have names and shapes"


def _is_field(field: object) -> bool:
    if not isinstance(field, list) or len(field) != 2 or not isinstance(field[0], str):
        return False
    plain = len(field[0]) < 12 and field[0][1:2] in tuple("fiubS") and field[0][2:].isdecimal()
    return field[0][:1] in ("<", "|") and plain and _is_shape(field[1])


def _is_shape(shape: object) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) < 16
        and all(type(n) is int and 0 <= n < 1 << 40 for n in shape)
    )


def _open(
    folder: Path, name: str, dtype: str, shape: tuple[int, ...], *, mode: Literal["r", "r+"] = "r"
) -> NDArray[Any]:
    path = folder / f"{name}.npy"
    try:
        array: NDArray[Any] = np.load(path, mmap_mode=mode, allow_pickle=False)
    except Exception as error:  # NumPy evaluates the header as Python source, which raises almost any type
        reason = str(error)[:120] or type(error).__name__
        raise DataError(f"{path} cannot be read: {reason}; build the store again") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is an archive, not one array; build the store again")
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise DataError(
            f"{path} holds {array.dtype} {array.shape}, its manifest says {np.dtype(dtype)} {shape}; build it again"
        )
    return array


def _settings_of(dataset: object) -> Any:
    told = getattr(dataset, "settings", None)
    if told is None:
        told = dataset
    if is_dataclass(told) and not isinstance(told, type):
        return {"kind": type(told).__name__, **asdict(told)}
    return told if isinstance(told, Mapping) else {"kind": type(dataset).__name__}


def _jsonable(value: Any) -> Any:
    """The value as JSON gives it back; what JSON does not know becomes text."""
    return json.loads(json.dumps(value, default=str, sort_keys=True))


def _spread(count: int, wanted: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))


def _partial(folder: Path) -> Path:
    return folder.with_name(folder.name + ".part")
