"""Writing whole files or none."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from ..core.errors import OutputError

__all__ = ["side_file_stem", "write_file"]


def write_file(path: str | os.PathLike[str], data: bytes) -> Path:
    """Writes a file beside its place and renames it, so that readers see the old file or the whole new one.

    Missing folders are created.

    Raises:
        OutputError: the folder or the file cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder; give a file name")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create the folder {target.parent}: {error.strerror or error}") from error
    temporary = target.with_name(f".{target.name[:80]}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
        temporary.replace(target)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot write {target}: {reason}; choose another folder or make room") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return target


def side_file_stem(path: str | os.PathLike[str]) -> str:
    """The file's stem without the characters on which readers of OBJ and MTL stumble, above all spaces."""
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in Path(path).stem)
    return stem.strip(".") or "mesh"
