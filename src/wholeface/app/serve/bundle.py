"""All files of a result in one."""

from __future__ import annotations

import os
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path

from .screen import FOR_THE_SCREEN

__all__ = ["EVERYTHING", "write_zip"]

EVERYTHING = "everything.zip"


def write_zip(target: Path, files: Mapping[str, Path]) -> None:
    """Writes a zip of files by name, as a whole or not at all; copies that are made for the screen stay out.

    Args:
        target: where to.
        files: name in the zip -> file. They are compressed already, and are stored as they are.
    """
    temporary = target.with_name(f".{target.name}-{secrets.token_hex(6)}")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name, path in files.items():
                if name.rsplit("/", 1)[-1] not in FOR_THE_SCREEN:
                    archive.write(path, name)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
