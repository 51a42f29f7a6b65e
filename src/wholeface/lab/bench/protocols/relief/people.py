"""Is a subject known by the relief of one photo among those of another? As in Tran et al. 2018, table 1.

Each subject has a photo to be recognised by and another one to be recognised from, the latter also behind a hand. The
relief of each becomes a vector over the atlas, in which nothing but the fine displacement of facial skin counts;
texels that a photo does not show are 0. Vectors are compared by their cosine, less what all subjects of the gallery
share (its mean). Correlations, which say how alike two reliefs are where both are seen, leave that mean in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .....core.errors import WholeFaceError
from .....stages import FaceState, ReliefMap, Tools
from ...heads.relief import AtlasRelief, bump_in_atlas, face_texels
from ...metrics.discrepancy import half_width
from ...metrics.identification import area_half_width, cosines, identified, verification_area
from ...metrics.relief import finer_than, shared_correlation
from ...metrics.verification import equal_error_rate
from ...protocol import Metric, Missing
from ...report.table import Cell, Table
from .systems import ReliefSystem, fitted

__all__ = [
    "CLEAN",
    "HAND",
    "PeopleFound",
    "Subject",
    "correlation_table",
    "measure_people",
    "verification_table",
]

Pixels = NDArray[np.uint8]
CLEAN, HAND = "clean", "behind a hand"
_ATLAS = 384  # texels: one is about a millimetre
_BLUR = 2.0  # mm, full width at half maximum: fits of two photos agree no better
_LEAST = 500  # texels that two photos must both show
_KIND = "95 % bootstrap half-width over subjects"


@dataclass(frozen=True)
class Subject:
    """Two photos of one subject.

    Args:
        name: of the subject.
        gallery: the photo by which they should be recognised.
        probe: another photo.
        occluded: that one behind a hand, or None: none could be laid over it.
    """

    name: str
    gallery: Pixels
    probe: Pixels
    occluded: Pixels | None


@dataclass
class PeopleFound:
    """Reliefs by subject.

    Args:
        of: (system, which photo) -> one relief a subject, None where there is none. Photos: ``gallery``,
            :data:`CLEAN`, :data:`HAND`.
        names: of the subjects.
        missing: what could not be reconstructed.
    """

    of: dict[tuple[str, str], list[AtlasRelief | None]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


def measure_people(
    subjects: Sequence[Callable[[], Subject]],
    clean: Sequence[ReliefSystem],
    occluded: Sequence[ReliefSystem],
    tools: Tools,
) -> PeopleFound:
    """The relief of every photo by every system.

    Args:
        subjects: each is made when its turn comes.
        clean: systems for photos with nothing in front of the face.
        occluded: systems for those behind a hand, all with the same first stage.
        tools: of the stages.
    """
    found = PeopleFound()
    for number, make in enumerate(subjects):
        try:
            subject = make()
        except WholeFaceError as error:
            found.missing.append(Missing(f"subject {number}", "", str(error)))
            continue
        found.names.append(subject.name)
        photos: tuple[tuple[str, Pixels | None, Sequence[ReliefSystem]], ...] = (
            ("gallery", subject.gallery, clean),
            (CLEAN, subject.probe, clean),
            (HAND, subject.occluded, occluded),
        )
        for which, pixels, systems in photos:
            face: FaceState | None = None
            try:
                face = None if pixels is None else fitted(pixels, tools)
            except WholeFaceError as error:
                found.missing.append(Missing(f"{subject.name}, {which}", "", str(error)))
            begun = None
            for system in systems:
                of: AtlasRelief | None = None
                try:
                    if face is not None and (begun is None or which != HAND):
                        begun = system.begun(face, tools)
                    of = (
                        None
                        if begun is None or face is None
                        else _in_atlas(system.ended(begun, tools), system.of)
                    )
                except WholeFaceError as error:
                    found.missing.append(Missing(f"{subject.name}, {which}", system.name, str(error)))
                found.of.setdefault((system.name, which), []).append(of)
    return found


def _in_atlas(done: FaceState, of: str) -> AtlasRelief | None:
    assert done.fit is not None
    if of == "atlas":
        assert done.relief is not None
        return _resized(done.relief, done, _ATLAS)
    if done.bump is None:
        return None
    return bump_in_atlas(done.bump, done.fit, _ATLAS)


def _resized(relief: ReliefMap, face: FaceState, size: int) -> AtlasRelief:
    """A relief map at another size, face texels that somebody knows of."""
    from .....core.provenance import Provenance
    from .....stages.relief.dense import sample_map

    assert face.fit is not None
    shown, texel = face_texels(face.fit.model, size)
    row, column = np.nonzero(shown)
    uv = np.stack([(column + 0.5) / size, 1 - (row + 0.5) / size], axis=1)
    told = ~np.isin(relief.provenance, (Provenance.NONE, Provenance.MODEL))
    values = sample_map(relief.displacement, relief.provenance != Provenance.NONE, uv)
    edge = len(told)
    near = told[np.clip((row + 0.5) / size * edge, 0, edge - 1).astype(int),
                np.clip((column + 0.5) / size * edge, 0, edge - 1).astype(int)]  # fmt: skip
    displacement, known = np.zeros((size, size), np.float32), np.zeros((size, size), bool)
    displacement[row, column] = np.where(near, values, 0)
    known[row, column] = near
    return AtlasRelief(displacement, known, texel)


def _fine(relief: AtlasRelief) -> NDArray[np.float32]:
    """(S, S) what counts of a relief: finer than 8 mm, and not finer than two fits agree."""
    from scipy.ndimage import gaussian_filter

    fine = finer_than(relief.displacement, relief.known.astype(np.float32), relief.texel_mm)
    blurred = gaussian_filter(fine, _BLUR / 2.3548 / relief.texel_mm, mode="constant")
    return np.where(relief.known, blurred, 0).astype(np.float32)


@dataclass(frozen=True)
class _Alike:
    """Mean correlations of every subject's probe with their own gallery photo and with those of the others."""

    own: NDArray[np.float64]
    others: NDArray[np.float64]

    @staticmethod
    def of(
        probes: Sequence[AtlasRelief | None], gallery: Sequence[AtlasRelief | None], *, centred: bool
    ) -> _Alike:
        """NaN where there is nothing to compare.

        Args:
            probes, gallery: one a subject.
            centred: less what all photos of the gallery share.
        """
        count = len(probes)
        fine = [[None if r is None else _fine(r) for r in side] for side in (probes, gallery)]
        known = [[None if r is None else r.known for r in side] for side in (probes, gallery)]
        if centred:
            mean = _mean(fine[1], known[1])
            fine = [[None if f is None else f - mean for f in side] for side in fine]
        matrix = np.full((count, count), np.nan)
        for i, (one, first) in enumerate(zip(fine[0], known[0])):
            for j, (two, second) in enumerate(zip(fine[1], known[1])):
                if one is not None and two is not None and first is not None and second is not None:
                    matrix[i, j] = shared_correlation(one, two, first & second, _LEAST)
        apart = np.where(np.eye(count, dtype=bool), np.nan, matrix)
        means = [np.nanmean(row) if np.isfinite(row).any() else np.nan for row in apart]
        return _Alike(np.diag(matrix), np.array(means))


def _mean(
    fine: Sequence[NDArray[np.float32] | None], known: Sequence[NDArray[np.bool_] | None]
) -> NDArray[np.float32]:
    """(S, S) mean over the photos that show a texel."""
    shown = [(f, k) for f, k in zip(fine, known) if f is not None and k is not None]
    if not shown:
        return np.zeros((_ATLAS, _ATLAS), np.float32)
    total, count = sum(f * k for f, k in shown), sum(k.astype(np.float32) for _, k in shown)
    return np.asarray(total / np.maximum(count, 1), np.float32)


def correlation_table(
    found: PeopleFound, title: str, systems: Sequence[str], seed: int
) -> tuple[Table, list[Metric]]:
    """How alike the reliefs of two photos are, of one subject and of two."""
    rows: list[Sequence[Cell]] = []
    metrics: list[Metric] = []
    for name in systems:
        for centred in (False, True):
            alike = _Alike.of(found.of[name, CLEAN], found.of[name, "gallery"], centred=centred)
            kept, count = np.isfinite(alike.own) & np.isfinite(alike.others), len(alike.own)
            own, others = alike.own[kept], alike.others[kept]
            if len(own) == 0:
                continue
            same, other = float(own.mean()), float(others.mean())
            around, beside = (half_width(values.tolist(), seed=seed) for values in (own, others))
            ratio = same / other if other > 0 else None
            label = f"{name}, less what all share" if centred else name
            rows.append((label, same, around, other, beside, ratio, f"{len(own)} of {count}"))
            metrics += [
                Metric(f"correlation of two photos' relief, {whose}", label, title, value, "1", better, spread,  # type: ignore[arg-type]
                       _KIND, len(own), count)
                for whose, value, spread, better in (
                    ("same subject", same, around, "higher"), ("other subjects", other, beside, "none")
                )
            ]  # fmt: skip
    columns = (("system", ""), ("same subject", ".3f"), ("±", ".3f"), ("other subjects", ".3f"), ("± ", ".3f"),
               ("ratio", ".1f"), ("subjects", ""))  # fmt: skip
    notes = [
        f"{title}; relief finer than 8 mm, blurred by {_BLUR:g} mm, over what both photos show; means over "
        "subjects. What all share: the mean relief of the gallery."
    ]
    return Table("Relief of one photo against that of another", columns, rows, notes), metrics


def verification_table(
    found: PeopleFound, title: str, rows_of: Sequence[tuple[str, str, str]], seed: int
) -> tuple[Table, list[Metric]]:
    """Who is recognised by relief alone.

    Args:
        found: the reliefs.
        title: of the set.
        rows_of: label, system and photo of each row; the gallery is that of the first system.
        seed: of the bootstrap.
    """
    rows: list[Sequence[Cell]] = []
    metrics: list[Metric] = []
    for label, system, photo in rows_of:
        of_gallery = (system, "gallery") if (system, "gallery") in found.of else (rows_of[0][1], "gallery")
        gallery, probes = _vectors(found.of[of_gallery]), _vectors(found.of[system, photo])
        shared = np.nanmean(gallery, axis=0)
        scores = _cosines(probes - shared, gallery - shared)
        own = np.arange(len(scores))
        same = np.eye(len(scores), dtype=bool)
        rank, area = identified(scores, own, 1), verification_area(scores, own)
        equal = 1 - equal_error_rate(scores.ravel(), same.ravel())
        spread = half_width(rank.tolist(), seed=seed), area_half_width(scores, own, seed=seed)
        count = int((scores.max(axis=1) > -np.inf).sum())
        rows.append((label, 100 * equal, 100 * area, 100 * spread[1], 100 * float(rank.mean()), 100 * spread[0],
                     f"{count} of {len(own)}"))  # fmt: skip
        for name, value, around in (
            ("100 %-EER", equal, float("nan")), ("nAUC", area, spread[1]), ("rank-1", float(rank.mean()), spread[0])
        ):  # fmt: skip
            metrics.append(
                Metric(f"verification by relief, {name}", label, title, 100 * value, "%", "higher", 100 * around,
                       _KIND if np.isfinite(around) else "", count, len(own))
            )  # fmt: skip
    columns = (("relief", ""), ("100%-EER", ".1f"), ("nAUC", ".1f"), ("±", ".1f"), ("rank-1 %", ".1f"), ("± ", ".1f"),
               ("photos", ""))  # fmt: skip
    subjects = len(found.names)
    notes = [
        f"{title}: {subjects} subjects, all pairs; chance: 50, 50 and {100 / max(subjects, 1):.1f} %. "
        "Hands: boxes of 75/250 of the photo's edge in random places (Tran et al. 2018).",
        "Tran et al., LFW, a network trained to recognise bump maps: 92.8 % and nAUC 98.2; behind hands 75.7 and "
        "83.7; filled by examples 83.9 and 91.9. Here: cosines, nothing trained.",
    ]
    return Table("Verification by relief alone", columns, rows, notes), metrics


def _vectors(reliefs: Sequence[AtlasRelief | None]) -> NDArray[np.float64]:
    """(N, K) fine relief, K texels that any photo shows; rows of NaN for photos without."""
    there = [relief for relief in reliefs if relief is not None]
    if not there:
        return np.full((len(reliefs), 1), np.nan)
    flat = np.full((len(reliefs), there[0].displacement.size), np.nan)
    for row, relief in zip(flat, reliefs):
        if relief is not None:
            row[:] = _fine(relief).ravel()
    return flat


def _cosines(probes: NDArray[np.float64], gallery: NDArray[np.float64]) -> NDArray[np.float64]:
    """As :func:`cosines`, of long vectors: in coordinates of the space that they span, where angles are the same."""
    rows = np.concatenate([probes, gallery])
    there = np.isfinite(rows).all(axis=1)
    span: NDArray[np.float64] = np.zeros((0, 1))
    if there.any():
        span = np.asarray(np.linalg.qr(rows[there].T, mode="r")).T
    short = np.full((len(rows), span.shape[1]), np.nan)
    short[there] = span
    return cosines(short[: len(probes)], short[len(probes) :])
