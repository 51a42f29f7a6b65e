"""Compiled kernels that are cached on disk where a folder can be written, and work without where none can.

numba refuses to decorate a function whose compiled form it cannot keep (package folder and home both
read-only: containers, service users, system installs). It also lets a full disk or a damaged cache file end
the program. Neither is a reason not to compute.
"""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba

__all__ = ["njit"]

_CACHE_DIR_LOCK = threading.Lock()


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``numba.njit`` for every kernel of this package.

    The compiled kernel is kept where numba keeps it (``NUMBA_CACHE_DIR``, beside the source, or the user's cache
    folder), else in a folder of the user's own among the temporary files, else not at all.

    Args:
        options: of ``numba.njit``; with ``cache=True`` the kernel is kept if that is possible.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        if not options.get("cache"):
            return numba.njit(**options)(function)
        compiled = _cached(function, options)
        cache = getattr(compiled, "_cache", None)
        if cache is not None:
            compiled._cache = _Forgiving(cache)
        return compiled

    return decorate


def _cached(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    try:
        return numba.njit(**options)(function)
    except (RuntimeError, OSError):
        pass  # no locator: neither the package nor the user's cache folder can be written
    folder = _temporary_cache()
    if folder is not None:
        # numba offers no argument for the folder; its setting is read while the function is decorated.
        with _CACHE_DIR_LOCK:
            settings: Any = numba.config
            before, settings.CACHE_DIR = settings.CACHE_DIR, str(folder)
            try:
                return numba.njit(**options)(function)
            except (RuntimeError, OSError):
                pass
            finally:
                settings.CACHE_DIR = before
    return numba.njit(**{**options, "cache": False})(function)


@lru_cache(maxsize=1)
def _temporary_cache() -> Path | None:
    """A folder that nobody else can write, or None; cached kernels are run, so another user's are not taken."""
    if not hasattr(os, "getuid"):
        return None  # Windows: the temporary folder is the user's own, and numba has tried it
    try:
        folder = Path(tempfile.gettempdir()) / f"wholeface-kernels-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    private = status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return folder if stat.S_ISDIR(status.st_mode) and private else None


class _Forgiving:
    """numba's cache of one function; a full disk or a damaged file costs a compilation, not the program."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The compiled function, or None where it must be compiled."""
        try:
            return self._cache.load_overload(signature, target_context)
        except Exception:  # unpickling a damaged file raises almost anything
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        """Keeps a compiled function, if there is room."""
        try:
            self._cache.save_overload(signature, data)
        except Exception:  # a damaged index is read before it is written
            return
