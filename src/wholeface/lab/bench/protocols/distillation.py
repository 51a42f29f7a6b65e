"""Discrepancy between the clean and the occluded version of a photo: ``wholeface bench distillation``.

Rana, following Tiwari et al., hides parts of clear photos by arbitrary pixel values, compares the landmarks of the
clear and the occluded version, and drives the coefficients of the two together by their mean squared difference,
L = 1/M · Σ (u_m − v_m)². Both are measured here, for one and the same system on both versions (their trainer saw the
clear one, their learner the occluded one), behind rectangles of arbitrary pixel values and behind each kind of
held-out occluder as it comes. The paper gives no unit for landmarks; here they are the 68 points, in per cent of the
outer-eye distance of the clean version. It compares all 257 coefficients at once; here each block stands alone, since
their units differ, and ``all`` is the mean over identity, expression, albedo and light, which are of order one.

A small discrepancy is no merit by itself: the row ``mean face`` has none at all in identity. The landmarks of that
row move only because the pose follows the found landmarks.

Faces: rendered subjects who are never trained on; or, with ``--data``, a folder of photos of unoccluded faces.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError, WholeFaceError
from ..metrics.discrepancy import coefficient_mse, half_width
from ..metrics.landmark_nme import inter_ocular, normalised_mean_error
from ..protocol import Metric, Missing, Protocol, Report, RunOptions
from ..report._drawn import drawn
from ..report.table import Cell, Table
from ..sets.occluded_faces import KINDS, PIXELS, Occlude, add_occluders, chosen_kinds, clean_faces

if TYPE_CHECKING:
    from ....reconstructor import Reconstructor
    from ..systems import HeadSystem

__all__ = ["PROTOCOL", "Answer", "run"]

_BLOCKS = ("identity", "expression", "albedo", "light")
_QUICK_KINDS = (PIXELS, "masks", "hands")


@dataclass(frozen=True)
class Answer:
    """What a system says of a photo.

    Args:
        landmarks: (68, 2) pixels, or None.
        coefficients: block -> (M,): identity and albedo in standard deviations, expression in weights, light in
            harmonics; blocks that the system has not are left out.
    """

    landmarks: NDArray[np.float64] | None
    coefficients: dict[str, NDArray[np.float64]]


Answers = Callable[[NDArray[np.uint8]], Answer]


@dataclass(frozen=True)
class _Measured:
    """One occluded photo and system; ``values``: ``landmarks`` in per cent, and the squared difference by block."""

    face: str
    kind: str
    share: float
    system: str
    values: dict[str, float]


def run(
    options: RunOptions,
    *,
    kinds: Sequence[str] | None = None,
    occluders: Path | None = None,
    reconstructor: Reconstructor | None = None,
    systems: dict[str, Answers] | None = None,
) -> Report:
    """See the module's docstring.

    Args:
        options: ``data`` is a folder of photos; ``count``: how many faces; ``systems``: head systems to compare.
        kinds: of occluders, see :data:`KINDS`, and ``pixels``.
        occluders: folder of source material with ``occluders/``; None = everything procedural.
        reconstructor: to measure instead of the shipped one; it also says where the faces of photos are.
        systems: to compare instead of those that ``options`` names.

    Raises:
        UsageError: an unknown kind or system, no photos, or nothing could be measured.
    """
    kinds = chosen_kinds(kinds, _QUICK_KINDS if options.quick else (PIXELS, *KINDS))
    occlude = Occlude(occluders, options.seed, options.designs)
    if systems is None or (options.data is not None and reconstructor is None):
        from ....reconstructor import Reconstructor

        reconstructor = reconstructor or Reconstructor(texture_size=64)  # the texture has no say
    if systems is None:
        assert reconstructor is not None
        systems = _systems(options.systems, reconstructor)
    missing: list[Missing] = []
    measured: list[_Measured] = []
    subjects = 0
    for face in clean_faces(options, (3, 12, 20), reconstructor, missing):
        subjects += 1
        clean = {
            name: _asked(answers, face.photographed(face.sample.clean), f"{face.name}, clean", name, missing)
            for name, answers in systems.items()
        }
        for kind in kinds:
            item = f"{face.name}, {kind}"
            try:
                occluded = occlude(face, kind)
            except WholeFaceError as error:
                missing.append(Missing(item, "", str(error).removeprefix("<array>: ")))
                continue
            for name, answers in systems.items():
                before = clean[name]
                after = None if before is None else _asked(answers, occluded.image, item, name, missing)
                if before is not None and after is not None:
                    values = discrepancies(before, after, item)
                    measured.append(_Measured(face.name, kind, occluded.share, name, values))
    if not measured:
        reasons = "; ".join(dict.fromkeys(m.reason for m in missing))
        raise UsageError(f"distillation: nothing could be measured: {reasons}")
    return _report(options, measured, missing, kinds, list(systems), subjects)


def discrepancies(clean: Answer, occluded: Answer, name: str = "photo") -> dict[str, float]:
    """``landmarks`` in per cent of the clean outer-eye distance; mean squared difference of each block, and ``all``.

    Args:
        clean: answer to the clean version.
        occluded: of the same system to the occluded version.
        name: of the item, for errors.
    """
    values: dict[str, float] = {}
    if clean.landmarks is not None and occluded.landmarks is not None:
        scale = inter_ocular(clean.landmarks, name)
        values["landmarks"] = normalised_mean_error(occluded.landmarks, clean.landmarks, scale, name)
    blocks = [b for b in _BLOCKS if b in clean.coefficients and b in occluded.coefficients]
    for block in blocks:
        values[block] = coefficient_mse(
            clean.coefficients[block], occluded.coefficients[block], f"{name}, {block}"
        )
    if blocks == list(_BLOCKS):
        one, other = (np.concatenate([a.coefficients[b] for b in blocks]) for a in (clean, occluded))
        values["all"] = coefficient_mse(one, other, name)
    return values


def _asked(
    answers: Answers, pixels: NDArray[np.uint8], item: str, system: str, missing: list[Missing]
) -> Answer | None:
    try:
        return answers(pixels)
    except WholeFaceError as error:
        missing.append(Missing(item, system, str(error).removeprefix("<array>: ")))
        return None


def _systems(names: Sequence[str], reconstructor: Reconstructor) -> dict[str, Answers]:
    """The mean face first; ``wholeface`` with all its coefficients; others as far as head systems tell."""
    from ..systems import load_systems

    order = ["mean face", *(name for name in dict.fromkeys(names) if name != "mean face")]
    others = load_systems(
        [name for name in order if name != "wholeface"],
        model=reconstructor.model,
        detector=reconstructor.detector,
        placed=True,
    )
    found = {system.name: _of_head(system) for system in others}
    if "wholeface" in order:
        found["wholeface"] = lambda pixels: _of_reconstruction(reconstructor, pixels)
    return found


def _of_head(system: HeadSystem) -> Answers:
    def answer(pixels: NDArray[np.uint8]) -> Answer:
        head = system.predict(pixels)
        seen = head.landmarks_2d
        if seen is not None and (seen.shape != (68, 2) or not np.isfinite(seen).all()):
            seen = None
        return Answer(seen, {} if head.identity is None else {"identity": head.identity})

    return answer


def _of_reconstruction(reconstructor: Reconstructor, pixels: NDArray[np.uint8]) -> Answer:
    from ..heads.parts import head_parts

    head = reconstructor(pixels)
    p = head.parameters
    blocks = {name: getattr(p, name).double().numpy().ravel() for name in _BLOCKS}
    return Answer(head_parts(head.model, p, head.camera).landmarks, blocks)


def _report(
    options: RunOptions,
    measured: Sequence[_Measured],
    missing: Sequence[Missing],
    kinds: Sequence[str],
    systems: Sequence[str],
    subjects: int,
) -> Report:
    keys = ("landmarks", *_BLOCKS, "all")
    rows: list[tuple[Cell, ...]] = []
    metrics: list[Metric] = []
    for group in (*kinds, "all kinds"):
        total = subjects * (len(kinds) if group == "all kinds" else 1)
        for system in systems:
            part = [m for m in measured if m.system == system and group in (m.kind, "all kinds")]
            cells: list[Cell] = []
            for key in keys:
                there = [m for m in part if key in m.values]
                if not there:
                    cells.append(None)
                    continue
                each = [m.values[key] for m in there]
                value = float(np.mean(each))
                cells.append(value)
                metrics.append(
                    Metric(
                        name="landmark discrepancy" if key == "landmarks" else f"coefficient MSE, {key}",
                        system=system,
                        group=group,
                        value=value,
                        unit="%" if key == "landmarks" else "1",
                        spread=half_width(each, [m.face for m in there], seed=options.seed),
                        spread_kind="95 % bootstrap half-width over subjects",
                        count=len(there),
                        total=total,
                    )
                )
            hidden = float(np.mean([m.share for m in part])) if part else None
            rows.append((group, system, f"{len(part)} of {total}", hidden, *cells))
    columns = (
        ("kind", ""), ("system", ""), ("photos", ""), ("hidden", ".0%"), ("landmarks %", ".2f"),
        *((f"MSE {key}", ".4f") for key in (*_BLOCKS, "all")),
    )  # fmt: skip
    notes = [
        "the same system on the clean and on the occluded version of a photo. landmarks: mean distance of the 68 "
        "points, per cent of the clean outer-eye distance; MSE: mean squared difference of coefficients (identity "
        "and albedo in standard deviations). pixels: rectangles of arbitrary pixel values.",
        "the mean face moves only with the pose that is fitted to the found landmarks, and its identity never: being "
        "stable is no merit by itself.",
    ]

    def draw() -> dict[str, NDArray[np.uint8]]:
        from ..report.plots import cumulative_curve

        errors: dict[str, Any] = {
            system: [
                m.values["landmarks"] for m in measured if m.system == system and "landmarks" in m.values
            ]
            for system in systems
        }
        shown = {system: np.array(each) for system, each in errors.items() if each}
        if not shown:
            return {}
        title = "Landmarks: clean against occluded"
        return {"distillation_landmarks": cumulative_curve(shown, "% of inter-ocular distance", title)}

    images, more = drawn(draw)
    lines = ["face,kind,hidden_share,system," + ",".join(keys)]
    lines += [
        f'"{m.face}",{m.kind},{m.share:.4f},{m.system},'
        + ",".join(f"{m.values[key]:.6g}" if key in m.values else "" for key in keys)
        for m in measured
    ]
    return Report(
        tables=[Table("Distillation: clean against occluded", columns, rows, [*notes, *more])],
        metrics=metrics,
        images=images,
        missing=missing,
        settings={
            "kinds": list(kinds),
            "faces": subjects,
            "seed": options.seed,
            "data": None if options.data is None else options.data.name,
        },
        files={"distillation.csv": "\n".join(lines) + "\n"},
    )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_occluders(parser)


PROTOCOL = Protocol(
    name="distillation",
    title="Distillation protocol",
    summary="landmarks and coefficients of the clean and the occluded version of a photo, by what hides it",
    source="Rana, '3D Face Reconstruction from Occluded Images'; Tiwari et al. 2022",
    run=run,
    add_arguments=_add_arguments,
)
