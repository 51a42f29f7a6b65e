"""A folder of its own for every photo: safe names below OUT, and none that another photo's result holds."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["ExistingFolders", "assign_folders", "face_folder", "folder_name"]

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # devices of Windows
_UNSAFE = set('<>:"/\\|?*')
_LONGEST = 180  # bytes; leaves room for numbers within the 255 that file systems allow
_FACE = re.compile(r"(.+)_face\d+")


def folder_name(stem: str) -> str:
    """A name for a folder on any file system, from the stem of a photo's name.

    Characters that some system forbids, control characters and those that this file system cannot write become
    ``_``; dots at the start, and dots and spaces at the end go; long names are cut.
    """
    encoding = sys.getfilesystemencoding()
    name = "".join("_" if _forbidden(c, encoding) else c for c in unicodedata.normalize("NFC", stem))
    name = name.lstrip(". ").rstrip(". ")
    while len(name.encode("utf-8", "replace")) > _LONGEST:
        name = name[:-1].rstrip(". ")
    name = f"_{name}" if _RESERVED.fullmatch(name) else name
    return name or "photo"


def face_folder(name: str, number: int, count: int) -> str:
    """The folder of one face: the photo's own where it shows a single face."""
    return name if count == 1 else f"{name}_face{number}"


class ExistingFolders:
    """The folders that are in OUT before a run.

    Args:
        names: of the folders.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._by_photo: dict[str, list[str]] = {}
        for folder in sorted(names):
            for base in {_key(folder), _family(_key(folder))}:
                self._by_photo.setdefault(base, []).append(folder)

    @classmethod
    def of(cls, out: Path) -> ExistingFolders:
        """Those of a folder; none where it does not exist or cannot be read."""
        with contextlib.suppress(OSError, ValueError), os.scandir(out) as entries:
            return cls([entry.name for entry in entries if entry.is_dir()])
        return cls([])

    def of_photo(self, name: str) -> list[str]:
        """Those that would be results of the photo of this name: its own and those of its faces."""
        return self._by_photo.get(_key(name), [])


def assign_folders(
    photos: Sequence[Path], existing: ExistingFolders, held_by_another: Callable[[str, Path], bool]
) -> list[str]:
    """A folder name for each photo, independent of whether any of them can be reconstructed.

    The name is the photo's stem, made safe; with ``-2``, ``-3``, … where an earlier photo of this list has it, or a
    result of another photo lies there. Names that differ in case alone count as equal, and ``x`` keeps ``x_face1``,
    ``x_face2``, … for its faces.

    Args:
        photos: files in the order of the command line.
        existing: the folders that are there already.
        held_by_another: whether the folder of this name holds a result of another photo than this one.
    """
    exact, families = set[str](), set[str]()  # what names of this run reserve
    names = []
    for photo in photos:
        stem, number = folder_name(photo.stem), 1
        name = stem
        while _clashes(_key(name), exact, families) or any(
            held_by_another(folder, photo) for folder in existing.of_photo(name)
        ):
            number += 1
            name = f"{stem}-{number}"
        exact.add(_key(name))
        families.add(_family(_key(name)))
        names.append(name)
    return names


def _clashes(key: str, exact: set[str], families: set[str]) -> bool:
    """Whether a name, or one of its faces' names, is reserved already."""
    return key in exact or _family(key) in exact or key in families


def _family(key: str) -> str:
    match = _FACE.fullmatch(key)
    return match[1] if match else key


def _key(name: str) -> str:
    """Equal for names that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _forbidden(character: str, encoding: str) -> bool:
    if character in _UNSAFE or unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return True
    try:
        character.encode(encoding)
    except UnicodeError:
        return True
    return False
