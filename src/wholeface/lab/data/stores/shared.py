"""Several stores of samples as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from .store import SampleStore

__all__ = ["SharedStore"]


class SharedStore:
    """Rows of several stores, one after another.

    Args:
        folders: of :class:`SampleStore`.

    Raises:
        UsageError: no folder was given.
        DataError: a folder is no store.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        if not folders:
            raise UsageError(
                "this recipe needs stored samples: --set stores=FOLDER[,FOLDER…] (how to make them: docs/data.md)"
            )
        self._stores = [SampleStore(folder) for folder in folders]
        self._starts = np.cumsum([0, *(len(store) for store in self._stores)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, row: int) -> dict[str, NDArray[Any]]:
        """See :meth:`SampleStore.__getitem__`."""
        store, local = self._place(row)
        return store[local]

    def _place(self, row: int) -> tuple[SampleStore, int]:
        """The store that holds a row, and the row's number there."""
        place = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._stores[place], row - int(self._starts[place])

    def parameter(self, row: int, name: str, size: int) -> NDArray[np.float32]:
        """(size,) the first numbers of one parameter of a sample; not numbers where it is unknown."""
        store, local = self._place(row)
        known = store.parameters(store.array("parameters")[local])
        if name not in known or known[name].size < size:
            return np.full(size, np.nan, np.float32)
        return np.asarray(known[name].reshape(-1)[:size], dtype=np.float32)

    def parameters(self, row: int) -> dict[str, NDArray[np.float32]]:
        """Name -> array, all parameters of a sample, views; not numbers where they are unknown."""
        store, local = self._place(row)
        return store.parameters(store.array("parameters")[local])

    def describe(self, rows: NDArray[np.int64]) -> str:
        """Where the samples come from, for error messages."""
        words = []
        for row in rows:
            store, local = self._place(int(row))
            words.append(f"{store.folder.name}[{local}] (sample {int(store.indices[local])})")
        return ", ".join(words)
