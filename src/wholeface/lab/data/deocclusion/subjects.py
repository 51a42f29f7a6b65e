"""Photos of faces with nothing in front of them, of sources that may teach what ships."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from ....core.errors import DataError, UsageError
from ..bare_photos import bare_photos

__all__ = ["SubjectSplit", "clean_photos", "split_of"]

SubjectSplit: TypeAlias = Literal["train", "validation", "test"]
_PARTS: tuple[tuple[SubjectSplit, float], ...] = (("test", 0.12), ("validation", 0.20), ("train", 1.0))
_LEAST_FACE = 60  # pixels of face height from which a portrait is sharp enough to learn from


def clean_photos(root: Path, split: SubjectSplit) -> list[Path]:
    """Photos by their labels: the face unhidden, without spectacles, in colour.

    ``faces_ai`` and ``faces_stock`` (labelled ``clean``), and ``portraits`` that are works of the US government
    (``source: bio_guide``), without any flag but facial hair. Each photo shows another subject.

    Args:
        root: folder of source material.
        split: subjects are told apart by the hash of the file's name: 12 % test, 8 % validation, the rest train.

    Raises:
        UsageError: an unknown split.
        DataError: none of the folders is there.
    """
    if split not in get_args(SubjectSplit):
        raise UsageError(f"split must be one of {', '.join(get_args(SubjectSplit))}, got {split!r}")
    found = [path for path in bare_photos(root, _LEAST_FACE) if split_of(path.name) == split]
    if not found:
        raise DataError(f"{root}: none of its photos is of the split {split!r}")
    return found


def split_of(name: str) -> SubjectSplit:
    """To which split the subject of a photo belongs."""
    place = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32
    return next(part for part, limit in _PARTS if place < limit)
