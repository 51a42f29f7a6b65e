"""People as MakeHuman describes them: age, sex, origin, build, and sliders of single features."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

__all__ = ["AGES", "ORIGINS", "Person", "Slider", "random_person", "sliders", "target_weights"]

AGES: Mapping[str, float] = {"baby": 1.0, "child": 10.0, "young": 25.0, "old": 90.0}
"""Years that MakeHuman's targets of age stand for."""
ORIGINS = ("african", "asian", "caucasian")
"""MakeHuman's own words for its three sets of heads."""

_FEATURES = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "chin", "cheek", "ears", "neck")
_OPPOSITES = {
    "decr": "incr",
    "in": "out",
    "down": "up",
    "backward": "forward",
    "concave": "convex",
    "compress": "uncompress",
}
# Not features of a face: where the head sits on the neck, ears of elves, and what age already says.
_LEFT_OUT = re.compile(r"head-trans|head-angle|neck-trans|neck-height|ear-shape|head-age|neck-circ")


@dataclass(frozen=True)
class Person:
    """One description.

    Args:
        years: age in [1, 90].
        male: 0 = woman, 1 = man.
        origin: (3,) shares of ``ORIGINS``, adding up to 1.
        muscle: in [0, 1], ½ = average; ``weight``: likewise.
        features: slider name -> amount in [-1, 1].
    """

    years: float = 25.0
    male: float = 0.5
    origin: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    muscle: float = 0.5
    weight: float = 0.5
    features: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Slider:
    """A feature that goes both ways, on both sides of the face at once.

    Args:
        name: for instance ``nose/nose-hump``.
        low: targets of negative amounts; empty where it goes one way only.
        high: targets of positive amounts.
    """

    name: str
    low: tuple[str, ...]
    high: tuple[str, ...]


def sliders(names: Sequence[str]) -> tuple[Slider, ...]:
    """The sliders that MakeHuman's feature targets make up.

    Args:
        names: ``group/target`` of all targets at hand.
    """
    low: dict[str, list[str]] = {}
    high: dict[str, list[str]] = {}
    for name in names:
        group, _, target = name.partition("/")
        if group not in _FEATURES or _LEFT_OUT.search(target):
            continue
        stem, _, way = target.removeprefix("l-").removeprefix("r-").rpartition("-")
        if way in _OPPOSITES:
            low.setdefault(f"{group}/{stem}", []).append(name)
        elif way in _OPPOSITES.values():
            high.setdefault(f"{group}/{stem}", []).append(name)
        else:
            high.setdefault(name, []).append(name)
    return tuple(Slider(name, tuple(low.get(name, ())), tuple(high[name])) for name in sorted(high))


def target_weights(person: Person, known: Sequence[Slider]) -> dict[str, float]:
    """Target -> weight of one person: products of the shares between MakeHuman's corners."""
    ages = _between(person.years, tuple(AGES.items()))
    sexes = {"female": 1.0 - person.male, "male": person.male}
    muscles = _between(person.muscle, (("minmuscle", 0.0), ("averagemuscle", 0.5), ("maxmuscle", 1.0)))
    weights = _between(person.weight, (("minweight", 0.0), ("averageweight", 0.5), ("maxweight", 1.0)))
    found: dict[str, float] = {}
    for (sex, a), (age, b) in product(sexes.items(), ages.items()):
        for origin, share in zip(ORIGINS, person.origin, strict=True):
            found[f"macrodetails/{origin}-{sex}-{age}"] = a * b * share
        for (muscle, c), (weight, d) in product(muscles.items(), weights.items()):
            found[f"macrodetails/universal-{sex}-{age}-{muscle}-{weight}"] = a * b * c * d
    for slider in known:
        amount = person.features.get(slider.name, 0.0)
        for target in slider.high if amount > 0 else slider.low:
            found[target] = abs(amount)
    return {name: weight for name, weight in found.items() if weight}


def _between(value: float, corners: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Shares of the two corners about a value (linear; values beyond the ends belong to the end)."""
    places = [place for _, place in corners]
    shares = {}
    for k, (name, _) in enumerate(corners):
        shares[name] = float(np.interp(value, places, np.eye(len(corners))[k]))
    return {name: share for name, share in shares.items() if share}


def random_person(
    rng: np.random.Generator, known: Sequence[Slider], *, spread: float, children: float
) -> Person:
    """Somebody.

    Args:
        rng: of all draws.
        known: sliders to move.
        spread: standard deviation of the sliders.
        children: share of people of 1 to 15 years; the others are 15 to 80.
    """
    years = rng.uniform(1.0, 15.0) if rng.random() < children else rng.uniform(15.0, 80.0)
    first = rng.integers(3)
    origin = 0.85 * np.eye(3)[first] + 0.15 * rng.dirichlet(np.ones(3))
    amounts = np.clip(rng.normal(0.0, spread, len(known)), -1.0, 1.0)
    return Person(
        years=float(years),
        male=float(np.clip(rng.integers(2) + rng.normal(0.0, 0.15), 0.0, 1.0)),
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        muscle=float(np.clip(rng.normal(0.5, 0.2), 0.0, 1.0)),
        weight=float(np.clip(rng.normal(0.5, 0.2), 0.0, 1.0)),
        features={
            slider.name: float(amount if slider.low else abs(amount))
            for slider, amount in zip(known, amounts, strict=True)
        },
    )
