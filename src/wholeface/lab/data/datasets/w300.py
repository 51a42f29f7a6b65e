"""300-W: faces in the wild with 68 points, one ``.pts`` file beside each image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError
from ._reading import IMAGE_SUFFIXES, child, file_names, folder, integer, numbers, read_lines
from .items import PointsItem

__all__ = ["W300", "read_pts"]

W300Split = Literal["train", "common", "challenge", "full", "test"]

_FOLDERS: dict[str, tuple[str, ...]] = {
    "train": ("afw", "helen/trainset", "lfpw/trainset"),
    "common": ("helen/testset", "lfpw/testset"),
    "challenge": ("ibug",),
    "full": ("helen/testset", "lfpw/testset", "ibug"),
    "test": ("300W/01_Indoor", "300W/02_Outdoor"),
}
_LAYOUT = "the folders afw, helen/trainset, lfpw/testset, ibug, … of 300-W, with a .pts beside each image"
_FORMAT = "a .pts file: 'version: 1', 'n_points: 68', '{', one 'x y' a line, '}'"


def read_pts(path: str | os.PathLike[str], count: int | None = None) -> NDArray[np.float32]:
    """Points of a ``.pts`` file.

    Convention: the file counts pixels from 1, so its (1, 1) is the centre of the top-left pixel; here that is (0, 0).

    Args:
        path: the file.
        count: how many points there must be, or None for any number.

    Returns:
        (P, 2) float32 pixels.

    Raises:
        DataError: missing, no ``.pts``, or fewer or more points than its header or ``count`` says.
    """
    path = Path(path)
    lines = read_lines(path, _FORMAT)
    body = [i for i, (_, text) in enumerate(lines) if text in ("{", "}")]
    if len(body) != 2 or [lines[i][1] for i in body] != ["{", "}"]:
        raise DataError(f"{path}: no list between '{{' and '}}'; expected {_FORMAT}")
    declared = None
    for line, text in lines[: body[0]]:
        key, _, value = text.partition(":")
        if key.strip() == "n_points":
            declared = integer(value.strip(), path, line, _FORMAT)
    points = []
    for line, text in lines[body[0] + 1 : body[1]]:
        words = text.split()
        if len(words) != 2:
            raise DataError(f"{path}, line {line}: {len(words)} words; expected {_FORMAT}")
        points.append(numbers(words, path, line, _FORMAT))
    if declared is None:
        raise DataError(f"{path}: no 'n_points:'; expected {_FORMAT}")
    if declared != len(points):
        raise DataError(f"{path}: n_points says {declared}, but there are {len(points)} points")
    if count is not None and len(points) != count:
        raise DataError(f"{path}: {len(points)} points; expected {count}")
    return np.array(points, dtype=np.float64).reshape(-1, 2).astype(np.float32) - np.float32(1)


class W300:
    """Images of 300-W with 68 points.

    Splits as in the literature: ``train`` (AFW and the training parts of HELEN and LFPW; 3,148 images), ``common``
    (test parts of HELEN and LFPW; 554), ``challenge`` (iBUG; 135), ``full`` (both; 689), ``test`` (the 600 of the
    competition, ``300W/01_Indoor`` and ``300W/02_Outdoor``).

    Args:
        root: folder with ``afw``, ``helen``, ``ibug``, ``lfpw`` and ``300W``, however capitalised; only those of the
            split are needed.
        split: which part.

    Raises:
        DataError: a folder is missing, or holds an image without points or points without an image.
        UsageError: another split.

    Source: Sagonas et al. 2013, "300 faces in-the-wild challenge".
    """

    def __init__(self, root: str | os.PathLike[str], split: W300Split = "train") -> None:
        if split not in _FOLDERS:
            raise UsageError(f"300-W has no split {split!r}; choose from {', '.join(_FOLDERS)}")
        self.root, self.split = folder(root, _LAYOUT), split
        self._images = [pair for name in _FOLDERS[split] for pair in _pairs(self.root, name)]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> PointsItem:
        """The item; raises DataError where its ``.pts`` file is not right."""
        image, points = self._images[index]
        name = image.relative_to(self.root).as_posix()
        return PointsItem(image, name, read_pts(points, 68), "ibug68")


def _pairs(root: Path, name: str) -> list[tuple[Path, Path]]:
    place: Path | None = root
    for part in name.split("/"):
        place = child(place, part) if place is not None else None
    if place is None:
        raise DataError(f"{root / name}: no such folder; expected {_LAYOUT}")
    images: dict[str, str] = {}
    points: dict[str, str] = {}
    for file in file_names(place, _LAYOUT):
        stem, suffix = os.path.splitext(file)
        kind = images if suffix.lower() in IMAGE_SUFFIXES else points if suffix.lower() == ".pts" else None
        if kind is None:
            continue
        if stem in kind:
            raise DataError(
                f"{place / file}: {kind[stem]} has the same stem; expected one image per .pts file"
            )
        kind[stem] = file
    for one, other, what in ((images, points, "points (.pts)"), (points, images, "image")):
        alone = sorted(set(one) - set(other))
        if alone:
            raise DataError(f"{place / one[alone[0]]}: has no {what} beside it; expected {_LAYOUT}")
    if not images:
        raise DataError(f"{place}: holds no images; expected {_LAYOUT}")
    return [(place / images[stem], place / points[stem]) for stem in sorted(images)]
