"""The AR face database: subjects with sunglasses and scarves, under several lights, twice."""

from __future__ import annotations

import os
import re
from typing import Literal

from ....core.errors import DataError, UsageError
from ._reading import IMAGE_SUFFIXES, file_names, folder
from .items import PhotoItem

__all__ = ["AR"]

ARSubset = Literal["all", "neutral", "glasses", "scarf"]

_NAME = re.compile(r"([mMwWfF])-(\d{2,3})-(\d{1,2})\.(\w+)")
_LAYOUT = "images named as m-001-1.bmp or w-050-26.bmp: man or woman, person, number 1 to 26"
# Numbers 14 to 26 repeat 1 to 13 two weeks later.
_CONDITIONS: dict[int, tuple[str, str, str]] = {  # number: (occluder, expression, light)
    1: ("none", "neutral", "even"),
    2: ("none", "smile", "even"),
    3: ("none", "anger", "even"),
    4: ("none", "scream", "even"),
    5: ("none", "neutral", "left"),
    6: ("none", "neutral", "right"),
    7: ("none", "neutral", "all"),
    8: ("glasses", "neutral", "even"),
    9: ("glasses", "neutral", "left"),
    10: ("glasses", "neutral", "right"),
    11: ("scarf", "neutral", "even"),
    12: ("scarf", "neutral", "left"),
    13: ("scarf", "neutral", "right"),
}
_SUBSETS = {"neutral": "none", "glasses": "glasses", "scarf": "scarf"}


class AR:
    """Images of the AR face database.

    Attributes of an item: ``number`` (1 to 26), ``occluder`` (none, glasses, scarf), ``expression`` (neutral, smile,
    anger, scream), ``light`` (even, left, right, all), ``session`` (1 or 2), ``sex`` (m or w).

    Args:
        root: folder with the images, in one folder or several; ``.bmp``, ``.jpg``, ``.png``, ….
        subset: ``neutral`` (nothing in front of the face, as Li et al. call it; any expression), ``glasses``
            (sunglasses), ``scarf``, or ``all``.

    Raises:
        DataError: no images, or one whose name does not follow the convention.
        UsageError: another subset.

    Source: Martínez and Benavente 1998, "The AR face database", CVC technical report 24.
    """

    def __init__(self, root: str | os.PathLike[str], subset: ARSubset = "all") -> None:
        if subset not in ("all", *_SUBSETS):
            raise UsageError(f"AR has no subset {subset!r}; choose from all, {', '.join(_SUBSETS)}")
        self.root, self.subset = folder(root, _LAYOUT), subset
        self._items: list[PhotoItem] = []
        seen: dict[tuple[str, int], str] = {}
        for place in [self.root, *sorted(path for path in self.root.rglob("*") if path.is_dir())]:
            for name in file_names(place, _LAYOUT):
                if os.path.splitext(name)[1].lower() not in IMAGE_SUFFIXES:
                    continue
                match = _NAME.fullmatch(name)
                number = int(match[3]) if match else 0
                if match is None or not 1 <= number <= 26:
                    raise DataError(f"{place / name}: expected {_LAYOUT}")
                sex = "m" if match[1] in "mM" else "w"
                identity = f"{sex}-{int(match[2]):03d}"
                if (identity, number) in seen:
                    raise DataError(f"{place / name}: is the same image as {seen[identity, number]}")
                seen[identity, number] = name
                occluder, expression, light = _CONDITIONS[(number - 1) % 13 + 1]
                attributes: dict[str, str | int] = {
                    "number": number,
                    "occluder": occluder,
                    "expression": expression,
                    "light": light,
                    "session": 1 if number <= 13 else 2,
                    "sex": sex,
                }
                if subset == "all" or occluder == _SUBSETS[subset]:
                    self._items.append(PhotoItem(place / name, name, identity, attributes))
        if not seen:
            raise DataError(f"{self.root}: holds no images; expected {_LAYOUT}")
        self._items.sort(key=lambda item: (item.identity, item.attributes["number"]))

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> PhotoItem:
        """The image."""
        return self._items[index]
