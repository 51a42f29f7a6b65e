"""The second origin of the face model's shapes: which MakeHuman heads it learns from and which it is measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .people import ORIGINS, Person, Slider, random_person, sliders, target_weights
from .reading import TargetReader, find_makehuman, read_base_head
from .registration import Registration, Topology, register
from .transfer import Transfer, aligned, make_transfer

__all__ = ["FEATURE_GROUPS", "MakeHumanHeads", "OriginHeads", "held_out", "load_makehuman", "origin_heads"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FEATURE_GROUPS = (
    "head", "forehead", "eyebrows", "eyes", "nose", "mouth", "chin", "cheek", "ears", "neck",
)  # fmt: skip
_SPREAD = 0.15  # of the sliders: adults vary as much as the scans of the first origin (4.6 and 4.5 mm)
_CHILDREN = 0.25  # share of people up to 15 years


@dataclass(frozen=True)
class MakeHumanHeads:
    """Any person of MakeHuman as a head on the shipped topology.

    Args:
        transfer: from MakeHuman's vertices to ours; ``targets``: what makes a person of the base mesh.
        sliders: the features that people differ in.
        registration: how well the template lies on MakeHuman's head.
    """

    transfer: Transfer
    targets: TargetReader
    sliders: tuple[Slider, ...]
    registration: Registration

    def head(self, person: Person) -> Floats:
        """(V, 3) mm, turned and shifted so that its face lies best on the mean's; true to scale."""
        base = self.transfer.head.vertices
        vertices = base + self.targets.offsets(target_weights(person, self.sliders))
        return aligned(self.transfer(vertices), self.transfer.ours)

    def somebody(self, rng: np.random.Generator) -> Person:
        """A random person."""
        return random_person(rng, self.sliders, spread=_SPREAD, children=_CHILDREN)


def load_makehuman(ours: Topology) -> MakeHumanHeads:
    """Register MakeHuman's young adult (about 10 s).

    Raises:
        ModelFileError: the package with MakeHuman's data is not at hand.
    """
    folder = find_makehuman()
    head = read_base_head(folder)
    targets = TargetReader(folder, head)
    adult = Person(origin=(0.0, 0.0, 1.0))  # the one on which the landmarks were found
    template = head.vertices + targets.offsets(target_weights(adult, ()))
    found = register(ours, template, head.triangles, head.rows)
    known = sliders(targets.names(*FEATURE_GROUPS))
    return MakeHumanHeads(make_transfer(ours, head, template, found), targets, known, found)


@dataclass(frozen=True)
class OriginHeads:
    """Heads of random people.

    Args:
        heads: (H, V, 3) mm; ``people``: (H,) who they are.
        held_out: (H,) bool, combinations of origin, sex and age kept out of the statistics.
    """

    heads: Floats
    people: tuple[Person, ...]
    held_out: Bools


def held_out(person: Person) -> bool:
    """Whether a person's combination is kept out: Asian children, African men over 50, young Caucasian women."""
    origin = ORIGINS[int(np.argmax(person.origin))]
    return (
        (origin == "asian" and person.years < 15)
        or (origin == "african" and person.male > 0.5 and person.years > 50)
        or (origin == "caucasian" and person.male < 0.5 and 15 <= person.years < 50)
    )


def origin_heads(makehuman: MakeHumanHeads, count: int, seed: int) -> OriginHeads:
    """Heads of ``count`` random people."""
    rng = np.random.default_rng(seed)
    people = tuple(makehuman.somebody(rng) for _ in range(count))
    heads = np.stack([makehuman.head(person) for person in people])
    return OriginHeads(heads, people, np.array([held_out(person) for person in people]))
