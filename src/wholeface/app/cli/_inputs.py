"""From the words of the command line to the photos that they name."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import PhotoError

__all__ = ["PhotoFile", "gather_photos"]

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


@dataclass(frozen=True)
class PhotoFile:
    """A photo that was asked for.

    Args:
        path: as given, or inside the folder that was given.
        problem: why it cannot be read, as far as that is known without opening it.
        word: as it was typed, where that is not the path (an address).
    """

    path: Path
    problem: PhotoError | None = None
    word: str = ""

    def __str__(self) -> str:
        return self.word or str(self.path)


def gather_photos(words: Sequence[str]) -> tuple[list[PhotoFile], list[str]]:
    """Photos in the order of the words, folders replaced by the readable photos in them, each photo once.

    Args:
        words: files and folders.

    Returns:
        The photos, those that cannot be read with the problem; and sentences about what was left out.
    """
    found: list[PhotoFile] = []
    notes: list[str] = []
    for word in words:
        path = Path(word)
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
            inside, note = _photos_in(path) if is_folder else ([PhotoFile(path)], "")
        except FileNotFoundError:
            inside, note = [PhotoFile(path, PhotoError(_missing(word)), word)], ""
        except (OSError, ValueError) as error:  # ValueError: a NUL character
            reason = getattr(error, "strerror", None) or error
            inside, note = [PhotoFile(path, PhotoError(f"{path} cannot be read: {reason}"))], ""
        found += inside
        notes += [note] if note else []
    once: dict[str, PhotoFile] = {}
    for photo in found:
        if once.setdefault(os.path.abspath(photo.path), photo) is not photo:
            notes.append(f"{photo.path} is named more than once, and done once")
    return list(once.values()), notes


def _photos_in(folder: Path) -> tuple[list[PhotoFile], str]:
    """Readable photos of a folder by name, and a sentence about the files that were skipped."""
    from ...photo import HEIF_SUFFIXES, readable_suffixes

    readable = readable_suffixes()
    entries = sorted((e for e in folder.iterdir() if not e.name.startswith(".")), key=lambda e: e.name)
    photos = [PhotoFile(e) for e in entries if e.suffix.lower() in readable and e.is_file()]
    skipped = Counter(
        e.suffix.lower() or "without an ending"
        for e in entries
        if e.suffix.lower() not in readable and e.is_file()
    )
    folders = sum(e.is_dir() for e in entries)
    parts = []
    if skipped:
        count = sum(skipped.values())
        kinds = ", ".join(f"{number} {kind}" for kind, number in skipped.most_common(6))
        parts.append(f"{count} file{'s' if count > 1 else ''} skipped, not known as photos ({kinds})")
    if folders:
        parts.append(f"{folders} folder{'s' if folders > 1 else ''} inside not entered")
    if skipped.keys() & HEIF_SUFFIXES:
        parts.append("for HEIC photos run: pip install 'wholeface[heic]'")
    note = f"{folder}: {'; '.join(parts)}" if parts else ""
    if photos:
        return photos, note
    left_out = f" ({'; '.join(parts)})" if parts else ""
    problem = PhotoError(f"{folder}: the folder holds no photos that can be read{left_out}; name the photos")
    return [PhotoFile(folder, problem)], ""


def _missing(word: str) -> str:
    if word == "-":
        return "-: photos are not read from standard input; give a file"
    if _ADDRESS.match(word):
        return f"{word}: addresses are not fetched; download the photo and give the file"
    return f"{word}: no such file"
