"""Photos of faces with nothing in front of them, of sources that may teach what ships."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from ....core.errors import DataError, UsageError

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
    found = [path for path in _everyone(root) if split_of(path.name) == split]
    if not found:
        raise DataError(
            f"{root}: no faces_ai, faces_stock or portraits with their labels; expected source material"
        )
    return found


def split_of(name: str) -> SubjectSplit:
    """To which split the subject of a photo belongs."""
    place = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32
    return next(part for part, limit in _PARTS if place < limit)


def _everyone(root: Path) -> list[Path]:
    found = []
    for folder in ("faces_ai", "faces_stock"):
        labels = root / folder / "labels.json"
        if labels.is_file():
            told = json.loads(labels.read_text(encoding="utf-8"))
            found += [root / folder / n for n, about in sorted(told.items()) if about["clean"]]
    index = root / "portraits" / "index.json"
    if index.is_file():
        flags = ("glasses", "discoloured", "hair_over_face", "other_occluder")
        for entry in json.loads(index.read_text(encoding="utf-8")):
            good = entry["source"] == "bio_guide" and entry["face_px"] >= _LEAST_FACE
            if good and not any(entry[flag] for flag in flags):
                found.append(root / "portraits" / entry["file"])
    return found
