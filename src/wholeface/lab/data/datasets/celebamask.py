"""CelebAMask-HQ: faces with parsing maps of 19 classes, one mask file per part."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from ....core.errors import DataError, UsageError
from ....perceive import ParsingClass
from ._reading import file_names, find, folder, integer, read_lines
from .items import MapItem

__all__ = ["CELEBAMASK_PARTS", "CelebAMaskHQ"]

CELEBAMASK_PARTS: dict[str, ParsingClass] = {
    "skin": ParsingClass.SKIN,
    "nose": ParsingClass.NOSE,
    "eye_g": ParsingClass.EYEGLASSES,
    "l_eye": ParsingClass.LEFT_EYE,
    "r_eye": ParsingClass.RIGHT_EYE,
    "l_brow": ParsingClass.LEFT_BROW,
    "r_brow": ParsingClass.RIGHT_BROW,
    "l_ear": ParsingClass.LEFT_EAR,
    "r_ear": ParsingClass.RIGHT_EAR,
    "mouth": ParsingClass.INNER_MOUTH,
    "u_lip": ParsingClass.UPPER_LIP,
    "l_lip": ParsingClass.LOWER_LIP,
    "hair": ParsingClass.HAIR,
    "hat": ParsingClass.HAT,
    "ear_r": ParsingClass.EARRING,
    "neck_l": ParsingClass.NECKLACE,
    "neck": ParsingClass.NECK,
    "cloth": ParsingClass.CLOTH,
}
"""Class of each mask file by the end of its name, in the official order: later parts overwrite earlier ones."""

CelebAMaskSplit = Literal["all", "train", "valid", "test"]

_FIRST = {"train": 1, "valid": 162_771, "test": 182_638}  # first image of each part of CelebA
_PER_FOLDER = 2000
_MASKS, _IMAGES, _MAPPING = "CelebAMask-HQ-mask-anno", "CelebA-HQ-img", "CelebA-HQ-to-CelebA-mapping.txt"
_LAYOUT = f"{_IMAGES}/0.jpg, {_MASKS}/0/00000_skin.png, … of CelebAMask-HQ"
_MOST_LETTERS = 20  # of a name in CelebA such as 202599.jpg
_MAPPING_FORMAT = "a title and one 'idx orig_idx orig_file' a line"


class CelebAMaskHQ:
    """Images of CelebA-HQ with the parsing maps of CelebAMask-HQ.

    Args:
        root: folder with ``CelebA-HQ-img``, ``CelebAMask-HQ-mask-anno`` and, for the splits,
            ``CelebA-HQ-to-CelebA-mapping.txt``.
        split: ``train``, ``valid``, ``test``: the image's part in CelebA itself; or ``all``.

    Raises:
        DataError: a folder is missing, an image has no masks, or masks have no image, lie in the wrong folder or
            belong to no known part.
        UsageError: another split.

    Source: Lee et al. 2020, "MaskGAN: Towards diverse and interactive facial image manipulation".
    """

    def __init__(self, root: str | os.PathLike[str], split: CelebAMaskSplit = "all") -> None:
        if split not in ("all", *_FIRST):
            raise UsageError(f"CelebAMask-HQ has no split {split!r}; choose from all, {', '.join(_FIRST)}")
        self.root, self.split = folder(root, _LAYOUT), split
        self._images = find(self.root, (_IMAGES,), _LAYOUT)
        self._masks = find(self.root, (_MASKS,), _LAYOUT)
        images = {}
        for name in file_names(self._images, _LAYOUT):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in (".jpg", ".png"):
                if not stem.isdecimal() or int(stem) in images:
                    raise DataError(f"{self._images / name}: expected one image for each number, as 0.jpg")
                images[int(stem)] = name
        parts = _parts_by_image(self._masks)
        for one, other, problem in (
            (set(images), set(parts), f"has no masks in {self._masks.name}"),
            (set(parts), set(images), f"has masks, but no image in {self._images.name}"),
        ):
            if one - other:
                raise DataError(f"{self.root}: image {min(one - other)} {problem}; expected {_LAYOUT}")
        if not images:
            raise DataError(f"{self._images}: holds no images; expected {_LAYOUT}")
        mapping = self.root / _MAPPING
        originals = _originals(mapping) if split != "all" or mapping.is_file() else {}
        if originals and not set(images) <= set(originals):
            lost = min(set(images) - set(originals))
            raise DataError(f"{mapping}: does not list image {lost}; expected {_MAPPING_FORMAT}")
        self._items = [
            (i, images[i], parts[i], originals.get(i, ""))
            for i in sorted(images)
            if split in ("all", _part_of(originals.get(i, "")))
        ]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> MapItem:
        """The item; its masks are read when the map is asked for."""
        number, image, there, original = self._items[index]
        place = self._masks / str(number // _PER_FOLDER)
        parts = tuple(
            (label, place / f"{number:05d}_{part}.png")
            for part, label in CELEBAMASK_PARTS.items()
            if part in there
        )
        return MapItem(self._images / image, str(number), parts, original)


def _parts_by_image(masks: Path) -> dict[int, frozenset[str]]:
    """Which parts each image has a mask for."""
    found: dict[int, set[str]] = {}
    for place in sorted(path for path in masks.iterdir() if path.is_dir()):
        for name in file_names(place, _LAYOUT):
            number, _, part = name.removesuffix(".png").partition("_")
            if not name.endswith(".png"):
                continue
            if len(number) != 5 or not number.isdecimal() or part not in CELEBAMASK_PARTS:
                raise DataError(
                    f"{place / name}: no known part; expected 00000_skin.png with one of "
                    f"{', '.join(CELEBAMASK_PARTS)}"
                )
            if place.name != str(int(number) // _PER_FOLDER):
                raise DataError(
                    f"{place / name}: expected in the folder {masks / str(int(number) // _PER_FOLDER)}"
                )
            found.setdefault(int(number), set()).add(part)
    return {number: frozenset(parts) for number, parts in found.items()}


def _originals(path: Path) -> dict[int, str]:
    """Name in CelebA of each image."""
    originals = {}
    for line, text in read_lines(path, _MAPPING_FORMAT)[1:]:
        words = text.split()
        if len(words) != 3 or not words[2].partition(".")[0].isdecimal() or len(words[2]) > _MOST_LETTERS:
            raise DataError(f"{path}, line {line}: {text[:40]!r}; expected {_MAPPING_FORMAT}")
        originals[integer(words[0], path, line, _MAPPING_FORMAT)] = words[2]
    return originals


def _part_of(original: str) -> str:
    number = int(original.partition(".")[0] or 0)
    return next((name for name in ("test", "valid", "train") if number >= _FIRST[name]), "")
