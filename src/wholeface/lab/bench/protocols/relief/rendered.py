"""Relief of rendered faces against the truth, where the skin is seen and where an occluder hides it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from .....core.errors import WholeFaceError
from .....photo import warp
from .....stages import FaceState, Tools
from .....stages.relief.shading import Ground, ground_of, slopes_to_normals
from .....stages.upright import UprightFace, upright
from ...heads.relief import relief_in_crop
from ...metrics.relief import ReliefSums, finer_than, relief_sums
from ...protocol import Metric, Missing
from ...report.table import Cell, Table
from ...sets.relief import ALBEDOS, LIGHTS, FoldedFace, FoldedFaces
from .systems import FOUNDATION, ReliefSystem, fitted, relief_frame

__all__ = ["ALL", "RenderedFound", "hidden_table", "light_table", "measure_rendered", "seen_table"]

Array = NDArray[np.float32]
ALL = "all"
_SIZE = 256
_LEAST = 150  # pixels of the crop that a comparison needs
_DRAWS = 500
_KIND = "95 % bootstrap half-width over faces"


@dataclass
class RenderedFound:
    """Sums of each face, by system and group.

    Args:
        seen: system -> group -> one entry a face; groups are the albedos, the lights and ``all``.
        hidden: the same under occluders; groups are their kinds and ``all``.
        times: name of a stage -> milliseconds of each run.
        missing: what could not be evaluated.
    """

    seen: dict[str, dict[str, list[ReliefSums]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    hidden: dict[str, dict[str, list[ReliefSums]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    missing: list[Missing] = field(default_factory=list)


@dataclass(frozen=True)
class _Compared:
    """A fitted face in the frame of comparison, and the truth there."""

    face: FaceState
    where: UprightFace
    ground: Ground
    truth: Array
    known: NDArray[np.bool_]

    @staticmethod
    def of(face: FaceState, case: FoldedFace) -> _Compared:
        assert face.fit is not None
        crop, edge = relief_frame(face), (_SIZE, _SIZE)
        where = upright(face.fit, crop, _SIZE)
        truth = warp(case.displacement, crop, edge)
        known = warp(case.skin.astype(np.float32), crop, edge) > 0.99
        ground = ground_of(where)
        return _Compared(face, where, ground, truth, known & (ground.facing > 0.1))

    def sums(self, done: FaceState, of: str, counted: NDArray[np.bool_]) -> ReliefSums:
        """What a system found, against the truth, at the counted pixels."""
        if of == "crop":
            assert done.bump is not None
            onward = done.bump.crop.inverse().then(self.where.crop)
            found = warp(done.bump.displacement, onward, (_SIZE, _SIZE))
        elif of == "atlas":
            assert done.relief is not None
            found = relief_in_crop(done.relief, self.where)[0]
        else:
            found = np.zeros_like(self.truth)
        pixel = self.ground.pixel_mm
        known = self.known.astype(np.float32)
        fine, true = (finer_than(h, known, pixel).astype(np.float32) for h in (found, self.truth))
        tilted, truly = (slopes_to_normals(h, self.ground) for h in (fine, true))
        inner = counted & binary_erosion(self.known)
        return relief_sums(fine, true, inner.astype(np.float32), tilted, truly, self.ground.normals)


def measure_rendered(
    faces: FoldedFaces,
    count: int,
    seen: Sequence[ReliefSystem],
    hidden: Sequence[ReliefSystem],
    tools: Tools,
) -> RenderedFound:
    """Reconstruct every picture, clean and behind its occluder, and compare.

    Args:
        faces: the set.
        count: faces of each albedo.
        seen: systems that are compared in visible skin of the clean picture.
        hidden: those that are compared under the occluder.
        tools: of the stages.
    """
    found = RenderedFound()
    for albedo in faces.albedos:
        for index in range(count):
            try:
                case = faces.face(index, albedo)
                _clean(case, seen, tools, found)
            except WholeFaceError as error:
                found.missing.append(Missing(f"{albedo} {index}", "", str(error)))
                continue
            try:
                _behind(case, hidden, tools, found)
            except WholeFaceError as error:
                found.missing.append(Missing(f"{albedo} {index} behind {case.occluder}", "", str(error)))
    return found


def _clean(case: FoldedFace, systems: Sequence[ReliefSystem], tools: Tools, found: RenderedFound) -> None:
    compared = _Compared.of(fitted(case.pixels, tools), case)
    if compared.known.sum() < _LEAST:
        found.missing.append(Missing(case.name, "", "the face that was found is not the one that was drawn"))
        return
    for system in systems:
        done = system(compared.face, tools)
        sums = compared.sums(done, system.of, compared.known)
        for group in (ALL, case.albedo, case.light):
            found.seen[system.name][group].append(sums)
        for stage in system.stages:
            found.times[stage.name].append(done.timings_ms.get(stage.name, float("nan")))


def _behind(case: FoldedFace, systems: Sequence[ReliefSystem], tools: Tools, found: RenderedFound) -> None:
    if case.occluded is None or case.hidden is None:
        found.missing.append(Missing(case.name, "", "no occluder fitted in front of it"))
        return
    compared = _Compared.of(fitted(case.occluded, tools), case)
    covered = warp(case.hidden.astype(np.float32), compared.where.crop, (_SIZE, _SIZE)) > 0.5
    counted = covered & compared.known
    if counted.sum() < _LEAST:
        return
    seen = systems[0].begun(compared.face, tools)
    for system in (ReliefSystem(FOUNDATION, (), "nowhere"), *systems):
        done = system.ended(seen, tools)
        sums = compared.sums(done, system.of, counted)
        for group in (ALL, case.occluder):
            found.hidden[system.name][group].append(sums)
    for stage in systems[-1].stages[1:]:
        found.times[stage.name].append(done.timings_ms.get(stage.name, float("nan")))


_COLUMNS = (
    ("correlation", ".3f"), ("±", ".3f"), ("RMS mm", ".3f"), ("normals °", ".2f"), ("steep °", ".2f"),
    ("groove precision", ".2f"), ("recall", ".2f"),
)  # fmt: skip
_MEASURES = (
    ("correlation", "1", "higher"), ("rms", "mm", "lower"), ("normal_error", "°", "lower"),
    ("steep_normal_error", "°", "lower"), ("precision", "1", "higher"), ("recall", "1", "higher"),
)  # fmt: skip
_NOTES = (
    "Relief finer than 8 mm; pixels of all faces together; ± 95 % bootstrap half-width over faces.",
    "Steep: the truth tilts the normal by 5° or more. Grooves: deeper than 0.2 mm; recall where a quarter of the "
    "depth is found; precision of what is claimed deeper than 0.05 mm.",
)


def seen_table(found: RenderedFound, seed: int) -> tuple[Table, list[Metric]]:
    """Visible skin, all faces and by albedo."""
    return _table("Relief in visible skin", found.seen, (ALL, *ALBEDOS), "visible skin", seed)


def hidden_table(found: RenderedFound, seed: int) -> tuple[Table, list[Metric]]:
    """Skin behind occluders, all and by kind."""
    kinds = sorted({kind for groups in found.hidden.values() for kind in groups} - {ALL})
    return _table("Relief behind occluders", found.hidden, (ALL, *kinds), "hidden skin", seed)


def light_table(found: RenderedFound) -> tuple[Table, list[Metric]]:
    """Visible skin by the direction of the light: correlation and normals of steep pixels."""
    rows: list[Sequence[Cell]] = []
    metrics: list[Metric] = []
    lights = [light for light in LIGHTS if any(groups.get(light) for groups in found.seen.values())]
    for name, groups in found.seen.items():
        row: list[Cell] = [name]
        for light in lights:
            sums = _sum(groups.get(light, []))
            row += [sums.correlation, sums.steep_normal_error]
            metrics += _metrics(
                name, f"{light} light", groups.get(light, []), "visible skin", 0, spread=False
            )
        rows.append(row)
    columns: list[tuple[str, str]] = [("system", "")]
    for k, light in enumerate(lights):
        columns += [(f"{light}: correlation", ".3f"), ("steep °" + " " * k, ".2f")]
    counts = ", ".join(f"{light} {len(found.seen[FOUNDATION].get(light, []))}" for light in lights)
    return Table("Relief in visible skin, by light", columns, rows, [f"faces: {counts}"]), metrics


def _table(
    title: str,
    values: Mapping[str, Mapping[str, list[ReliefSums]]],
    groups: Sequence[str],
    part: str,
    seed: int,
) -> tuple[Table, list[Metric]]:
    rows: list[Sequence[Cell]] = []
    metrics: list[Metric] = []
    for group in groups:
        for name, found in values.items():
            faces = found.get(group, [])
            if not faces:
                continue
            sums = _sum(faces)
            made = _metrics(name, group, faces, part, seed)
            rows.append(
                (group, len(faces), name, sums.correlation, made[0].spread, sums.rms, sums.normal_error,
                 sums.steep_normal_error, sums.precision, sums.recall)
            )  # fmt: skip
            metrics += made
    return Table(title, (("faces", ""), ("n", "d"), ("system", ""), *_COLUMNS), rows, _NOTES), metrics


def _metrics(
    system: str, group: str, faces: Sequence[ReliefSums], part: str, seed: int, *, spread: bool = True
) -> list[Metric]:
    sums = _sum(faces)
    around = _half_width(faces, seed) if spread else float("nan")
    return [
        Metric(
            f"{name.replace('_', ' ')} of relief, {part}", system, group, getattr(sums, name), unit, better,  # type: ignore[arg-type]
            spread=around if name == "correlation" else float("nan"),
            spread_kind=_KIND if name == "correlation" and spread else "",
            count=len(faces), total=len(faces),
        )
        for name, unit, better in _MEASURES
    ]  # fmt: skip


def _sum(faces: Sequence[ReliefSums]) -> ReliefSums:
    return reduce(add, faces, ReliefSums())


def _half_width(faces: Sequence[ReliefSums], seed: int) -> float:
    """Of the correlation over all faces, faces drawn with replacement."""
    if len(faces) < 2:
        return float("nan")
    rng = np.random.default_rng(seed)
    drawn = [
        _sum([faces[i] for i in rng.integers(len(faces), size=len(faces))]).correlation for _ in range(_DRAWS)
    ]
    kept = np.array(drawn)[np.isfinite(drawn)]
    if len(kept) == 0:
        return float("nan")
    return float(np.diff(np.quantile(kept, (0.025, 0.975)))[0]) / 2
