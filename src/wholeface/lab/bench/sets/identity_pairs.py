"""Pairs of photos for verification: LFW's own list, or balanced pairs in folds that share no person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from .identity import FilePhotos, PersonPhoto

__all__ = ["Pairs", "balanced_pairs", "lfw_pairs"]

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Pairs by the photos' numbers.

    Args:
        first: (N,) photos; ``second``: (N,).
        same: (N,) whether both show one person.
        fold: (N,) from 0.
    """

    first: Indices
    second: Indices
    same: NDArray[np.bool_]
    fold: Indices

    def __len__(self) -> int:
        return len(self.first)

    def photos(self) -> Indices:
        """Numbers of all photos that appear, sorted."""
        return np.asarray(np.unique(np.concatenate([self.first, self.second])))

    def subset(self, count: int | None, seed: int = 0) -> Pairs:
        """At most ``count`` pairs, the same number of each kind in each fold; None = all.

        Raises:
            UsageError: fewer than one pair of each kind per fold.
        """
        if count is None or count >= len(self):
            return self
        folds = np.unique(self.fold)
        each = count // (2 * len(folds))
        if each < 1:
            raise UsageError(
                f"{count} pairs: at least {2 * len(folds)}, one of each kind in {len(folds)} folds"
            )
        rng = np.random.default_rng([seed, 23])
        kept: list[int] = []
        for fold in folds:
            for same in (True, False):
                there = np.flatnonzero((self.fold == fold) & (self.same == same))
                kept += sorted(rng.choice(there, min(each, len(there)), replace=False).tolist())
        return Pairs(self.first[kept], self.second[kept], self.same[kept], self.fold[kept])


def balanced_pairs(
    photos: Sequence[PersonPhoto],
    indices: Indices,
    *,
    folds: int = 10,
    most: int | None = None,
    seed: int = 0,
) -> Pairs:
    """As many pairs of one person as of two in each fold; no person is in two folds.

    Args:
        photos: all.
        indices: those to be paired.
        folds: at most so many; fewer where each would have fewer than two subjects.
        most: pairs of each kind in a fold, at most.
        seed: which subjects go where, and which pairs are taken.

    Raises:
        UsageError: fewer than four subjects with two photos each.
    """
    rng = np.random.default_rng([seed, 29])
    owners: dict[str, list[int]] = {}
    for i in indices.tolist():
        owners.setdefault(photos[i].person, []).append(i)
    subjects = [sorted(mine) for _, mine in sorted(owners.items()) if len(mine) >= 2]
    folds = min(folds, len(subjects) // 2)
    if folds < 2:
        raise UsageError(
            f"{len(subjects)} subjects with two or more photos; verification by folds needs at least four"
        )
    order = rng.permutation(len(subjects))
    rows: list[tuple[int, int, bool, int]] = []
    for fold in range(folds):
        group = [subjects[k] for k in order[fold::folds]]
        same = [(a, b) for mine in group for n, a in enumerate(mine) for b in mine[n + 1 :]]
        other = [
            (a, b) for n, mine in enumerate(group) for theirs in group[n + 1 :] for a in mine for b in theirs
        ]
        each = min(len(same), len(other), len(same) if most is None else most)
        for kind, pairs in ((True, same), (False, other)):
            taken = sorted(rng.choice(len(pairs), each, replace=False).tolist())
            rows += [(*pairs[k], kind, fold) for k in taken]
    first, second, kinds, numbers = zip(*rows, strict=True)
    return Pairs(np.array(first), np.array(second), np.array(kinds), np.array(numbers))


def lfw_pairs(data: Path, listed: str = "pairs.txt") -> tuple[FilePhotos, Pairs]:
    """LFW's own pairs and the photos that appear in them.

    Args:
        data: folder of LFW, see :class:`wholeface.lab.data.datasets.LFWPairs`.
        listed: its list of pairs.

    Raises:
        DataError: the list or an image is missing.
    """
    from ...data.datasets import LFWPairs

    dataset = LFWPairs(data, listed)
    items = [dataset[i] for i in range(len(dataset))]
    paths = sorted({path for item in items for path in (item.first, item.second)})
    number = {path: i for i, path in enumerate(paths)}
    photos = FilePhotos("LFW", [PersonPhoto(p.name, p.parent.name, p, p.name) for p in paths])
    return photos, Pairs(
        np.array([number[item.first] for item in items]),
        np.array([number[item.second] for item in items]),
        np.array([item.same for item in items]),
        np.array([item.fold for item in items]),
    )
