"""WFLW: faces in the wild with 98 points, a box and six attributes."""

from __future__ import annotations

import os
from typing import Literal

import numpy as np

from ....core.errors import DataError, UsageError
from ._reading import find, folder, is_file, numbers, read_lines
from .items import PointsItem

__all__ = ["WFLW", "WFLW_ATTRIBUTES"]

WFLW_ATTRIBUTES = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
"""What an image of WFLW can be hard by: the subsets of its test set."""

_COLUMNS = 98 * 2 + 4 + len(WFLW_ATTRIBUTES) + 1
_LAYOUT = "WFLW_images/ and WFLW_annotations/list_98pt_rect_attr_train_test/ of WFLW"
_FORMAT = f"{_COLUMNS} columns: 98 points, x_min y_min x_max y_max, 6 attributes (0 or 1), name of the image"


class WFLW:
    """Images of WFLW with 98 points.

    Convention: the points are taken as they are, with pixel (0, 0) at the centre of the top-left pixel; the dataset
    does not say where its zero lies.

    Args:
        root: folder with ``WFLW_images`` and ``WFLW_annotations``.
        split: ``train`` (7,500 images of faces) or ``test`` (2,500).
        subset: only images with this attribute (:data:`WFLW_ATTRIBUTES`), or None for all.

    Raises:
        DataError: a file is missing or has another layout; a listed image is not there.
        UsageError: another split or subset.

    Source: Wu et al. 2018, "Look at boundary: a boundary-aware face alignment algorithm".
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: Literal["train", "test"] = "train",
        subset: str | None = None,
    ) -> None:
        if split not in ("train", "test"):
            raise UsageError(f"WFLW has no split {split!r}; choose train or test")
        if subset is not None and subset not in WFLW_ATTRIBUTES:
            raise UsageError(f"WFLW has no subset {subset!r}; choose from {', '.join(WFLW_ATTRIBUTES)}")
        self.root, self.split, self.subset = folder(root, _LAYOUT), split, subset
        name = f"list_98pt_rect_attr_{split}.txt"
        listed = find(
            self.root,
            (
                f"WFLW_annotations/list_98pt_rect_attr_train_test/{name}",
                f"list_98pt_rect_attr_train_test/{name}",
                name,
            ),
            _LAYOUT,
        )
        self._images = find(self.root, ("WFLW_images",), _LAYOUT)
        self._names: list[str] = []
        rows: list[list[float]] = []
        for line, text in read_lines(listed, _FORMAT):
            words = text.split(maxsplit=_COLUMNS - 1)
            if len(words) != _COLUMNS:
                raise DataError(f"{listed}, line {line}: {len(words)} columns; expected {_FORMAT}")
            row = numbers(words[:-1], listed, line, _FORMAT)
            if not set(row[200:]) <= {0.0, 1.0}:
                raise DataError(f"{listed}, line {line}: an attribute is neither 0 nor 1; expected {_FORMAT}")
            if subset is None or row[200 + WFLW_ATTRIBUTES.index(subset)] == 1:
                rows.append(row)
                self._names.append(words[-1])
        for name in sorted(set(self._names)):
            if not is_file(self._images / name):
                raise DataError(f"{self._images / name}: not there, but {listed.name} lists it")
        self._rows = np.array(rows, dtype=np.float32).reshape(-1, _COLUMNS - 1)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> PointsItem:
        """One face; an image with several faces occurs several times."""
        name, row = self._names[index], self._rows[index]
        left, top, right, bottom = map(float, row[196:200])
        attributes = {key: bool(value) for key, value in zip(WFLW_ATTRIBUTES, row[200:])}
        points = row[:196].reshape(98, 2).copy()
        return PointsItem(self._images / name, name, points, "wflw98", (left, top, right, bottom), attributes)
