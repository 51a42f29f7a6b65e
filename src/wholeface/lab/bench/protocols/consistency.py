"""What an occluder changes, without any scan: ``wholeface bench consistency``.

A photo of a face that nothing occludes is reconstructed as it is, and again behind each kind of held-out
occluder, grown to hide a given share of the face. Compared are the two answers, over the part of the face that
was hidden and over the part that stayed in view:

- distance between corresponding vertices in mm, neutral and with expression. Both heads stand in model space, so pose
  is not part of it; nothing else is aligned away.
- landmark drift: mean distance of the 68 points of the fitted heads in the photo, per cent of the clean head's
  outer-eye distance.
- mask: intersection over union of the found occluder with the true one, inside the face.
- colour: the completed image (:attr:`Reconstruction.deoccluded`) against the clean photo on the hidden pixels, as
  CIE 1976 colour difference (2.3 is just noticeable) and as RMSE in sRGB codes. What the mask misses counts as it is.

This is how reliable hidden parts are. The clean answer is no truth: a system that always says the same would be
perfectly consistent. So the row ``mean face`` answers what would be lost by ignoring the photo: it is compared with
the same clean reconstruction (its pose fitted to the occluded photo's landmarks, its light to the pixels in view).
Where the hidden part is no nearer to the clean answer than the mean face, it holds nothing of the person.

Faces: rendered subjects who are never trained on; or, with ``--data``, a folder of photos of unoccluded faces.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError, WholeFaceError
from ..heads.colours import mean_face_of, rendering_of, with_fitted_light
from ..heads.parts import HeadParts, head_parts, hidden_and_seen
from ..metrics.discrepancy import half_width, mean_over, vertex_distances
from ..metrics.landmark_nme import inter_ocular, normalised_mean_error
from ..metrics.photometric import delta_e, visible_rmse
from ..metrics.segmentation import occluder_overlap
from ..protocol import Better, Metric, Missing, Protocol, Report, RunOptions
from ..report._drawn import drawn
from ..report.table import Cell, Table
from ..sets.occluded_faces import (
    CleanFace,
    Occlude,
    OccludedFace,
    add_occluders,
    chosen_kinds,
    clean_faces,
    words,
)

if TYPE_CHECKING:
    from ....reconstructor import Reconstructor
    from ....result.reconstruction import Reconstruction

__all__ = ["PROTOCOL", "run"]

_USUAL_KINDS = ("sunglasses", "masks", "hands", "hair", "scarves", "hats", "objects", "patches")
_USUAL_SIZES = (0.1, 0.25, 0.45)
_TEXTURE = 256
_FEW = 10  # vertices or pixels below which a part is too small to speak of
_VALUES: tuple[tuple[str, str, str, Better], ...] = (  # key, name, unit, better
    ("hidden", "hidden part, neutral", "mm", "lower"),
    ("hidden_shown", "hidden part, with expression", "mm", "lower"),
    ("seen", "seen part, neutral", "mm", "lower"),
    ("seen_shown", "seen part, with expression", "mm", "lower"),
    ("drift", "landmark drift", "%", "lower"),
    ("iou", "mask IoU", "1", "higher"),
    ("delta_e", "completed colour, ΔE76", "1", "lower"),
    ("rmse", "completed colour, RMSE", "sRGB codes 0-255", "lower"),
)


@dataclass(frozen=True)
class _Measured:
    """One occluded photo and system; ``values`` by the keys of ``_VALUES``, NaN where there is none."""

    person: str
    kind: str
    size: float
    share: float
    system: str
    values: dict[str, float]


def run(
    options: RunOptions,
    *,
    kinds: Sequence[str] | None = None,
    sizes: Sequence[float] | None = None,
    occluders: Path | None = None,
    reconstructor: Reconstructor | None = None,
) -> Report:
    """See the module's docstring.

    Args:
        options: ``data`` is a folder of photos; ``count``: how many faces.
        kinds: of occluders, see :data:`KINDS`, and ``pixels``.
        sizes: shares of the face to hide, in (0, 1).
        occluders: folder of source material with ``occluders/``; None = everything procedural.
        reconstructor: to measure instead of the shipped one.

    Raises:
        UsageError: an unknown kind, a share out of range, no photos, or nothing could be measured.
    """
    from ....reconstructor import Reconstructor

    kinds = chosen_kinds(kinds, _USUAL_KINDS[:3] if options.quick else _USUAL_KINDS)
    sizes = tuple(sizes or (_USUAL_SIZES[::2] if options.quick else _USUAL_SIZES))
    if not all(0 < size < 1 for size in sizes):
        raise UsageError(f"--sizes {','.join(map(str, sizes))}: shares of the face between 0 and 1")
    occlude = Occlude(occluders, options.seed, options.designs)
    reconstructor = reconstructor or Reconstructor(texture_size=_TEXTURE)
    missing: list[Missing] = []
    measured: list[_Measured] = []
    tried: dict[tuple[str, float], int] = {}
    subjects = 0
    for face in clean_faces(options, (2, 6, 12), reconstructor, missing):
        subjects += 1
        image = face.photographed(face.sample.clean)
        try:
            clean: Reconstruction | None = reconstructor(image)
        except WholeFaceError as error:
            clean = None
            missing.append(Missing(f"{face.name}, clean", "", str(error).removeprefix("<array>: ")))
        for kind in kinds:
            for size in sizes:
                tried[kind, size] = tried.get((kind, size), 0) + 1
                if clean is None:
                    continue
                item = f"{face.name}, {kind} {size:.0%}"
                try:
                    occluded = occlude(face, kind, size)
                except WholeFaceError as error:
                    missing.append(Missing(item, "", str(error).removeprefix("<array>: ")))
                    continue
                try:
                    head = reconstructor(occluded.image)
                except WholeFaceError as error:
                    missing.append(Missing(item, "wholeface", str(error).removeprefix("<array>: ")))
                    continue
                measured += _compare(face, kind, size, occluded, clean, head, image, missing)
    if not measured:
        reasons = "; ".join(dict.fromkeys(m.reason for m in missing))
        raise UsageError(f"consistency: nothing could be measured: {reasons}")
    return _report(options, measured, tried, missing, kinds, sizes, subjects)


def others(options: RunOptions) -> list[str]:
    """Systems that are asked for but cannot be measured here."""
    return [name for name in options.systems if name not in ("mean face", "wholeface")]


def _compare(
    face: CleanFace,
    kind: str,
    size: float,
    occluded: OccludedFace,
    clean: Reconstruction,
    head: Reconstruction,
    image: NDArray[np.uint8],
    missing: list[Missing],
) -> list[_Measured]:
    """Rows of our system and of the mean face."""
    model = clean.model
    reference = head_parts(model, clean.parameters, clean.camera)
    hidden, seen = hidden_and_seen(model, clean.parameters, clean.camera, occluded.hidden)
    pixels = occluded.hidden & clean.face_region
    both, either = occluder_overlap(head.occluder > 0.5, occluded.hidden, clean.face_region, face.name)
    values = _shape(reference, head_parts(model, head.parameters, head.camera), hidden, seen)
    values["iou"] = both / either if either else float("nan")
    values |= _colours(image, head.deoccluded, pixels, face.name)
    rows = [_Measured(face.name, kind, size, occluded.share, "wholeface", values)]
    height, width = image.shape[:2]
    try:
        mean, camera = mean_face_of(model, head.landmarks, width, height)
        values = _shape(reference, head_parts(model, mean, camera), hidden, seen)
        look = head.face_region & (head.occluder <= 0.5)
        rendered = rendering_of(
            model, with_fitted_light(model, mean, camera, head.photo.pixels, look), camera
        )
        values |= _colours(image, rendered.codes, pixels & rendered.mask, face.name)
        values["iou"] = float("nan")
        rows.append(_Measured(face.name, kind, size, occluded.share, "mean face", values))
    except WholeFaceError as error:
        missing.append(
            Missing(f"{face.name}, {kind} {size:.0%}", "mean face", str(error).removeprefix("<array>: "))
        )
    return rows


def _shape(
    reference: HeadParts, other: HeadParts, hidden: NDArray[np.bool_], seen: NDArray[np.bool_]
) -> dict[str, float]:
    neutral = vertex_distances(reference.neutral, other.neutral)
    shown = vertex_distances(reference.shown, other.shown)
    scale = inter_ocular(reference.landmarks)
    return {
        "hidden": mean_over(neutral, hidden, _FEW),
        "hidden_shown": mean_over(shown, hidden, _FEW),
        "seen": mean_over(neutral, seen, _FEW),
        "seen_shown": mean_over(shown, seen, _FEW),
        "drift": normalised_mean_error(other.landmarks, reference.landmarks, scale),
    }


def _colours(
    image: NDArray[np.uint8], completed: NDArray[Any], pixels: NDArray[np.bool_], name: str
) -> dict[str, float]:
    if pixels.sum() < _FEW:
        return {"delta_e": float("nan"), "rmse": float("nan")}
    return {
        "delta_e": float(delta_e(image[pixels], completed[pixels]).mean()),
        "rmse": visible_rmse(image, completed, pixels, name),
    }


def _report(
    options: RunOptions,
    measured: Sequence[_Measured],
    tried: dict[tuple[str, float], int],
    missing: Sequence[Missing],
    kinds: Sequence[str],
    sizes: Sequence[float],
    subjects: int,
) -> Report:
    metrics: list[Metric] = []

    def rows_of(groups: dict[str, set[tuple[str, float]]]) -> list[tuple[Cell, ...]]:
        rows: list[tuple[Cell, ...]] = []
        for group, cells in groups.items():
            total = sum(tried[cell] for cell in cells)
            for system in ("mean face", "wholeface"):
                part = [m for m in measured if m.system == system and (m.kind, m.size) in cells]
                numbers = []
                for key, name, unit, better in _VALUES:
                    there = [m for m in part if np.isfinite(m.values[key])]
                    value = float(np.mean([m.values[key] for m in there])) if there else float("nan")
                    numbers.append(value)
                    if there:
                        spread = half_width(
                            [m.values[key] for m in there], [m.person for m in there], seed=options.seed
                        )
                        kind = "95 % bootstrap half-width over subjects"
                        metrics.append(
                            Metric(name, system, group, value, unit, better, spread, kind, len(there), total)
                        )
                rows.append((group, system, f"{len(part)} of {total}", *numbers))
        return rows

    by_size = rows_of({f"{size:.0%} hidden": {(kind, size) for kind in kinds} for size in sizes})
    by_kind = rows_of({kind: {(kind, size) for size in sizes} for kind in kinds})
    columns: list[tuple[str, str]] = [
        ("system", ""), ("photos", ""), ("hidden mm", ".2f"), ("with expr.", ".2f"), ("seen mm", ".2f"),
        ("with expr.", ".2f"), ("drift %", ".2f"), ("mask IoU", ".3f"), ("ΔE", ".1f"), ("RMSE", ".1f"),
    ]  # fmt: skip
    columns[5] = ("seen, expr.", ".2f")
    notes = [
        "distance to our answer to the clean photo, mean over the vertices of the hidden and of the seen part of the "
        "face; drift per cent of the outer-eye distance; ΔE and RMSE of the completed hidden pixels "
        "against the clean photo. mean face: what is left when the photo is ignored.",
        f"{subjects} faces; photos: reconstructed of tried. Parts below {_FEW} vertices or pixels are left out.",
    ]

    def line(system: str, key: str, kind: str | None = None) -> tuple[Any, Any, Any]:
        x, y, band = [], [], []
        for size in sizes:
            part = [
                m
                for m in measured
                if m.system == system
                and m.size == size
                and kind in (None, m.kind)
                and np.isfinite(m.values[key])
            ]
            x.append(100 * float(np.mean([m.share for m in part])) if part else float("nan"))
            y.append(float(np.mean([m.values[key] for m in part])) if part else float("nan"))
            half = half_width([m.values[key] for m in part], [m.person for m in part]) if part else 0.0
            band.append(half if np.isfinite(half) else 0.0)
        return x, y, None if kind else band

    def draw() -> dict[str, NDArray[np.uint8]]:
        from ..report.plots import lines_plot

        across = "share of the face that is hidden (%)"
        return {
            "consistency_shape": lines_plot(
                {
                    "hidden part": line("wholeface", "hidden_shown"),
                    "seen part": line("wholeface", "seen_shown"),
                    "mean face, hidden part": line("mean face", "hidden_shown"),
                },
                across,
                "distance to the clean head (mm)",
                "How reliable hidden parts are: shape",
            ),
            "consistency_colour": lines_plot(
                {
                    "completed": line("wholeface", "delta_e"),
                    "mean face in the photo's light": line("mean face", "delta_e"),
                },
                across,
                "ΔE76 to the clean photo",
                "How reliable hidden parts are: colour",
            ),
            "consistency_kinds": lines_plot(
                {kind: line("wholeface", "hidden_shown", kind) for kind in kinds},
                across,
                "distance to the clean head (mm)",
                "Hidden part, by what hides it",
            ),
        }

    images, more = drawn(draw)
    more += [f"{name}: no row, it gives neither a mask nor a completed image." for name in others(options)]
    tables = [
        Table("Consistency under occlusion, by size", (("size", ""), *columns), by_size, [*notes, *more]),
        Table("Consistency under occlusion, by kind", (("kind", ""), *columns), by_kind, []),
    ]
    lines = ["face,kind,size,hidden_share,system," + ",".join(key for key, *_ in _VALUES)]
    lines += [
        f'"{m.person}",{m.kind},{m.size:g},{m.share:.4f},{m.system},'
        + ",".join(f"{m.values[key]:.5g}" for key, *_ in _VALUES)
        for m in measured
    ]
    return Report(
        tables=tables,
        metrics=metrics,
        images=images,
        missing=missing,
        settings={
            "kinds": list(kinds),
            "sizes": list(sizes),
            "faces": subjects,
            "seed": options.seed,
            "texture": _TEXTURE,
            "data": None if options.data is None else options.data.name,
        },
        files={"consistency.csv": "\n".join(lines) + "\n"},
    )


def shares(text: str) -> list[float]:
    """Numbers between commas."""
    return [float(word) for word in words(text)]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sizes",
        type=shares,
        metavar="S,S,…",
        help="shares of the face to hide (default 0.1,0.25,0.45)",
    )
    add_occluders(parser)


PROTOCOL = Protocol(
    name="consistency",
    title="Consistency under occlusion",
    summary="how far head and colours move when something hides a part of the face, by kind and size",
    source="",
    run=run,
    add_arguments=_add_arguments,
)
