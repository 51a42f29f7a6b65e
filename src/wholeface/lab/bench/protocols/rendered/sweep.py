"""The identity that a system found, from none of it to too much of it, against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .....core.errors import UsageError
from ...heads.scan_results import Scan
from ...metrics.scan_distance import SEVEN, scan_distance
from ...protocol import Metric
from ...report.table import Cell, Table

if TYPE_CHECKING:
    from .....morphable import MorphableModel
    from ....data.samples.sample import FaceSample
    from ...systems import HeadPrediction

__all__ = ["FACTORS", "Sweep", "best_factor", "sweep_tables", "verdict"]

Array = NDArray[np.float64]

FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
"""0 is the mean face, 1 what the system says."""
_POINTS = 1000
_DRAWS = 1000
_ENOUGH = 10  # subjects


class Sweep:
    """Median scan distances by factor, person by person.

    Args:
        model: of the identities.
        factors: on the identity; 0 among them.
    """

    def __init__(self, model: MorphableModel, factors: tuple[float, ...] = FACTORS) -> None:
        self.model = model
        self.factors = factors
        self.subjects: list[str] = []
        self.medians: dict[tuple[str, str], dict[str, Array]] = {}
        self._scan: Scan | None = None
        self._mean = 0.0

    def meet(self, person: str, sample: FaceSample, scan: Scan) -> None:
        """The next person's truth."""
        step = max(1, len(scan.vertices) // _POINTS)
        self._scan = Scan(scan.vertices[::step], scan.seven)
        self._mean = self._median(np.zeros(self.model.identity_size))
        self.subjects.append(person)

    def add(self, system: str, image: str, person: str, prediction: HeadPrediction) -> None:
        """A prediction for that person; systems without identities of this model are passed over."""
        identity = prediction.identity
        if identity is None or len(identity) != self.model.identity_size:
            return
        if len(prediction.vertices) != self.model.vertex_count:
            return
        medians = [self._mean if factor == 0 else self._median(identity * factor) for factor in self.factors]
        self.medians.setdefault((system, image), {})[person] = np.array(medians)

    def _median(self, identity: Array) -> float:
        import torch

        if self._scan is None or self.model.landmarks_68 is None:
            raise UsageError("a sweep needs a true head and a model with landmarks")
        shape = self.model.vertices(torch.from_numpy(identity).to(self.model.mean)).double()
        seven = self.model.landmarks_68.points(shape, self.model.triangles).numpy()[list(SEVEN)]
        found = scan_distance(
            shape.numpy(), self.model.triangles.numpy(), seven, self._scan.vertices, self._scan.seven
        )
        return float(np.median(found.distances))


def best_factor(medians: Array, factors: tuple[float, ...]) -> float:
    """The factor with the least mean of the (N, F) medians; the smaller one where two are equal."""
    return float(factors[int(np.argmin(medians.mean(axis=0)))])


def verdict(medians: Array, factors: tuple[float, ...], seed: int) -> tuple[str, float, float]:
    """In words whether the identities are worth more than the mean face.

    Args:
        medians: (N, F) mm.
        factors: F of them, 0 among them.
        seed: of the bootstrap over subjects.

    Returns:
        The sentence; the gain of factor 1 over factor 0 in mm (positive: better); half of its 95 % interval.
    """
    zero = factors.index(0.0)
    one = factors.index(1.0) if 1.0 in factors else len(factors) - 1
    gains = medians[:, zero] - medians[:, one]
    gain, half = float(gains.mean()), float("nan")
    if len(gains) > 1:
        picks = np.random.default_rng(seed).integers(len(gains), size=(_DRAWS, len(gains)))
        half = float(np.diff(np.quantile(gains[picks].mean(axis=1), (0.025, 0.975)))[0]) / 2
    best = best_factor(medians, factors)
    if best == 0:
        if len(gains) < _ENOUGH and not gain + half < 0:
            return (
                f"best factor 0, but {len(gains)} subjects are too few to say that nothing was learned",
                gain,
                half,
            )
        return "best factor 0: has learned nothing about identity", gain, half
    sentence = f"best factor {best:g}"
    if not gain > 0:
        return f"{sentence}, but worse than the mean face as it is", gain, half
    if not gain > half:
        return f"{sentence}, not told apart from the mean face by so few subjects", gain, half
    return f"{sentence}, {gain:.2f} ± {half:.2f} mm nearer than the mean face as it is", gain, half


def sweep_tables(
    sweep: Sweep, seed: int
) -> tuple[list[Table], list[Metric], Mapping[str, tuple[Array, Array, Array | None]]]:
    """Table, numbers and lines of a sweep; empty where no system gave identities.

    The lines show the change of each person's median against the mean face, with its 95 % interval.

    Args:
        sweep: filled.
        seed: of the bootstrap.
    """
    rows: list[list[Cell]] = []
    metrics: list[Metric] = []
    lines: dict[str, tuple[Array, Array, Array | None]] = {}
    notes = []
    total = len(sweep.subjects)
    for (system, image), by_person in sweep.medians.items():
        medians = np.stack([by_person[person] for person in sorted(by_person)])
        halves = np.full(len(sweep.factors), np.nan)
        if len(medians) > 1:
            picks = np.random.default_rng(seed).integers(len(medians), size=(_DRAWS, len(medians)))
            spread = np.quantile(medians[picks].mean(axis=1), (0.025, 0.975), axis=0)
            halves = (spread[1] - spread[0]) / 2
        best = best_factor(medians, sweep.factors)
        zero = sweep.factors.index(0.0)
        for k, factor in enumerate(sweep.factors):
            note = "mean face" if factor == 0 else "as it is" if factor == 1 else ""
            mark = "best" if factor == best else ""
            better = None if factor == 0 else float((medians[:, k] < medians[:, zero]).mean())
            rows.append(
                [
                    system, image, factor, float(medians[:, k].mean()), float(halves[k]), better,
                    f"{len(medians)} of {total}", ", ".join(filter(None, (note, mark))),
                ]
            )  # fmt: skip
        said, gain, half = verdict(medians, sweep.factors, seed)
        notes.append(f"{system}, {image}: {said}")
        counts = (len(medians), total)
        kind = "95 % bootstrap half-width over subjects"
        metrics.append(
            Metric("best identity factor", system, image, best, "1", "one", count=counts[0], total=counts[1])
        )
        metrics.append(
            Metric("gain over the mean face", system, image, gain, "mm", "higher", half, kind, *counts)
        )
        change = medians - medians[:, [zero]]
        band = None
        if len(change) > 1:
            spread = np.quantile(change[picks].mean(axis=1), (0.025, 0.975), axis=0)
            band = (spread[1] - spread[0]) / 2
        lines[f"{system}, {image}"] = (np.array(sweep.factors), change.mean(axis=0), band)
    if not rows:
        return [], [], {}
    table = Table(
        "Rendered truth: the identity found, scaled",
        [
            ("system", ""), ("image", ""), ("factor", ".2f"), ("median mm", ".3f"), ("±", ".3f"),
            ("better than mean face", ".0%"), ("subjects", ""), ("", ""),
        ],
        rows,
        (*notes, "medians of each person, averaged over subjects"),
    )  # fmt: skip
    return [table], metrics, lines
