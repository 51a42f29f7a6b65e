"""Folders of subjects, as of VGGFace2: one folder for each person."""

from __future__ import annotations

import os

import numpy as np

from ....core.errors import DataError
from ._reading import IMAGE_SUFFIXES, file_names, folder, is_file, is_folder, read_lines
from .items import PhotoItem

__all__ = ["FaceFolders"]

_LAYOUT = "one folder for each person with its images, as n000002/0001_01.jpg"


class FaceFolders:
    """Images in folders named after subjects, e.g. VGGFace2's ``train`` or ``test``.

    Args:
        root: folder that holds the subjects' folders.
        listed: text file with one ``person/image.jpg`` a line, as VGGFace2's ``train_list.txt``: only these;
            words after the first are ignored. A path, or a name below ``root`` or beside it.

    Attributes:
        identities: names of the subjects' folders that have images here, sorted.

    Raises:
        DataError: no folders or no images, or a listed image that is not there.

    Source: Cao et al. 2018, "VGGFace2: A dataset for recognising faces across pose and age".
    """

    def __init__(self, root: str | os.PathLike[str], listed: str | os.PathLike[str] | None = None) -> None:
        self.root = folder(root, _LAYOUT)
        with os.scandir(self.root) as entries:
            subjects = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
        if not subjects:
            raise DataError(f"{self.root}: holds no folders; expected {_LAYOUT}")
        if listed is None:
            found = [
                f"{person}/{name}"
                for person in subjects
                for name in file_names(self.root / person, _LAYOUT)
                if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
            ]
        else:
            found = self._from_list(listed)
        if not found:
            raise DataError(f"{self.root}: holds no images; expected {_LAYOUT}")
        self._names = np.array([os.fsencode(name) for name in found])  # 20 bytes an image, not 100
        self.identities = sorted({name.partition("/")[0] for name in found})

    def _from_list(self, listed: str | os.PathLike[str]) -> list[str]:
        expected = "one 'person/image.jpg' a line"
        beside = self.root.parent / listed
        path = beside if is_file(beside) and not is_file(self.root / listed) else self.root / listed
        there: dict[str, set[str]] = {}
        found: list[str] = []
        for line, text in read_lines(path, expected):
            name = text.split()[0]
            person, slash, image = name.partition("/")
            if not slash or "/" in image or person in ("", ".", ".."):
                raise DataError(f"{path}, line {line}: {name!r}; expected {expected}")
            if person not in there:
                place = self.root / person
                there[person] = set(file_names(place, _LAYOUT)) if is_folder(place) else set()
            if image not in there[person]:
                raise DataError(f"{self.root / name}: not there, but {path.name} lists it (line {line})")
            found.append(name)
        return found

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> PhotoItem:
        """The image."""
        name = os.fsdecode(bytes(self._names[index]))
        return PhotoItem(self.root / name, name, name.partition("/")[0])
