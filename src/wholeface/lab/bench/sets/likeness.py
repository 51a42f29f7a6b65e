"""Two photos of each of several people, one of them behind occluders: for likeness by face recognition.

A folder as of the Face Research Lab London Set: ``NNN_neutral.jpg``, ``NNN_smiling.jpg`` and ``people.json`` with
``age``, ``sex`` and ``group``, as each named their own. The neutral photo is looked at, clean and with occluders
composited onto it; the smiling one is who it should be recognised as.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError

if TYPE_CHECKING:
    from ...data import FaceSample
    from ...data.compositing.layer import Split
    from ...data.occluders import OccluderLibrary

__all__ = ["CLEAN", "OccludedPhotos", "Person", "age_band", "open_people"]

Pixels = NDArray[np.uint8]

CLEAN = "clean"
_TRIES = 12
_LEAST = 0.03  # of the face that an occluder hides: less is not worth its name
_BANDS = ((25, "under 25"), (35, "25 to 34"), (200, "35 and over"))


@dataclass(frozen=True)
class Person:
    """One person of the set.

    Args:
        name: of the person, e.g. ``002``.
        probe: path of the photo that is reconstructed.
        gallery: path of the photo by which the person should be recognised.
        groups: kind of group -> the person's, e.g. ``{"sex": "female", "age": "under 25"}``.
    """

    name: str
    probe: Path
    gallery: Path
    groups: Mapping[str, str]


def open_people(data: Path, count: int | None = None) -> tuple[list[Person], Path | None]:
    """The people of the set, and the folder of source material from which occluders are taken.

    Args:
        data: folder of the photos with ``people.json``, or of the source material with ``faces_lab`` in it.
        count: people at most, the first by name.

    Returns:
        The people in the order of their names, and the folder with ``occluders/``, or None: they are drawn.

    Raises:
        DataError: no such set there, or a file of it is missing or damaged.
    """
    folder = data / "faces_lab" if (data / "faces_lab").is_dir() else data
    listed = folder / "people.json"
    if not listed.is_file():
        raise DataError(f"{data}: neither people.json nor faces_lab/people.json, which name the people")
    try:
        known = json.loads(listed.read_text())
        people = [_person(folder, name, known[name]) for name in sorted(known)[:count]]
    except (
        json.JSONDecodeError,
        UnicodeDecodeError,
        KeyError,
        TypeError,
        AttributeError,
        ValueError,
    ) as error:
        raise DataError(
            f"{listed}: {type(error).__name__}: {error}; expected age, sex and group by name"
        ) from error
    if len(people) < 2:
        raise DataError(f"{listed}: {len(people)} people; nobody can be told from others among fewer than 2")
    for person in people:
        for path in (person.probe, person.gallery):
            if not path.is_file():
                raise DataError(f"{path}: no such photo, which {listed.name} says there is")
    roots = (data, folder.parent)
    return people, next((root for root in roots if (root / "occluders").is_dir()), None)


def age_band(age: float) -> str:
    """The band of an age in years."""
    return next(name for limit, name in _BANDS if age < limit)


def _person(folder: Path, name: str, about: Mapping[str, str]) -> Person:
    groups = {"sex": about["sex"], "age": age_band(float(about["age"])), "group": about["group"]}
    return Person(name, folder / f"{name}_neutral.jpg", folder / f"{name}_smiling.jpg", groups)


class OccludedPhotos:
    """Lays occluders of the data engine onto photos; the same one whenever seed, person and kind are the same.

    Args:
        root: folder of source material with ``occluders/``, or None: drawn occluders.
        seed: of designs and places.
        designs: ``held_out`` ones are never trained on.

    Raises:
        UsageError: unknown designs.
    """

    def __init__(self, root: Path | None, seed: int, designs: Split = "held_out") -> None:
        from ...data.compositing.layer import Split

        if designs not in get_args(Split):
            raise UsageError(f"designs must be one of {', '.join(get_args(Split))}, got {designs!r}")
        self._root, self._seed, self._designs = root, seed, designs

    @cached_property
    def _library(self) -> OccluderLibrary:
        from ...data.occluders import OccluderLibrary

        return OccluderLibrary(self._root, self._designs)

    def check(self, kinds: Sequence[str]) -> None:
        """Raise :class:`UsageError` where one of the kinds is not known."""
        for kind in kinds:
            self._library.source(kind)

    def __call__(self, sample: FaceSample, kind: str, person: str) -> tuple[FaceSample, str]:
        """The photo with that kind of occluder in front of the face, and the design's name.

        Args:
            sample: the photo with the landmarks of its face.
            kind: of :data:`wholeface.lab.data.occluders.DEFAULT_WEIGHTS`.
            person: whose photo it is.

        Raises:
            UsageError: none fitted, or an unknown kind.
        """
        from ...data.compositing.compose import apply_layer

        source = self._library.source(kind)
        rng = np.random.default_rng([self._seed, crc32(person.encode()), crc32(kind.encode())])
        for _ in range(_TRIES):
            layer = source.layer(sample, rng, self._designs)
            if layer is None:
                continue
            occluded = apply_layer(sample, layer, rng)
            if occluded.hidden.sum() >= _LEAST * occluded.face.sum():
                return occluded, layer.name
        raise UsageError(f"no {kind} fitted in front of this face in {_TRIES} tries")
