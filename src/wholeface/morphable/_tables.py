"""Tables that are derived from a face model, owned by it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

__all__ = ["Tables"]

_KEPT = 4  # of one kind, e.g. atlases of several sizes


class _Entry:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: Any = None
        self.ready = False


class Tables:
    """What was computed from one face model; made once, also when several threads ask at the same time.

    Who asks for a table that another thread makes waits for it; tables of other names are made meanwhile. A copy
    (pickle, ``copy.deepcopy``) begins empty.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: dict[str, dict[Hashable, _Entry]] = {}

    def get(self, kind: str, key: Hashable, build: Callable[[], Any]) -> Any:
        """The table of this kind and key, built when it is not there; of each kind the latest few are kept."""
        with self._lock:
            entries = self._kinds.setdefault(kind, {})
            entry = entries.pop(key, None) or _Entry()
            entries[key] = entry  # the latest asked for comes last
            while len(entries) > _KEPT:
                del entries[next(iter(entries))]
        if not entry.ready:
            with entry.lock:
                if not entry.ready:
                    entry.value = build()
                    entry.ready = True
        return entry.value

    def __reduce__(self) -> tuple[type[Tables], tuple[()]]:
        return Tables, ()
