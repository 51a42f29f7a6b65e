"""LFW: labelled faces in the wild, verification by pairs."""

from __future__ import annotations

import os
from pathlib import Path

from ....core.errors import DataError
from ._reading import file_names, folder, integer, is_folder, read_lines
from .items import PairItem, PhotoItem

__all__ = ["LFWPairs", "LFWPeople"]

_LAYOUT = "folders of LFW such as Aaron_Eckhart/Aaron_Eckhart_0001.jpg, and its list"
_PLACES = (
    "lfw",
    "lfw_funneled",
    "lfw-funneled",
    "lfw-deepfunneled/lfw-deepfunneled",
    "lfw-deepfunneled",
    ".",
)
_PAIRS = "pairs.txt: 'folds<tab>pairs', then per fold that many 'name n1 n2' and as many 'name1 n1 name2 n2'"
_PEOPLE = "peopleDevTrain.txt: number of people, then one 'name<tab>images' a line"


class LFWPairs:
    """Pairs of LFW, as lists such as ``pairs.txt`` (10 folds of 300 + 300) or ``pairsDevTrain.txt`` name them.

    Args:
        root: folder with the list and the images: ``lfw``, ``lfw_funneled``, ``lfw-deepfunneled``, or the people's
            folders themselves.
        pairs: the list, a name below ``root`` or a path.
        images: the folder with the people's folders, where the usual names do not find it.

    Attributes:
        folds: number of folds; 1 for the development lists.

    Raises:
        DataError: the list or an image is missing, or there are more or fewer pairs than its first line says.

    Source: Huang et al. 2007, "Labeled faces in the wild".
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        pairs: str | os.PathLike[str] = "pairs.txt",
        *,
        images: str | os.PathLike[str] | None = None,
    ) -> None:
        self.root = folder(root, _LAYOUT)
        path = self.root / pairs
        lines = read_lines(path, _PAIRS)
        line, words = (lines[0][0], lines[0][1].split()) if lines else (1, [])
        if len(words) not in (1, 2):
            raise DataError(f"{path}, line {line}: no numbers of folds and pairs; expected {_PAIRS}")
        counts = [integer(word, path, line, _PAIRS, least=1) for word in words]
        self.folds, each = (1, counts[0]) if len(counts) == 1 else (counts[0], counts[1])
        if len(lines) - 1 != self.folds * each * 2:
            raise DataError(
                f"{path}: {len(lines) - 1} pairs; its first line says {self.folds} × 2 × {each} = "
                f"{self.folds * each * 2}"
            )
        self._pairs: list[tuple[str, int, str, int]] = []
        self._each = each
        for i, (line, text) in enumerate(lines[1:]):
            words = text.split()
            same = i // each % 2 == 0
            if len(words) != (3 if same else 4):
                kind = (
                    "a pair of one person, 'name n1 n2'"
                    if same
                    else "a pair of two people, 'name1 n1 name2 n2'"
                )
                raise DataError(f"{path}, line {line}: {text[:60]!r}; expected {kind}")
            first, second = (words[0], words[1]), (words[0], words[2]) if same else (words[2], words[3])
            numbers = [integer(word, path, line, _PAIRS) for word in (first[1], second[1])]
            self._pairs.append((first[0], numbers[0], second[0], numbers[1]))
        people = {name for pair in self._pairs for name in (pair[0], pair[2])}
        self._images = _images(self.root, images, sorted(people))
        there = {name: set(file_names(self._images / name, _LAYOUT)) for name in people}
        for one, n1, two, n2 in self._pairs:
            for name, number in ((one, n1), (two, n2)):
                if _file(name, number) not in there[name]:
                    raise DataError(
                        f"{self._images / name / _file(name, number)}: not there, but {path.name} lists it"
                    )

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> PairItem:
        """The pair."""
        index = range(len(self._pairs))[index]
        one, n1, two, n2 = self._pairs[index]
        block = index // self._each
        first, second = (self._images / name / _file(name, n) for name, n in ((one, n1), (two, n2)))
        return PairItem(first, second, block % 2 == 0, block // 2)


class LFWPeople:
    """Images of the people that a list such as ``peopleDevTrain.txt`` names, or of all.

    Args:
        root: as for :class:`LFWPairs`.
        people: the list, a name below ``root`` or a path; None = every folder.
        images: as for :class:`LFWPairs`.

    Raises:
        DataError: the list or a person's folder is missing, or there are more or fewer people or images than the
            list says.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        people: str | os.PathLike[str] | None = None,
        *,
        images: str | os.PathLike[str] | None = None,
    ) -> None:
        self.root = folder(root, _LAYOUT)
        counts = {} if people is None else _people(self.root / people)
        self._place = _images(self.root, images, sorted(counts))
        if people is None:
            names = sorted(path.name for path in self._place.iterdir() if path.is_dir())
        else:
            names = sorted(counts)
        self._photos: list[tuple[str, str]] = []
        for name in names:
            files = [
                file for file in file_names(self._place / name, _LAYOUT) if file.lower().endswith(".jpg")
            ]
            if people is not None and len(files) != counts[name]:
                raise DataError(
                    f"{self._place / name}: {len(files)} images, but the list says {counts[name]}"
                )
            self._photos += [(name, file) for file in files]
        if not self._photos:
            raise DataError(f"{self._place}: holds no images; expected {_LAYOUT}")

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> PhotoItem:
        """The image."""
        name, file = self._photos[index]
        return PhotoItem(self._place / name / file, file, name)


def _file(name: str, number: int) -> str:
    return f"{name}_{number:04d}.jpg"


def _images(root: Path, given: str | os.PathLike[str] | None, people: list[str]) -> Path:
    """The folder that holds the people's folders."""
    if given is not None:
        return folder(root / given, _LAYOUT)
    for place in _PLACES:
        if is_folder(root / place) and (not people or any(is_folder(root / place / name) for name in people)):
            return root / place if place != "." else root
    raise DataError(
        f"{root / (people[0] if people else 'lfw')}: no such folder, nor in lfw/; expected {_LAYOUT}"
    )


def _people(path: Path) -> dict[str, int]:
    """Number of images of each person; lists of several folds are read as one."""
    lines = read_lines(path, _PEOPLE)
    counts: dict[str, int] = {}
    declared = found = 0
    folds = 0
    for line, text in lines:
        words = text.split()
        if len(words) == 1 and text.isdecimal():
            folds += 1
            declared += integer(text, path, line, _PEOPLE)
        elif len(words) == 2 and words[0] not in counts:
            counts[words[0]] = integer(words[1], path, line, _PEOPLE)
            found += 1
        else:
            raise DataError(f"{path}, line {line}: {text[:60]!r}; expected {_PEOPLE}")
    if folds > 1:
        declared -= integer(
            lines[0][1], path, lines[0][0], _PEOPLE
        )  # people.txt begins with the number of folds
    if declared != found:
        raise DataError(f"{path}: {found} people, but its counts say {declared}; expected {_PEOPLE}")
    return counts
