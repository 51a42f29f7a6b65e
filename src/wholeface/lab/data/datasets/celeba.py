"""CelebA: faces with five points and forty attributes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError
from ._reading import file_names, find, folder, integer, numbers, read_lines, same_names
from .items import PointsItem

__all__ = ["CelebA"]

CelebASplit = Literal["all", "train", "valid", "test"]

_SPLITS = {"train": 0, "valid": 1, "test": 2}
_POINTS = 10
_LAYOUT = "Anno/, Eval/ and Img/ of CelebA, or all its files in one folder"


class CelebA:
    """Images of CelebA with five points and forty attributes.

    The lists lie in ``Anno`` and ``Eval`` as they are handed out, or beside the images; ``.csv`` lists as on Kaggle
    are read too.

    Args:
        root: the dataset's folder.
        split: ``train``, ``valid``, ``test`` as in ``list_eval_partition``, or ``all``.
        aligned: the aligned and cropped images (178 × 218) and their points, or those in the wild.

    Raises:
        DataError: a file is missing or has another layout; a list holds more or fewer rows than its first line says;
            the lists name different images; a listed image is not there.
        UsageError: another split.

    Source: Liu et al. 2015, "Deep learning face attributes in the wild".
    """

    def __init__(
        self, root: str | os.PathLike[str], split: CelebASplit = "all", *, aligned: bool = True
    ) -> None:
        if split not in ("all", *_SPLITS):
            raise UsageError(f"CelebA has no split {split!r}; choose from all, {', '.join(_SPLITS)}")
        self.root, self.split = folder(root, _LAYOUT), split
        images = ("img_align_celeba" if aligned else "img_celeba",) * 2
        place = find(
            self.root,
            (f"Img/{'/'.join(images)}", f"Img/{images[0]}", "/".join(images), images[0]),
            f"the folder of images; {_LAYOUT}",
        )
        points_list = f"list_landmarks_{'align_' if aligned else ''}celeba"
        points_path, names, _, points = _table(self.root, points_list, "Anno", header=True, columns=_POINTS)
        path, other, self.attribute_names, flags = _table(self.root, "list_attr_celeba", "Anno", header=True)
        _agree(points_path, names, path, other)
        if not np.isin(flags, (-1, 1)).all():
            raise DataError(f"{path}: an attribute is neither -1 nor 1")
        keep = np.ones(len(names), dtype=bool)
        if split != "all":
            path, other, _, part = _table(self.root, "list_eval_partition", "Eval", header=False, columns=1)
            _agree(points_path, names, path, other)
            keep = part[:, 0] == _SPLITS[split]
        same_names(names, file_names(place, _LAYOUT), points_path, place)
        self._place = place
        self._names = [name for name, kept in zip(names, keep) if kept]
        self._points = points[keep]
        self._flags = flags[keep] > 0

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> PointsItem:
        """The item; its attributes are those of ``list_attr_celeba``."""
        name = self._names[index]
        attributes = {key: bool(value) for key, value in zip(self.attribute_names, self._flags[index])}
        points = self._points[index].reshape(5, 2).copy()
        return PointsItem(self._place / name, name, points, "celeba5", None, attributes)


def _table(
    root: Path, stem: str, part: str, *, header: bool, columns: int | None = None
) -> tuple[Path, list[str], tuple[str, ...], NDArray[np.float32]]:
    """Path, names of the images, names of the columns, and values of one list."""
    kinds = (f"{part}/{stem}.txt", f"{stem}.txt", f"{part}/{stem}.csv", f"{stem}.csv")
    path = find(root, kinds, f"the list {stem}.txt; {_LAYOUT}")
    comma = path.suffix == ".csv"
    layout = f"the list {stem}: name of an image and {columns or 'its'} numbers a line"
    lines = read_lines(path, layout)
    declared = None
    titles: tuple[str, ...] = ()
    if header and not comma and lines:
        line, text = lines.pop(0)
        declared = integer(text, path, line, "the number of images")
    if (header or comma) and lines:
        words = lines.pop(0)[1].split("," if comma else None)
        titles = tuple(words[1:] if comma else words)
        columns = columns or len(titles)
    names, rows = [], []
    for line, text in lines:
        name, *words = (word.strip() for word in text.split("," if comma else None))
        if len(words) != columns:
            raise DataError(f"{path}, line {line}: {len(words)} numbers; expected {columns} ({layout})")
        names.append(name)
        rows.append(np.array(numbers(words, path, line, layout), dtype=np.float32))
    if declared is not None and declared != len(names):
        raise DataError(f"{path}: its first line says {declared} images, but there are {len(names)}")
    if not names:
        raise DataError(f"{path}: empty; expected {layout}")
    return path, names, titles, np.array(rows)


def _agree(first: Path, names: list[str], second: Path, others: list[str]) -> None:
    if names == others:
        return
    if len(names) != len(others):
        raise DataError(f"{second}: {len(others)} images, but {first.name} lists {len(names)}")
    i = next(i for i, (a, b) in enumerate(zip(names, others)) if a != b)
    raise DataError(f"{second}: {others[i]} where {first.name} has {names[i]}; expected the same order")
