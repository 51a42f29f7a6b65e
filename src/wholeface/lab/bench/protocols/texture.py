"""Colours of what is hidden: ``wholeface bench texture``.

Clean photos of faces that no network learned from; parts of each are declared hidden, and the face is fitted,
lit and completed from the rest. Colours at the vertices of the face mesh are compared with those of the whole photo,
where the photo shows them and the completion did not see them, and where it did.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError, WholeFaceError
from ....morphable import load_model
from ....stages import FaceState, Tools
from ....stages.texture.graph import RefineSettings, vertex_colours
from ....stages.texture.graph_refinement import GraphRefinement
from ...data.vertex_colours.build import HiddenFaces, hidden_faces, perceived
from ...data.vertex_colours.errors import ColourError, colour_error
from ...data.vertex_colours.hiding import HIDINGS
from ...data.vertex_colours.photos import ColourPhoto, colour_photos
from ...data.vertex_colours.store import held_out
from ..metrics.discrepancy import half_width
from ..protocol import Metric, Missing, Protocol, Report, RunOptions, Split
from ..report.table import Cell, Table

__all__ = ["PROTOCOL", "SYSTEMS", "photos_of", "run"]

SYSTEMS = ("fitted model", "completion", "completion, refined by graph convolutions")
"""Who is compared: the coarse colours as published, what completion makes of them, and the fine ones."""

_Errors = dict[tuple[str, str, str], list[tuple[str, ColourError]]]
"""(system, part, hidden or seen) -> photo and error of each sample."""


def photos_of(photos: Sequence[ColourPhoto], split: Split) -> list[ColourPhoto]:
    """The photos that are kept apart from training, in two halves by a hash of their names."""
    half = int(split == "test")
    return [p for p in photos if held_out(p.name) and crc32(p.name.encode()) // 5 % 2 == half]


def run(options: RunOptions, *, network: str = "texture_graph", strength: float = 1.0) -> Report:
    """See the module's docstring.

    Args:
        options: ``data`` is the folder of source material; ``count``: photos at most (all, or 2 where it should be
            quick).
        network: that refines, as :meth:`wholeface.stages.Networks.load` takes it.
        strength: factor on what it changes.

    Raises:
        UsageError: no photo could be used.
        DataError: no photos in ``data``.
        ModelFileError: the network's weights are missing.
    """
    assert options.data is not None
    tools = Tools(load_model("wholeface"), seed=options.seed)
    stage = GraphRefinement(RefineSettings(strength=strength), network)
    stage.prepare(tools)
    photos = photos_of(colour_photos(options.data), options.split)[
        : options.count or (2 if options.quick else None)
    ]
    errors: _Errors = {}
    missing: list[Missing] = []
    for photo in photos:
        try:
            faces = hidden_faces(photo.name, perceived(photo, tools), HIDINGS, tools, options.seed)
        except WholeFaceError as error:
            missing.append(Missing(photo.name, "", str(error)))
            continue
        if faces is None:
            missing.append(Missing(photo.name, "", "it shows too little of the face, or has no colours"))
            continue
        _compare(faces, stage, tools, errors)
    if not errors:
        raise UsageError("none of the photos could be used; take another folder or a larger --count")
    used = len(photos) - len(missing)
    tables, metrics = _told(errors, used, len(photos), options.seed)
    return Report(
        tables,
        metrics,
        missing=missing,
        settings={
            "photos": used,
            "split": options.split,
            "seed": options.seed,
            "network": network,
            "strength": strength,
        },
    )


def _compare(faces: HiddenFaces, stage: GraphRefinement, tools: Tools, errors: _Errors) -> None:
    refined = stage(faces.states, tools)
    for kind, state, seen, level in zip(faces.kinds, refined, faces.colours, faces.levels):
        found = (seen.model, seen.colours, _colours(state))
        weights = {"hidden": faces.trust * (1 - seen.observed), "seen": faces.trust * seen.observed}
        for where, weight in weights.items():
            for system, colours in zip(SYSTEMS, found):
                error = colour_error(colours, faces.target + level, weight)
                for part in (kind, "all"):
                    errors.setdefault((system, part, where), []).append((faces.name, error))


def _colours(state: FaceState) -> NDArray[np.float32]:
    assert state.fit is not None
    assert state.texture is not None
    found = vertex_colours(state.fit.model, state.texture, state.fit.parameters).colours
    return np.asarray(found, np.float32)


def _told(errors: _Errors, used: int, total: int, seed: int) -> tuple[list[Table], list[Metric]]:
    """Tables of hidden and of seen vertices, and the numbers one by one, the hidden ones first."""
    columns = (
        ("part", ""), ("colours", ""), ("samples", "d"), ("ΔE", ".2f"), ("±", ".2f"), ("ΔE of the mean", ".2f"),
        ("RMSE", ".1f"), ("better", ".0%"),
    )  # fmt: skip
    tables, metrics = [], []
    for where in ("hidden", "seen"):
        rows: list[tuple[Cell, ...]] = []
        for part in ("all", *HIDINGS):
            if (SYSTEMS[0], part, where) not in errors:
                continue
            base = [e.delta_e for _, e in errors[SYSTEMS[1], part, where]]
            for system in SYSTEMS:
                found = errors[system, part, where]
                values = np.array([(e.delta_e, e.delta_e_mean, e.rmse) for _, e in found])
                mean = np.nanmean(values, axis=0)
                width = half_width(_by_photo(found), seed=seed)
                better = None if system == SYSTEMS[1] else float((values[:, 0] < np.array(base)).mean())
                rows.append((part, system, len(found), mean[0], width, mean[1], mean[2], better))
                for name, value, unit in zip(
                    ("ΔE", "ΔE of the mean", "RMSE"), mean, ("1", "1", "sRGB levels")
                ):
                    metrics.append(
                        Metric(
                            f"colour of {where} vertices, {name}", system, part, float(value), unit, "lower",
                            width if name == "ΔE" else float("nan"),
                            "95 % bootstrap half-width over photos" if name == "ΔE" else "", used, total,
                        )
                    )  # fmt: skip
        tables.append(
            Table(
                f"Colours at {where} vertices of the face",
                columns,
                rows,
                notes=[
                    "ΔE: CIE 1976, mean over vertices and samples; ± over photos. better: share of samples with a "
                    "smaller ΔE than completion. The target is the whole photo's texture at the sample's "
                    "level of light."
                ],
            )
        )
    return tables, metrics


def _by_photo(found: Sequence[tuple[str, ColourError]]) -> list[float]:
    """Mean ΔE of each photo."""
    values: dict[str, list[float]] = {}
    for name, error in found:
        if np.isfinite(error.delta_e):
            values.setdefault(name, []).append(error.delta_e)
    return [float(np.mean(v)) for v in values.values()]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--network", default="texture_graph", metavar="NAME", help="network that refines, or its weight file"
    )
    parser.add_argument("--strength", type=float, default=1.0, help="factor on what it changes (default: 1)")


PROTOCOL = Protocol(
    name="texture",
    title="Colours of hidden parts",
    summary="colours of hidden parts: fitted model, completion, graph-convolutional refinement",
    source="",
    run=run,
    add_arguments=_add_arguments,
    needs_data=True,
    material=".",
)
