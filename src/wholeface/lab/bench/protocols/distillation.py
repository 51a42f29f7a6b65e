"""Discrepancy between the clean and the occluded version of a photo: ``wholeface bench distillation``.

Rana, following Tiwari et al., hides parts of clear photos by arbitrary pixel values, compares the landmarks of the
clear and the occluded version, and drives the coefficients of the two together by their mean squared difference,
L = 1/M · Σ (u_m − v_m)². Both are measured here, for one and the same system on both versions (their trainer saw the
clear one, their learner the occluded one), behind rectangles of arbitrary pixel values and behind each kind of
held-out occluder as it comes. The paper gives no unit for landmarks; here they are the 68 points, in per cent of the
outer-eye distance of the clean version. It compares all 257 coefficients at once; here each block stands alone, since
their units differ, and ``all`` is the mean over identity, expression, albedo and light, which are of order one.

A small discrepancy is no merit by itself: the row ``mean face`` has none at all in identity. The landmarks of that
row move only because the pose follows the found landmarks. So a second table says how near the neutral shape comes to
the truth, in mm and over the error of the mean face, without an occluder and behind occluders of three sizes.

Faces: rendered subjects who are never trained on; or, with ``--data``, a folder of photos of unoccluded faces.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import NoFaceError, UsageError, WholeFaceError
from ..metrics.discrepancy import coefficient_mse, half_width
from ..metrics.landmark_nme import inter_ocular, normalised_mean_error
from ..metrics.neutral_shape import neutral_error
from ..protocol import Metric, Missing, Protocol, Report, RunOptions
from ..report._drawn import drawn
from ..report.table import Cell, Table
from ..sets.occluded_faces import (
    KINDS,
    PIXELS,
    CleanFace,
    Occlude,
    add_occluders,
    chosen_kinds,
    clean_faces,
)

if TYPE_CHECKING:
    from ....morphable import MorphableModel, Parameters
    from ....reconstructor import Reconstructor
    from ....render import Camera
    from ..systems import HeadSystem

__all__ = ["PROTOCOL", "Answer", "run"]

_BLOCKS = ("identity", "expression", "albedo", "light")
_QUICK_KINDS = (PIXELS, "masks", "hands")
_SIZES = (0.1, 0.25, 0.4)
_SIZED_KINDS = (PIXELS, "hands", "objects")
_MEAN = "mean face"


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
    """One photo and system; ``values``: ``landmarks`` in per cent, the squared difference by block, the neutral
    ``shape`` in mm, and ``ms`` that the answer took."""

    face: str
    kind: str
    share: float
    system: str
    values: dict[str, float]


Truth = Callable[[NDArray[np.float64]], float]
"""Coefficients of an identity -> error of its neutral shape, mm."""


def run(
    options: RunOptions,
    *,
    kinds: Sequence[str] | None = None,
    sizes: Sequence[float] = _SIZES,
    occluders: Path | None = None,
    reconstructor: Reconstructor | None = None,
    systems: dict[str, Answers] | None = None,
) -> Report:
    """See the module's docstring.

    Args:
        options: ``data`` is a folder of photos; ``count``: how many faces; ``systems``: head systems to compare.
        kinds: of occluders, see :data:`KINDS`, and ``pixels``.
        sizes: shares of the face that occluders hide in the second table.
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
    sized: list[_Measured] = []
    subjects = 0
    wanted: list[tuple[str, float | None, list[_Measured]]] = [(kind, None, measured) for kind in kinds]
    for share in sizes:
        wanted += [(kind, share, sized) for kind in (_SIZED_KINDS[:2] if options.quick else _SIZED_KINDS)]
    for face in clean_faces(options, (3, 12, 20), reconstructor, missing):
        subjects += 1
        error = _truth(face)
        clean: dict[str, Answer | None] = {}
        image = face.photographed(face.sample.clean)
        for name, answers in systems.items():
            start = time.perf_counter()
            found = _asked(answers, image, f"{face.name}, clean", name, missing)
            spent = 1000 * (time.perf_counter() - start)
            clean[name] = found
            if found is not None:
                values = {"ms": spent, **_shape(found, error)}
                sized.append(_Measured(face.name, "none", 0.0, name, values))
        for kind, size, into in wanted:
            item = f"{face.name}, {kind}" + ("" if size is None else f", {size:.0%}")
            try:
                occluded = occlude(face, kind, size)
            except WholeFaceError as failure:
                missing.append(Missing(item, "", str(failure).removeprefix("<array>: ")))
                continue
            for name, answers in systems.items():
                before = clean[name]
                after = None if before is None else _asked(answers, occluded.image, item, name, missing)
                if before is not None and after is not None:
                    values = {**discrepancies(before, after, item), **_shape(after, error)}
                    group = kind if size is None else f"{size:.0%}"
                    into.append(_Measured(face.name, group, occluded.share, name, values))
    if not measured:
        reasons = "; ".join(dict.fromkeys(m.reason for m in missing))
        raise UsageError(f"distillation: nothing could be measured: {reasons}")
    report = _report(options, measured, missing, kinds, list(systems), subjects)
    return _with_shape(report, sized, options, [f"{size:.0%}" for size in sizes], list(systems))


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


def _truth(face: CleanFace) -> Truth | None:
    """What measures a neutral shape against the true one; None of photos, whose shape nobody knows."""
    import torch

    from ....morphable import load_model

    known = face.sample.parameters.get("identity")
    if known is None:
        return None
    model = load_model("wholeface")
    region = model.region("face")
    truth = model.vertices(torch.from_numpy(known).to(model.mean))[region].double().numpy()

    def error(identity: NDArray[np.float64]) -> float:
        shape = model.vertices(torch.from_numpy(identity).to(model.mean))[region].double().numpy()
        return neutral_error(shape, truth, face.name)

    return error


def _shape(answer: Answer, error: Truth | None) -> dict[str, float]:
    identity = answer.coefficients.get("identity")
    return {} if error is None or identity is None else {"shape": error(identity)}


def _systems(names: Sequence[str], reconstructor: Reconstructor) -> dict[str, Answers]:
    """The mean face first; ``wholeface`` and methods with all their coefficients; others as far as they tell.

    ``student=FILE`` is the stage of the method ``distilled`` with other weights.
    """
    from ....methods.registry import METHODS
    from ....reconstructor import Reconstructor
    from ..systems import load_systems

    def method(name: str) -> Answers:
        # The texture has no say
        made = Reconstructor(
            method=name, model=reconstructor.model, detector=reconstructor.detector, texture_size=64
        )
        return lambda pixels: _of_reconstruction(made, pixels)

    order = [_MEAN, *(name for name in dict.fromkeys(names) if name != _MEAN)]
    whole = {name for name in order if name == "wholeface" or (name in METHODS and name != "auto")}
    students = {name for name in order if name.startswith("student=")}
    others = load_systems(
        [name for name in order if name not in whole | students],
        model=reconstructor.model,
        detector=reconstructor.detector,
        placed=True,
    )
    found = {system.name: _of_head(system) for system in others}
    for name in order:
        if name == "wholeface":
            found[name] = lambda pixels: _of_reconstruction(reconstructor, pixels)
        elif name in whole:
            found[name] = method(name)
        elif name in students:
            path = Path(name.partition("=")[2])
            found[f"student {path.stem}"] = _of_student(reconstructor, path)
    return found


def _of_student(reconstructor: Reconstructor, weights: Path) -> Answers:
    from ....photo import read_photo
    from ....stages import FaceState, Tools
    from ....stages.shape.by_student import ParametersByStudent

    stage = ParametersByStudent(weights=str(weights))
    tools = Tools(model=reconstructor.model)

    def answer(pixels: NDArray[np.uint8]) -> Answer:
        faces = reconstructor.detector.detect(pixels)
        if not faces:
            raise NoFaceError("no face found")
        (done,) = stage([FaceState(read_photo(pixels), faces[0])], tools)
        assert done.fit is not None
        return _answer_of(done.fit.model, done.fit.parameters, done.fit.camera)

    return answer


def _of_head(system: HeadSystem) -> Answers:
    def answer(pixels: NDArray[np.uint8]) -> Answer:
        head = system.predict(pixels)
        seen = head.landmarks_2d
        if seen is not None and (seen.shape != (68, 2) or not np.isfinite(seen).all()):
            seen = None
        return Answer(seen, {} if head.identity is None else {"identity": head.identity})

    return answer


def _of_reconstruction(reconstructor: Reconstructor, pixels: NDArray[np.uint8]) -> Answer:
    head = reconstructor(pixels)
    return _answer_of(head.model, head.parameters, head.camera)


def _answer_of(model: MorphableModel, parameters: Parameters, camera: Camera) -> Answer:
    from ..heads.parts import head_parts

    blocks = {name: getattr(parameters, name).double().numpy().ravel() for name in _BLOCKS}
    return Answer(head_parts(model, parameters, camera).landmarks, blocks)


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


def _with_shape(
    report: Report,
    sized: Sequence[_Measured],
    options: RunOptions,
    sizes: Sequence[str],
    systems: Sequence[str],
) -> Report:
    """The report with a table over sizes: shape, discrepancies, and the time of an answer."""
    rows: list[tuple[Cell, ...]] = []
    metrics: list[Metric] = []
    for group in ("none", *sizes):
        there = [m for m in sized if m.kind == group]
        mean_face = {
            (m.face, m.share): m.values["shape"] for m in there if m.system == _MEAN and "shape" in m.values
        }
        for system in systems:
            part = [m for m in there if m.system == system]
            cells: list[Cell] = [group, system, len(part)]
            cells.append(float(np.mean([m.share for m in part])) if part else None)
            for key in ("landmarks", "all", "shape", "ms"):
                each = [m.values[key] for m in part if key in m.values]
                cells.append(None if not each else float(np.median(each) if key == "ms" else np.mean(each)))
            pairs = [
                (m.face, m.values["shape"], mean_face[m.face, m.share])
                for m in part
                if "shape" in m.values and (m.face, m.share) in mean_face
            ]
            ratio = None
            if pairs:
                ratio = float(np.sum([p[1] for p in pairs]) / np.sum([p[2] for p in pairs]))
                for name, value, unit in (
                    ("neutral shape error", float(np.mean([p[1] for p in pairs])), "mm"),
                    ("shape error over mean face", ratio, "1"),
                ):
                    metrics.append(
                        Metric(
                            name=name, system=system, group=f"hidden: {group}", value=value, unit=unit,
                            spread=half_width([p[1] for p in pairs], [p[0] for p in pairs], seed=options.seed)
                            if unit == "mm"
                            else float("nan"),
                            spread_kind="95 % bootstrap half-width over subjects" if unit == "mm" else "",
                            count=len(pairs), total=len(part),
                        )
                    )  # fmt: skip
            cells.insert(-1, ratio)
            rows.append(tuple(cells))
    columns = (
        ("hidden", ""), ("system", ""), ("photos", "d"), ("share", ".0%"), ("landmarks %", ".2f"), ("MSE all", ".4f"),
        ("shape mm", ".3f"), ("ratio", ".3f"), ("ms", ".0f"),
    )  # fmt: skip
    notes = [
        f"occluders: {', '.join(_SIZED_KINDS)}, grown or shrunk to hide the share of the face. landmarks and MSE: "
        "against the clean photo, as above. shape: mean distance of the neutral face's vertices from the true ones "
        "after alignment with scale; ratio: over that of the mean face. ms: of an answer to the clean photo, wall "
        "clock, detection included; the first one of a process is among them."
    ]
    table = Table("Distillation: shape, and three sizes of occluders", columns, rows, notes)
    return replace(report, tables=[*report.tables, table], metrics=[*report.metrics, *metrics])


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
