"""Tables of relief: what is pooled, who is compared with whom, what is said of sets without anything."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.lab.bench.heads.relief import AtlasRelief
from wholeface.lab.bench.metrics.relief import ReliefSums
from wholeface.lab.bench.protocols.relief.people import (
    CLEAN,
    HAND,
    PeopleFound,
    correlation_table,
    verification_table,
)
from wholeface.lab.bench.protocols.relief.rendered import (
    ALL,
    RenderedFound,
    hidden_table,
    light_table,
    seen_table,
)
from wholeface.lab.bench.protocols.relief.systems import FOUNDATION, NETWORK, seen_systems

SIZE, SUBJECTS = 64, 6


def sums(found: float, truth: float, both: float, angle: float) -> ReliefSums:
    """A hundred pixels with these second moments and this mean angle."""
    return ReliefSums(100, 0, 0, 100 * found, 100 * truth, 100 * both, 100 * angle, 10, 10 * 2 * angle)


def rendered() -> RenderedFound:
    found = RenderedFound()
    for group, faces in (
        ("model albedo", [sums(1, 1, 0.5, 2), sums(4, 1, 1, 2)]),
        ("photo albedo", [sums(1, 4, 0.2, 3)]),
    ):
        for name, of in (
            (FOUNDATION, [ReliefSums(100, truth_truth=100, angle=400)] * len(faces)),
            (NETWORK, faces),
        ):
            found.seen[name][group] += of
            found.seen[name][ALL] += of
            found.seen[name]["side"] += of
    found.hidden[NETWORK][ALL] += [sums(1, 1, 0.25, 2)]
    found.hidden[NETWORK]["hands"] += [sums(1, 1, 0.25, 2)]
    return found


def test_pixels_of_all_faces_count_together() -> None:
    table, metrics = seen_table(rendered(), 0)
    rows = {(row[0], row[2]): row for row in table.rows}
    assert rows["model albedo", NETWORK][1] == 2
    assert rows["model albedo", NETWORK][3] == pytest.approx(1.5 / np.sqrt(5 * 2))
    assert rows["photo albedo", NETWORK][3] == pytest.approx(0.2 / 2)
    assert rows["all", FOUNDATION][3] == 0
    assert rows["all", NETWORK][6] == pytest.approx((2 + 2 + 3) / 3)
    assert rows["all", FOUNDATION][6] == pytest.approx(4)
    named = {(m.name, m.system, m.group): m.value for m in metrics}
    assert named["correlation of relief, visible skin", NETWORK, "photo albedo"] == pytest.approx(0.1)
    assert named["steep normal error of relief, visible skin", NETWORK, "photo albedo"] == pytest.approx(6)


def test_light_and_occluders_are_told_apart() -> None:
    table, _ = light_table(rendered())
    assert [name for name, _ in table.columns] == ["system", "side: correlation", "steep °"]
    assert table.notes == ["faces: side 3"]
    table, _ = hidden_table(rendered(), 0)
    assert [(row[0], row[2], row[3]) for row in table.rows] == [
        ("all", NETWORK, 0.25),
        ("hands", NETWORK, 0.25),
    ]


def people(noise: float) -> PeopleFound:
    """Subjects of whom all photos show their own relief and one that all share, the first hand nothing."""
    rng = np.random.default_rng(4)
    shared = rng.normal(size=(SIZE, SIZE))
    own = rng.normal(size=(SUBJECTS, SIZE, SIZE))
    known = np.ones((SIZE, SIZE), bool)
    known[:8] = False

    def relief(number: int) -> AtlasRelief:
        shown = shared + own[number] + noise * rng.normal(size=(SIZE, SIZE))
        return AtlasRelief(np.where(known, shown, 0).astype(np.float32), known, 1.0)

    found = PeopleFound(names=[str(n) for n in range(SUBJECTS)])
    for which in ("gallery", CLEAN):
        found.of["finder", which] = [relief(n) for n in range(SUBJECTS)]
    found.of["no filling", HAND] = [None, *(relief(n) for n in range(1, SUBJECTS))]
    return found


def test_subjects_resemble_themselves_more_than_others() -> None:
    table, metrics = correlation_table(people(0.0), "people", ["finder"], 0)
    name, same, _, other, _, ratio, counted = table.rows[0]
    # Less what all share, others are not alike; the mean holds a sixth of everybody, of themselves, too.
    label, own, _, nobody, _, _, _ = table.rows[1]
    assert label == "finder, less what all share"
    assert own == pytest.approx(1)
    assert nobody == pytest.approx(-1 / (SUBJECTS - 1), abs=0.05)
    assert (name, counted) == ("finder", f"{SUBJECTS} of {SUBJECTS}")
    assert same == pytest.approx(1)
    # Of two subjects half of the variance is shared.
    assert other == pytest.approx(0.5, abs=0.08)
    assert ratio == pytest.approx(1 / other)
    assert {m.name.rpartition(", ")[2] for m in metrics} == {"same subject", "other subjects"}


def test_who_is_recognised_and_who_cannot_be() -> None:
    rows = [("clean", "finder", CLEAN), ("hand", "no filling", HAND)]
    table, metrics = verification_table(people(0.5), "people", rows, 0)
    clean, hand = table.rows
    assert clean[1] == clean[2] == clean[4] == 100
    assert clean[6] == f"{SUBJECTS} of {SUBJECTS}"
    assert hand[6] == f"{SUBJECTS - 1} of {SUBJECTS}"
    assert hand[4] == pytest.approx(100 * (SUBJECTS - 1) / SUBJECTS)
    nothing, _ = verification_table(people(1e3), "people", rows[:1], 0)
    assert float(nothing.rows[0][4]) < 60
    assert len(metrics) == 6


def test_networks_need_names() -> None:
    from wholeface.core.errors import UsageError

    with pytest.raises(UsageError, match="NAME=FILE"):
        seen_systems(["alone"])
    with pytest.raises(UsageError, match="taken"):
        seen_systems([f"{FOUNDATION}=x"])
    assert [s.name for s in seen_systems(["mine=x.safetensors"])][-1] == "mine"
