"""Replacing the files of a result as a whole: whoever looks sees the old result or the new one.

Everything is written into a folder ``.wholeface-HOST-PROCESS-RANDOM`` first. Where the result's folder is new, or
holds nothing but a result, that folder is exchanged by renaming. Where it holds other files as well (or cannot be
renamed: the working folder, a mount point, a parent without write permission), its files are replaced one by one;
the record that makes a result complete is then removed first and written last. What a killed run leaves behind is
recognised by its name and cleared by the next save next to it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..core.errors import OutputError

__all__ = ["clear_leftovers", "replaced_whole"]

_STAGING = re.compile(r"\.wholeface-([0-9a-f]{8})-(\d+)-[0-9a-f]{12}")
_DAY = 86400.0  # s; a leftover of another machine is one after this long
_TRIES = (
    100  # against others that save into the same place; each try that fails is one of theirs that succeeded
)
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)  # somebody else has put a result there


@contextlib.contextmanager
def replaced_whole(folder: Path, *, own: Callable[[str], bool], record: str) -> Iterator[Path]:
    """An empty folder to write into; when the block ends without an error, its files are the result ``folder``.

    Args:
        folder: of the result; created when missing. Files whose names are ``own`` are replaced or removed, all
            others stay.
        own: whether a file name belongs to a result.
        record: name of the file without which a result is not complete.

    Raises:
        OutputError: the folder cannot be created or written; what was there before is still there.
    """
    try:
        target = _real(folder)
        whole = _may_be_exchanged(target, own)
        staging = _new_staging(target.parent if whole else target)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a loop of links before Python 3.13
        raise _refused(folder, error) from error
    try:
        new = staging / "new" / target.name
        new.mkdir(parents=True)
        yield new
        if whole:
            _exchange(target, new, staging, own)
        else:
            _replace_files(target, new, own, record)
    except OutputError as error:
        if isinstance(error.__cause__, OSError):  # names a file in the staging folder, which nobody knows
            raise _refused(folder, error.__cause__) from error
        raise
    except OSError as error:
        raise _refused(folder, error) from error
    finally:
        _clear(staging, own)


def clear_leftovers(parent: Path, *, own: Callable[[str], bool]) -> None:
    """Removes what killed runs left in a folder; a result that they had put aside is put back.

    Never raises: what cannot be cleared stays.
    """
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        stale = [
            Path(e.path) for e in entries if e.name.startswith(".wholeface-") and _is_stale(Path(e.path))
        ]
        for staging in stale:
            _clear(staging, own)


def _real(folder: Path) -> Path:
    """The folder itself, links followed, with its parent created."""
    target = folder.resolve()
    for place in (target, *target.parents):
        try:
            mode = place.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat.S_ISDIR(mode):
            raise NotADirectoryError(0, f"{'it' if place == target else place} is a file")
        break
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _new_staging(parent: Path) -> Path:
    machine = hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:8]
    staging = parent / f".wholeface-{machine}-{os.getpid()}-{secrets.token_hex(6)}"
    staging.mkdir()
    return staging


def _may_be_exchanged(target: Path, own: Callable[[str], bool]) -> bool:
    """Whether renaming the folder is possible and moves nothing that is not ours."""
    clear_leftovers(target.parent, own=own)
    if not target.exists():
        return True
    clear_leftovers(target, own=own)
    with contextlib.suppress(OSError):
        here = Path.cwd().resolve()
        if here == target or target in here.parents:
            return False
    if os.path.ismount(target) or not os.access(target.parent, os.W_OK | os.X_OK):
        return False
    try:
        with os.scandir(target) as entries:
            return all(own(e.name) and e.is_file(follow_symlinks=False) for e in entries)
    except FileNotFoundError:  # another process has just taken it away, to put its own result there
        return True


def _exchange(target: Path, new: Path, staging: Path, own: Callable[[str], bool]) -> None:
    old = staging / "old" / target.name
    old.parent.mkdir()
    for attempt in range(_TRIES):
        with contextlib.suppress(FileNotFoundError):  # nothing is there, or another process was quicker
            shutil.copymode(target, new)
            target.rename(old)
        try:
            new.rename(target)
        except OSError as error:
            if error.errno in _TAKEN and attempt + 1 < _TRIES:
                _remove_result(old, own)  # theirs is newer
                continue
            raise  # what was put aside goes back when the staging folder is cleared
        break
    _keep_others(old, target, own)
    _remove_result(old, own)


def _replace_files(target: Path, new: Path, own: Callable[[str], bool], record: str) -> None:
    written = sorted(p.name for p in new.iterdir())
    present = [p for p in target.iterdir() if own(p.name)]
    for path in present:
        if path.is_dir() and not path.is_symlink():
            raise IsADirectoryError(0, f"it holds a folder called {path.name}")
    (target / record).unlink(missing_ok=True)
    for name in written:
        if name != record:
            (new / name).replace(target / name)
    for path in present:
        if path.name not in written:
            path.unlink(missing_ok=True)
    if record in written:
        (new / record).replace(target / record)


def _keep_others(old: Path, target: Path, own: Callable[[str], bool]) -> None:
    """Moves what somebody put into the old folder while it was exchanged into the new one."""
    with contextlib.suppress(OSError):
        for path in old.iterdir():
            if not own(path.name) and not (target / path.name).exists():
                path.rename(target / path.name)


def _remove_result(folder: Path, own: Callable[[str], bool]) -> None:
    """Removes a result's files, and the folder when nothing else is in it."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if own(path.name) and not path.is_dir():
                path.unlink()
        folder.rmdir()


def _clear(staging: Path, own: Callable[[str], bool]) -> None:
    """Removes a staging folder; an old result in it goes back where no new one stands, other files always."""
    put_aside = staging / "old"
    with contextlib.suppress(OSError):
        for old in put_aside.iterdir() if put_aside.is_dir() else ():
            target = staging.parent / old.name
            if not target.exists():
                old.rename(target)
                continue
            _keep_others(old, target, own)
            _remove_result(old, own)
        if put_aside.is_dir():
            put_aside.rmdir()  # fails, and so keeps everything, where somebody's file is left
        shutil.rmtree(staging, ignore_errors=True)


def _is_stale(staging: Path) -> bool:
    """Whether the process that made a staging folder is gone."""
    match = _STAGING.fullmatch(staging.name)
    if match is None:
        return False
    machine = hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:8]
    if match[1] == machine and os.name == "posix":  # os.kill(…, 0) would end a process on Windows
        if int(match[2]) == os.getpid():
            return False
        try:
            os.kill(int(match[2]), 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            pass
    try:
        return time.time() - staging.stat().st_mtime > _DAY
    except OSError:
        return False


def _refused(folder: Path, error: Exception) -> OutputError:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return OutputError(f"cannot write the result {folder}: {reason}; choose another folder or make room")
