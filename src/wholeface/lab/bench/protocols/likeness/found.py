"""What was measured of each person and condition, and the tables, numbers and lines that follow from it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...metrics.discrepancy import half_width
from ...metrics.identification import area_half_width, identified, nearest_other, verification_area
from ...protocol import Metric, Missing
from ...report.table import Cell, Table
from ...sets.likeness import Person
from .pictures import HEAD

__all__ = ["RANKS", "Found", "group_table", "judged_names", "likeness_csv", "main_table", "not_identified"]

Array = NDArray[np.float64]

RANKS = (1, 5)
_KIND = "95 % bootstrap half-width over people"
_KINDS = ("sex", "age", "group")


@dataclass
class Found:
    """Everything measured.

    Args:
        people: of the set, in the order of the gallery's columns.
        conditions: ``clean`` and the kinds of occluders.
        scores: (what, condition) -> (P, P) similarities of probes to gallery; −∞ where there is nothing to compare.
        hidden: condition -> share of the face that the occluder hides, person by person.
        designs: (condition, person) -> which occluder.
        missing: what could not be evaluated.
    """

    people: Sequence[Person]
    conditions: Sequence[str]
    scores: dict[tuple[str, str], Array] = field(default_factory=dict)
    hidden: dict[str, list[float]] = field(default_factory=dict)
    designs: dict[tuple[str, str], str] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)


def judged_names(found: Found) -> list[str]:
    """What is judged, in the order of the table."""
    return list(dict.fromkeys(what for what, _ in found.scores))


def main_table(found: Found, seed: int, notes: Sequence[str]) -> tuple[Table, list[Metric]]:
    """All people together: a row for each condition and each thing that is recognised."""
    rows: list[Sequence[Cell]] = []
    metrics: list[Metric] = []
    own = np.arange(len(found.people))
    for condition in found.conditions:
        for what in judged_names(found):
            scores = found.scores[what, condition]
            count, total = int((scores.max(axis=1) > -np.inf).sum()), len(own)
            row: list[Cell] = [condition, what]
            common = {"system": what, "group": condition, "unit": "%", "better": "higher"}
            for rank in RANKS:
                shares = identified(scores, own, rank)
                value, spread = 100 * float(shares.mean()), 100 * half_width(shares.tolist(), seed=seed)
                row += [value, spread]
                metrics.append(
                    Metric(f"likeness, rank-{rank}", value=value, spread=spread, spread_kind=_KIND,
                           count=count, total=total, **common)  # type: ignore[arg-type]
                )  # fmt: skip
            area = 100 * verification_area(scores, own)
            spread = 100 * area_half_width(scores, own, seed=seed)
            row += [area, spread, f"{count} of {total}"]
            metrics.append(
                Metric("likeness, verification AUC", value=area, spread=spread, spread_kind=_KIND,
                       count=count, total=total, **common)  # type: ignore[arg-type]
            )  # fmt: skip
            rows.append(row)
    columns = (
        ("photo", ""), ("recognised by", ""), ("rank-1 %", ".1f"), ("±", ".1f"), ("rank-5 %", ".1f"), ("± ", ".1f"),
        ("AUC %", ".2f"), ("±  ", ".2f"), ("people", ""),
    )  # fmt: skip
    shown = [c for c in found.conditions if found.hidden.get(c)]
    told = ", ".join(f"{c} {np.mean(found.hidden[c]):.0%}" for c in shown)
    more = [f"share of the face behind the occluder, mean: {told}"] if told else []
    order = sorted(metrics, key=lambda m: (m.system != HEAD, m.name != "likeness, rank-1"))  # stable
    return Table("Likeness by face recognition", columns, rows, [*notes, *more]), order


def group_table(found: Found) -> tuple[Table, list[Metric]]:
    """The head by group: probes of the group against the whole gallery."""
    rows: list[Sequence[Cell]] = []
    metrics: list[Metric] = []
    for kind in _KINDS:
        for name in sorted({person.groups[kind] for person in found.people}):
            own = np.array([k for k, person in enumerate(found.people) if person.groups[kind] == name])
            row: list[Cell] = [kind, name, len(own)]
            for condition in found.conditions:
                scores = found.scores[HEAD, condition][own]
                rank = 100 * float(identified(scores, own, 1).mean())
                area = 100 * verification_area(scores, own)
                row += [rank, area]
                count = int((scores.max(axis=1) > -np.inf).sum())
                for label, value in (("rank-1", rank), ("verification AUC", area)):
                    metrics.append(
                        Metric(f"likeness, {label}", HEAD, f"{condition}, {kind} {name}", value, "%", "higher",
                               count=count, total=len(own))
                    )  # fmt: skip
            rows.append(row)
    columns = [("by", ""), ("group", ""), ("people", "d")]
    for k, condition in enumerate(found.conditions):
        columns += [(f"{condition}, rank-1 %", ".0f"), ("AUC %" + " " * k, ".1f")]
    notes = [
        "probes of the group against the gallery of everybody; groups as the people named their own.",
        "groups of few people say little: one person more or less is the step of a column.",
    ]
    return Table("Likeness of the head, by group", columns, rows, notes), metrics


def likeness_csv(found: Found) -> str:
    """One line for each person, condition and thing: rank, similarity to the right one and to the nearest other."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    heads = ("person", "photo", "occluder", "recognised by", "rank-1", "rank-5", "similarity")
    table.writerow((*heads, "nearest other", "similarity to it"))
    own = np.arange(len(found.people))
    for (what, condition), scores in found.scores.items():
        nearest = nearest_other(scores, own)
        shares = [identified(scores, own, rank) for rank in RANKS]
        for k, person in enumerate(found.people):
            row = [person.name, condition, found.designs.get((condition, person.name), ""), what]
            row += [*(f"{share[k]:g}" for share in shares), f"{scores[k, k]:.4f}"]
            there = nearest[k] >= 0
            row += [found.people[nearest[k]].name, f"{scores[k, nearest[k]]:.4f}"] if there else ["", ""]
            table.writerow(row)
    return text.getvalue()


def not_identified(found: Found, what: str) -> list[tuple[str, int, int]]:
    """(condition, person's number, number of the nearest other) of whom that thing was not recognised as."""
    own = np.arange(len(found.people))
    rows: list[tuple[str, int, int]] = []
    for condition in found.conditions:
        scores = found.scores[what, condition]
        failed = np.flatnonzero(identified(scores, own, 1) < 1)
        nearest = nearest_other(scores, own)
        rows += [(condition, int(k), int(nearest[k])) for k in failed]
    return rows
