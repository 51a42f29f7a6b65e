"""Photos of subjects kept apart behind occluders that nothing was trained on, and what each system makes of them.

Each composite is reconstructed as any photo is; its result is compared with the photo without the occluder in an
upright crop of 256 pixels (the face two thirds of it), inside the hole and in a band of four pixels around it. What
the hole is: where the target differs from the photo. The target is the clean photo on the face, and beside it where
spectacles or masks were; hands, hair, hats and objects stay beside the face
(:func:`wholeface.lab.data.deocclusion.target_of`).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .....core.errors import UsageError, WholeFaceError
from .....core.provenance import Provenance
from ...heads.face_embedding import PACKAGES, DlibEmbedder, FaceEmbedder
from ...metrics.images import delta_e, delta_e_of_means, psnr, ssim
from ...protocol import Metric, Missing, Protocol, Report, RunOptions
from ...report.table import Cell, Table
from .systems import NETWORK, OCCLUDED, RENDERING, SKIN, Filler, fillers, true_texture

if TYPE_CHECKING:
    from .....stages.texture import CompletedTexture
    from ....data.deocclusion.composites import Composite, Composites

__all__ = ["PROTOCOL", "run"]

_SIZE = 256
_BAND = 4  # pixels
_COUNT, _QUICK = 120, 4
_SHEET = 48
_KINDS = (
    "clear glasses",
    "tinted glasses",
    "sunglasses",
    "hand",
    "mask",
    "hair",
    "hat",
    "scarf",
    "object",
    "patch",
)
_ALL = "all"
_NO_TEXTURE = (OCCLUDED, SKIN, RENDERING)  # without one, or named first
_MEASURES = ("PSNR", "SSIM", "ΔE", "ΔE of the mean", "band PSNR", "identity", "texture ΔE")


def run(
    options: RunOptions,
    *,
    mask: str = "true",
    networks: Sequence[str] = (),
    embedder: FaceEmbedder | None = None,
) -> Report:
    """Composite, fill, compare.

    Args:
        options: ``data`` is the folder of source material; without it rendered subjects behind drawn occluders.
        mask: ``true`` gives every system the true mask, ``found`` the one that the method finds.
        networks: further networks, each ``NAME=FILE``.
        embedder: measures identity; None takes dlib's where it is installed, else identity is left out.

    Raises:
        UsageError: an unknown mask, a malformed network.
    """
    if mask not in ("true", "found"):
        raise UsageError(f"mask must be true or found, got {mask!r}")
    systems = fillers(_named(networks))
    judge = _judge() if embedder is None else embedder
    count = options.count or (_QUICK if options.quick else _COUNT)
    composites = _composites(options, count)
    values: dict[str, dict[str, list[dict[str, float]]]] = {name: defaultdict(list) for name in systems}
    missing: list[Missing] = []
    strips: list[NDArray[np.uint8]] = []
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for index in range(count):
        scored = _one(composites, index, mask == "true", systems, judge)
        if isinstance(scored, str):
            missing.append(Missing(f"composite {index}", "", scored))
            continue
        kinds, found, strip = scored
        for name, row in found.items():
            for kind in (*kinds, _ALL):
                values[name][kind].append(row)
        if "identity" in found[NETWORK]:
            for kind in (*kinds, _ALL):
                pairs[kind].append((found[NETWORK]["identity"], found[RENDERING]["identity"]))
        if len(strips) < _SHEET:
            strips.append(strip)
    if not values[NETWORK][_ALL]:
        raise UsageError(f"none of {count} composites shows a face that is found; nothing to measure")
    tables = [_table(values, _ALL, mask), *_by_kind(values, pairs)]
    metrics = [
        Metric(f"{measure} in the hole", name, kind, _mean(rows, measure), _UNITS[measure], _BETTER[measure],
               count=len(rows), total=len(rows))
        for name in systems for kind, rows in sorted(values[name].items()) for measure in _MEASURES
        if any(measure in row for row in rows)
    ]  # fmt: skip
    first = [m for m in metrics if m.name.startswith("PSNR") and m.group == _ALL]
    return Report(
        tables,
        [*first, *(m for m in metrics if m not in first)],
        {"sheet": _sheet(strips)} if strips else {},
        missing,
        {"count": count, "mask": mask, "size": _SIZE, "networks": [n.partition("=")[0] for n in networks]},
    )


_UNITS = {
    "PSNR": "dB",
    "SSIM": "1",
    "ΔE": "1",
    "ΔE of the mean": "1",
    "band PSNR": "dB",
    "identity": "1",
    "texture ΔE": "1",
}
_BETTER: Mapping[str, Any] = {
    "PSNR": "higher", "SSIM": "higher", "ΔE": "lower", "ΔE of the mean": "lower", "band PSNR": "higher",
    "identity": "lower", "texture ΔE": "lower",
}  # fmt: skip


def _composites(options: RunOptions, count: int) -> Composites:
    from ....data.deocclusion.composites import Composites
    from ....data.deocclusion.subjects import clean_photos

    if options.data is None:
        raise UsageError("deocclusion needs --data FOLDER, the source material with faces_ai or portraits")
    split = "test" if options.split == "test" else "validation"
    photos = clean_photos(options.data, split)  # type: ignore[arg-type]
    return Composites(photos, options.data, seed=options.seed + 900, designs=options.designs)


def _one(
    composites: Composites,
    index: int,
    true_mask: bool,
    systems: Mapping[str, Filler],
    judge: FaceEmbedder | None,
) -> tuple[tuple[str, ...], dict[str, dict[str, float]], NDArray[np.uint8]] | str:
    """Kinds of the occluders, measures by system and a strip of images; or why there are none."""
    from .....photo import warp
    from .....stages.upright import crop_around
    from ....data.deocclusion import target_of

    composite = composites.composite(index)
    if composite is None:
        return "the occluder hides nothing"
    face = composites.analysed(composite, true_mask=true_mask)
    if face is None:
        return "the face was not found behind its occluder"
    sample, points = composite.sample, composite.landmarks.points_478
    assert points is not None
    crop = crop_around(points, _SIZE, 1.5)
    edge = (_SIZE, _SIZE)
    target, hole = target_of(sample.image, sample.clean, composite.kind, sample.face.astype(np.uint8))
    truth = warp(target, crop, edge, fill="edge")
    inside = warp(hole, crop, edge, filter="nearest") > 0
    if inside.sum() < 30:
        return "the hole is too small to measure"
    band = _grown(inside, _BAND) & ~inside
    clean = warp(sample.clean, crop, edge, fill="edge")
    box = None if judge is None else judge.find(clean)
    person = None if judge is None or box is None else judge.embed(clean, box)
    found: dict[str, dict[str, float]] = {}
    shown = [truth]
    whole = true_texture(face, sample.clean, composites.tools)
    textures = {}
    for name, system in systems.items():
        try:
            made = system(face, composites.tools)
            textures[name] = made.texture
            pixels = warp(made.pixels, crop, edge, fill="edge")
        except WholeFaceError as error:
            return f"{name}: {error}"
        row = {
            "PSNR": psnr(pixels, truth, inside),
            "SSIM": ssim(pixels, truth, inside),
            "ΔE": delta_e(pixels, truth, inside),
            "ΔE of the mean": delta_e_of_means(pixels, truth, inside),
            "band PSNR": psnr(pixels, truth, band),
        }
        if judge is not None and box is not None and person is not None:
            row["identity"] = float(np.linalg.norm(judge.embed(pixels, box) - person))
        found[name] = row
        if name != OCCLUDED:
            shown.append(pixels)
        else:
            shown.insert(0, pixels)
    _compare_textures(textures, whole, found)
    return _kinds(composite), found, np.concatenate(shown, axis=1)


def _compare_textures(
    textures: Mapping[str, CompletedTexture | None],
    whole: CompletedTexture,
    found: dict[str, dict[str, float]],
) -> None:
    """Add the colour difference on the texels that the clean photo shows and the occluded one does not."""
    plain = textures[RENDERING]
    if plain is None:
        return
    hidden = (whole.provenance == Provenance.OBSERVED) & (whole.confidence > 0.7)
    hidden &= plain.provenance != Provenance.OBSERVED
    if hidden.sum() < 50:
        return
    for name, texture in textures.items():
        if texture is not None:
            found[name]["texture ΔE"] = delta_e(texture.texture, whole.texture, hidden)


def _kinds(composite: Composite) -> tuple[str, ...]:
    """What hides the face, by the designs' names and the lenses."""
    from .....perceive import EyewearPart, OccluderKind

    inside = composite.kind[composite.sample.face & (composite.kind > 0)]
    kinds = []
    for code in np.unique(inside):
        if (inside == code).sum() < 20:
            continue
        name = OccluderKind(int(code)).name.lower()
        if name in ("glasses", "sunglasses"):
            dark = (composite.lens == EyewearPart.DARK_LENS).sum() > (
                composite.lens == EyewearPart.CLEAR_LENS
            ).sum()
            name = "clear glasses" if not dark else ("sunglasses" if _opaque(composite) else "tinted glasses")
        kinds.append(name)
    return tuple(dict.fromkeys(kinds))


def _opaque(composite: Composite) -> bool:
    """Whether hardly anything of the clean photo's contrast is left behind the dark lenses."""
    from .....perceive import EyewearPart

    lens = composite.lens == EyewearPart.DARK_LENS
    one, other = (
        image[lens].astype(np.float64).mean(axis=1)
        for image in (composite.sample.image, composite.sample.clean)
    )
    spread = one.std() * other.std()
    return bool(spread == 0 or abs(np.mean((one - one.mean()) * (other - other.mean())) / spread) < 0.5)


def _grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_dilation

    grown: NDArray[np.bool_] = binary_dilation(mask, iterations=by)
    return grown


def _mean(rows: Sequence[Mapping[str, float]], measure: str) -> float:
    told = [row[measure] for row in rows if measure in row]
    return float(np.mean(told)) if told else float("nan")


def _table(values: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]], kind: str, mask: str) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (name, len(by[kind]), *(_mean(by[kind], m) for m in _MEASURES)) for name, by in values.items()
    ]
    columns = (
        ("in the hole", ""), ("n", "d"), ("PSNR dB", ".2f"), ("SSIM", ".3f"), ("ΔE", ".2f"),
        ("ΔE of the mean", ".2f"), ("band PSNR dB", ".2f"), ("identity distance", ".3f"),
        ("texture ΔE", ".2f"),
    )  # fmt: skip
    notes = [
        f"Masks: {'the true ones' if mask == 'true' else 'those that the method finds'}.",
        "Identity: distance of a public face-recognition network's vectors to that of the clean photo; 0.6 is its "
        "usual limit for one person." if any("identity" in r for r in values[NETWORK][kind]) else
        "Identity was not measured: face-recognition-models and dlib-bin are not installed.",
    ]  # fmt: skip
    return Table("What fills the hole, all occluders", columns, rows, notes)


def _by_kind(
    values: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]],
    pairs: Mapping[str, Sequence[tuple[float, float]]],
) -> list[Table]:
    kinds = [kind for kind in _KINDS if values[NETWORK].get(kind)]
    names = list(values)
    rows: list[tuple[Cell, ...]] = [
        (kind, len(values[NETWORK][kind]), *(_mean(values[n][kind], "PSNR") for n in names)) for kind in kinds
    ]
    tables = [
        Table(
            "Texture of the head by kind, ΔE on texels that only the clean photo shows",
            (
                ("kind", ""),
                ("n", "d"),
                (RENDERING, ".2f"),
                *((n, ".2f") for n in names if n not in _NO_TEXTURE),
            ),
            [
                (
                    kind,
                    sum("texture ΔE" in row for row in values[RENDERING][kind]),
                    _mean(values[RENDERING][kind], "texture ΔE"),
                    *(_mean(values[n][kind], "texture ΔE") for n in names if n not in _NO_TEXTURE),
                )
                for kind in kinds
            ],
        ),
        Table("PSNR in the hole by kind, dB", (("kind", ""), ("n", "d"), *((n, ".2f") for n in names)), rows),
    ]
    if pairs:
        told = [kind for kind in (*kinds, _ALL) if pairs.get(kind)]
        nearer: list[tuple[Cell, ...]] = [
            (
                kind, len(pairs[kind]), float(np.mean([a for a, _ in pairs[kind]])),
                float(np.mean([b for _, b in pairs[kind]])), float(np.mean([a < b for a, b in pairs[kind]])),
            )
            for kind in told
        ]  # fmt: skip
        columns = (("kind", ""), ("n", "d"), (NETWORK, ".3f"), (RENDERING, ".3f"), ("network nearer", ".0%"))
        tables.append(Table("Identity distance to the clean photo", columns, nearer))
    return tables


def _sheet(strips: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The strips below each other, half as large."""
    small = [
        (s.reshape(s.shape[0] // 2, 2, s.shape[1] // 2, 2, 3).mean(axis=(1, 3))).astype(np.uint8)
        for s in strips
    ]
    return np.concatenate(small)


def _named(networks: Sequence[str]) -> dict[str, Path]:
    found = {}
    for word in networks:
        name, equals, file = word.partition("=")
        if not equals or not name or not file:
            raise UsageError(f"network {word!r}: expected NAME=FILE, e.g. 'no rendering=runs/x.safetensors'")
        found[name] = Path(file)
    return found


def _judge() -> FaceEmbedder | None:
    import importlib.util

    if any(importlib.util.find_spec(package) is None for package in PACKAGES):
        return None
    return DlibEmbedder()


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mask",
        choices=("true", "found"),
        default="true",
        help="whose masks: the true ones, or those that are found",
    )
    parser.add_argument(
        "--network", action="append", default=[], dest="networks", metavar="NAME=FILE",
        help="another network beside the shipped one (again and again)",
    )  # fmt: skip


PROTOCOL = Protocol(
    name="deocclusion",
    title="De-occlusion of composites",
    summary="how well what hides a face is taken away: PSNR, SSIM, colour and identity in the hole, by kind",
    source="",
    run=run,
    add_arguments=_arguments,
    needs_data=True,
    material=".",
)
