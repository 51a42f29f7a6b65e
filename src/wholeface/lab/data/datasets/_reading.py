"""Reading files of datasets, with errors that say which file and what was expected of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from ..samples._images import decoded

__all__ = [
    "IMAGE_SUFFIXES",
    "child",
    "file_names",
    "find",
    "folder",
    "integer",
    "is_file",
    "is_folder",
    "numbers",
    "read_grey",
    "read_lines",
    "read_rgb",
    "same_names",
]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".webp", ".tif", ".tiff")
_FORMATS = ("JPEG", "PNG", "BMP", "PPM", "WEBP", "TIFF")
_MOST_DIGITS = 15
_SHOWN = 40
"""Letters of a wrong word that a message shows."""


def is_file(path: Path) -> bool:
    """Whether there is a file; a name that the file system cannot hold is not there."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder; see :func:`is_file`."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def folder(path: str | os.PathLike[str], expected: str) -> Path:
    """The path of a folder that is there.

    Raises:
        DataError: it is not; ``expected`` says what belongs there.
    """
    found = Path(path)
    if not is_folder(found):
        problem = "is a file" if is_file(found) else "no such folder"
        raise DataError(f"{found}: {problem}; expected {expected}")
    return found


def find(root: Path, names: Iterable[str], expected: str) -> Path:
    """The first of several places below ``root`` where a file or folder is.

    Raises:
        DataError: it is at none of them.
    """
    names = list(names)
    for name in names:
        if is_file(root / name) or is_folder(root / name):
            return root / name
    places = f"{root / names[0]}" + (f" (nor {', '.join(names[1:])})" if names[1:] else "")
    raise DataError(f"{places}: not there; expected {expected}")


def child(root: Path, name: str) -> Path | None:
    """The folder ``root/name``, in whatever case its name is written, or None."""
    if is_folder(root / name):
        return root / name
    if not is_folder(root):
        return None
    same = [path for path in sorted(root.iterdir()) if path.name.lower() == name.lower() and is_folder(path)]
    return same[0] if same else None


def file_names(path: Path, expected: str) -> list[str]:
    """Sorted names of the files in a folder, hidden ones left out."""
    folder(path, expected)
    try:
        with os.scandir(path) as entries:
            return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_file())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; expected {expected}") from error


def same_names(listed: Sequence[str], there: Iterable[str], list_file: Path, where: Path) -> None:
    """Checks that every listed file is there.

    Raises:
        DataError: some are not; the first is named.
    """
    missing = sorted(set(listed) - set(there))
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise DataError(f"{where / missing[0]}: not there{more}, but {list_file.name} lists it")


def read_lines(path: Path, expected: str) -> list[tuple[int, str]]:
    """Line numbers, counted from 1, and the lines of a text file that are not blank.

    Raises:
        DataError: no such file, or no text; ``expected`` says what belongs there.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file; expected {expected}") from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: {getattr(error, 'strerror', None) or error}; expected {expected}"
        ) from error
    return [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1) if line.strip()]


def numbers(words: Sequence[str], path: Path, line: int, expected: str) -> list[float]:
    """The words as numbers that are finite in float32.

    Raises:
        DataError: a word is no number; the line is named.
    """
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise DataError(f"{path}, line {line}: {str(error)[:120]}; expected {expected}") from error
    if not (np.abs(values) <= np.finfo(np.float32).max).all():
        raise DataError(f"{path}, line {line}: a number is not finite; expected {expected}")
    return values


def integer(word: str, path: Path, line: int, expected: str, *, least: int = 0) -> int:
    """The word as a whole number, at least ``least``; errors as :func:`numbers`."""
    try:
        value = int(word) if len(word) <= _MOST_DIGITS else None
    except ValueError:
        value = None
    if value is None or value < least:
        shown = word if len(word) <= _SHOWN else word[:_SHOWN] + "…"
        raise DataError(f"{path}, line {line}: {shown!r} is no whole number that can be; expected {expected}")
    return value


def read_rgb(path: Path, size: int | None = None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB, in the file's own pixel order, which annotations refer to: EXIF turns are ignored.

    Args:
        path: the file.
        size: make the image ``size`` × ``size``, or None for its own size.

    Raises:
        DataError: missing or not an image.
    """
    return _read(path, "RGB", size)


def read_grey(path: Path) -> NDArray[np.uint8]:
    """(H, W) uint8: the first channel of an image; see :func:`read_rgb`."""
    return _read(path, "RGB", None)[..., 0]


def _read(path: Path, mode: str, size: int | None) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; expected an image") from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: not a readable image: {getattr(error, 'strerror', None) or error}"
        ) from error
    try:
        image = decoded(data, _FORMATS, mode=mode)
    except ValueError as error:
        raise DataError(f"{path}: not a readable image: {error}") from error
    if size is not None and image.size != (size, size):
        shrinks = max(image.size) > size
        image = image.resize((size, size), Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)
    return np.array(image)
