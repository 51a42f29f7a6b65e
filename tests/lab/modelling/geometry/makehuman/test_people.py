"""People of MakeHuman: shares between its corners, and sliders from the names of its targets."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.lab.modelling.geometry.makehuman.origin import held_out
from wholeface.lab.modelling.geometry.makehuman.people import (
    Person,
    Slider,
    random_person,
    sliders,
    target_weights,
)

NAMES = (
    *("nose/nose-hump-decr", "nose/nose-hump-incr", "eyes/l-eye-bag-in", "eyes/l-eye-bag-out"),
    *(
        "eyes/r-eye-bag-in",
        "eyes/r-eye-bag-out",
        "head/head-oval",
        "head/head-trans-up",
        "legs/leg-valgus-incr",
    ),
)


def test_sliders_pair_opposites_and_sides_and_leave_out_what_is_no_feature() -> None:
    assert sliders(NAMES) == (
        Slider(
            "eyes/eye-bag",
            ("eyes/l-eye-bag-in", "eyes/r-eye-bag-in"),
            ("eyes/l-eye-bag-out", "eyes/r-eye-bag-out"),
        ),
        Slider("head/head-oval", (), ("head/head-oval",)),
        Slider("nose/nose-hump", ("nose/nose-hump-decr",), ("nose/nose-hump-incr",)),
    )


def test_a_corner_is_that_corners_targets_alone() -> None:
    person = Person(years=10, male=1.0, origin=(0.0, 1.0, 0.0), features={"nose/nose-hump": -0.4})
    assert target_weights(person, sliders(NAMES)) == {
        "macrodetails/asian-male-child": 1.0,
        "macrodetails/universal-male-child-averagemuscle-averageweight": 1.0,
        "nose/nose-hump-decr": 0.4,
    }


@pytest.mark.parametrize("years", [1.0, 4.3, 17.0, 60.0, 90.0])
def test_shares_add_up_to_one(years: float) -> None:
    person = Person(years=years, male=0.3, origin=(0.2, 0.5, 0.3), muscle=0.1, weight=0.8)
    weights = target_weights(person, ())
    origins = [w for name, w in weights.items() if "universal" not in name]
    builds = [w for name, w in weights.items() if "universal" in name]
    assert sum(origins) == pytest.approx(1.0)
    assert sum(builds) == pytest.approx(1.0)
    old = sum(w for name, w in weights.items() if "universal" in name and "-old-" in name)
    assert old == pytest.approx(max(years - 25, 0) / 65)


def test_random_people_are_of_all_kinds_and_follow_from_the_seed() -> None:
    known = sliders(NAMES)

    def draw(seed: int) -> list[Person]:
        rng = np.random.default_rng(seed)
        return [random_person(rng, known, spread=0.15, children=0.25) for _ in range(400)]

    people = draw(0)
    assert people == draw(0)
    assert people != draw(1)
    assert np.mean([p.years < 15 for p in people]) == pytest.approx(0.25, abs=0.06)
    assert all(p.features["head/head-oval"] >= 0 for p in people)
    assert min(p.features["nose/nose-hump"] for p in people) < -0.2
    assert 0.1 < np.mean([held_out(p) for p in people]) < 0.4
