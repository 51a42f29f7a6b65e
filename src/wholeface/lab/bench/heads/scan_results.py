"""Distances of many scans from the meshes of several systems: collected, summed up, never averaged over gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError, WholeFaceError
from ..metrics.cumulative import bootstrap_half_width, pooled, quantiles
from ..metrics.scan_distance import SEVEN, ScanDistance, carry_points, scan_distance
from ..protocol import Metric, Missing
from ..report.table import Cell, Table
from ..systems.system import HeadPrediction

__all__ = [
    "ALL",
    "COMMON",
    "Found",
    "Results",
    "Scan",
    "attempt",
    "curve_plot",
    "image_or_note",
    "measure",
    "neutral_mesh",
]

Array = NDArray[np.float64]
ALL, COMMON = "all", " (common)"
"""Rows over all groups; end of the name of rows over the photos for which every system has a result."""
_SPREAD = "95 % bootstrap half-width over subjects"


@dataclass(frozen=True, eq=False)
class Scan:
    """A true face.

    Args:
        vertices: (P, 3) mm.
        seven: (7, 3) mm, landmarks on it.
        triangles: (F, 3), for images only, or None.
    """

    vertices: Array
    seven: Array
    triangles: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """One comparison.

    Args:
        item: name of the photo.
        person: whose scan it is.
        group: challenge, setting or part of the face.
        system: who made the mesh.
        variant: ``similarity`` (scale free) or ``metric``.
        distances: (P,) float32 mm.
        scale: that the alignment gave the prediction; 1 in the metric variant.
        settled: the alignment found its minimum within the allowed steps.
    """

    item: str
    person: str
    group: str
    system: str
    variant: str
    distances: NDArray[np.float32]
    scale: float
    settled: bool = True


def attempt(work: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[Any, str]:
    """What ``work`` returns and an empty reason; or None and the reason why it failed, as one line."""
    try:
        return work(*arguments, **named), ""
    except WholeFaceError as error:
        return None, str(error).splitlines()[0]
    except (ArithmeticError, ValueError, IndexError, RuntimeError, np.linalg.LinAlgError) as error:
        return None, f"{type(error).__name__}: {error}".splitlines()[0]


def neutral_mesh(prediction: HeadPrediction) -> tuple[Array, Array]:
    """Vertices (V, 3) and seven landmarks (7, 3) of a head without expression, where the system knows it.

    Scans are neutral while photos are not: the landmarks, which lie on the face as it is, are carried over to the
    neutral one. A system without a neutral head is taken as it is.

    Raises:
        UsageError: the system has no landmarks there, or vertices that do not fit together.
    """
    seven = np.asarray(prediction.landmarks, dtype=np.float64)
    if seven.shape != (68, 3):
        raise UsageError(f"landmarks must be (68, 3), got {seven.shape}")
    seven = seven[list(SEVEN)]
    if not np.isfinite(seven).all():
        raise UsageError("the system does not know where the seven landmarks of the protocol lie on its mesh")
    if prediction.neutral is None:
        return prediction.vertices, seven
    if prediction.neutral.shape != prediction.vertices.shape:
        raise UsageError(
            f"{len(prediction.neutral)} neutral vertices, but {len(prediction.vertices)} with expression"
        )
    return prediction.neutral, carry_points(
        seven, prediction.vertices, prediction.triangles, prediction.neutral
    )


def measure(
    prediction: HeadPrediction, scan: Scan, *, metric: bool = False, radius: float | None = None
) -> ScanDistance:
    """The neutral head of a prediction against a scan; see :mod:`wholeface.lab.bench.metrics.scan_distance`."""
    vertices, seven = neutral_mesh(prediction)
    return scan_distance(
        vertices, prediction.triangles, seven, scan.vertices, scan.seven, metric=metric, radius=radius
    )


@dataclass
class Results:
    """What has been found so far.

    Args:
        systems: their names, in the order of the table.
        expected: group -> items that should be measured in it.
    """

    systems: Sequence[str]
    expected: dict[str, list[str]] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    def expect(self, group: str, item: str) -> None:
        """An item that every system should have a result for."""
        self.expected.setdefault(group, []).append(item)

    def miss(self, item: str, system: str, reason: str) -> None:
        """An item without a result, and why."""
        self.missing.append(Missing(item, system, reason))

    def chosen(self, system: str, variant: str, group: str) -> list[Found]:
        """Results of a system in a group, or in all."""
        return [
            f for f in self.found if f.system == system and f.variant == variant and group in (ALL, f.group)
        ]

    def rows(self, variant: str, together: bool = True) -> Iterator[tuple[str, str, list[Found], int]]:
        """Group, system, results, and how many there should be; all together first, then group by group.

        Where systems have results for different photos, rows for the photos that all of them have follow: only
        those can be compared. A system without any result at all of this variant has no say in that.
        """
        groups = [(ALL, sum(len(items) for items in self.expected.values()))] if together else []
        if len(self.expected) > 1 or not together:
            groups += [(group, len(items)) for group, items in self.expected.items()]
        taking_part = [s for s in self.systems if self.chosen(s, variant, ALL)]
        for group, total in groups:
            found = {s: self.chosen(s, variant, group) for s in taking_part}
            for system in self.systems:
                if system in found or variant == "similarity":
                    yield group, system, found.get(system, []), total
            items = [{(f.group, f.item) for f in rows} for rows in found.values()]
            common = set.intersection(*items) if items else set()
            if any(mine != common for mine in items):
                for system, rows in found.items():
                    same = [f for f in rows if (f.group, f.item) in common]
                    yield f"{group}{COMMON}", system, same, len(common)

    def table(
        self,
        variant: str,
        title: str,
        heading: str,
        seed: int,
        notes: Sequence[str] = (),
        together: bool = True,
    ) -> tuple[Table, list[Metric]]:
        """Median, mean and standard deviation of all scan points of each group, system by system.

        Args:
            variant: ``similarity`` or ``metric``.
            title: of the table.
            heading: what a group is, e.g. ``challenge``.
            seed: of the bootstrap.
            notes: printed below.
            together: with rows for all groups in one; not where they are parts of the same photos.
        """
        rows: list[list[Cell]] = []
        metrics: list[Metric] = []
        for group, system, found, total in self.rows(variant, together):
            of = f"{len(found)} of {total}"
            if not found:
                rows.append([system, group, None, None, None, None, None, of])
                metrics.append(
                    Metric(
                        f"scan distance, median, {variant}", system, group, float("nan"), "mm", total=total
                    )
                )
                continue
            subjects: dict[str, list[Any]] = {}
            for f in found:
                subjects.setdefault(f.person, []).append(f.distances)
            sums = pooled([f.distances for f in found])
            median_half, mean_half = bootstrap_half_width(subjects, seed=seed)
            rows.append([system, group, sums.median, median_half, sums.mean, mean_half, sums.std, of])
            for name, value, half in (
                ("median", sums.median, median_half),
                ("mean", sums.mean, mean_half),
                ("std", sums.std, float("nan")),
            ):
                kind = _SPREAD if np.isfinite(half) else ""
                metrics.append(
                    Metric(
                        f"scan distance, {name}, {variant}", system, group, value, "mm", "lower", half, kind,
                        len(found), total,
                    )
                )  # fmt: skip
        unsettled = sum(f.variant == variant and not f.settled for f in self.found)
        if unsettled:
            notes = (*notes, f"{unsettled} alignments were still improving when their steps ran out")
        columns = [
            ("system", ""), (heading, ""), ("median mm", ".3f"), ("±", ".3f"), ("mean mm", ".3f"), ("±", ".3f"),
            ("std mm", ".3f"), ("photos", ""),
        ]  # fmt: skip
        columns[5] = ("± ", ".3f")  # headings are keys in the JSON
        return Table(
            title,
            columns,
            rows,
            (
                *notes,
                f"± {_SPREAD}; all scan points of a group in one list",
                "(common): photos with a result of every system",
            ),
        ), metrics

    def curves(self, variant: str) -> dict[str, Array]:
        """Label -> errors with the cumulative curve of each system, over all groups."""
        found = {system: self.chosen(system, variant, ALL) for system in self.systems}
        return {system: quantiles([f.distances for f in rows]) for system, rows in found.items() if rows}

    def csv(self) -> str:
        """One line per comparison."""
        lines = ["system,variant,group,person,item,median_mm,mean_mm,std_mm,p90_mm,points,scale,settled"]
        for f in self.found:
            d = f.distances.astype(np.float64)
            values = (np.median(d), d.mean(), d.std(), np.quantile(d, 0.9))
            lines.append(
                ",".join(_cell(text) for text in (f.system, f.variant, f.group, f.person, f.item))
                + "".join(f",{value:.4f}" for value in values)
                + f",{len(d)},{f.scale:.6g},{int(f.settled)}"
            )
        return "\n".join(lines) + "\n"


def image_or_note(
    name: str,
    images: dict[str, NDArray[np.uint8]],
    notes: list[str],
    make: Callable[..., NDArray[np.uint8]],
    *arguments: Any,
) -> None:
    """Adds an image, or the reason why there is none (matplotlib is not installed)."""
    try:
        images[name] = make(*arguments)
    except UsageError as error:
        if (note := f"no image: {error}") not in notes:
            notes.append(note)


def curve_plot(errors: Mapping[str, Array], title: str) -> NDArray[np.uint8]:
    """Cumulative error curves in mm.

    Raises:
        UsageError: matplotlib is not installed.
    """
    from ..report.plots import cumulative_curve

    return cumulative_curve(errors, "mm", title)


def heat_map(scan: Scan, result: ScanDistance, top: float, title: str) -> NDArray[np.uint8]:
    """The scan in the colours of its distances, seen as the prediction stands; grey outside the region.

    Raises:
        UsageError: matplotlib is not installed, or the scan has no triangles.
    """
    from ..report.plots import heat_map

    if scan.triangles is None:
        raise UsageError("a scan without triangles cannot be drawn")
    values = np.full(len(scan.vertices), np.nan)
    values[result.inside] = result.distances
    upright = (scan.vertices - result.alignment.translation) @ result.alignment.rotation
    return heat_map(upright, scan.triangles, values, "mm", top, title)


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text
