"""Truth that can be rendered: ``wholeface bench rendered``.

Held-out synthetic subjects, whom no training ever met, in images as the data engine makes them, each one clean and
behind something of the held-out occluders. The true neutral head is the scan: points spread evenly over its skin,
inside the region of NoW and aligned as there. Each prediction is aligned once, on the whole region; then its
distances are told apart by where the point lay in the occluded image:

- ``whole``: the region of NoW;
- ``seen``: on the face, turned to the camera, behind nothing;
- ``hidden``: on the face, turned to the camera, behind an occluder;
- ``turned away``: on the face, on the far side of the head.

The parts are the same points for the clean and for the occluded image, so their rows can be compared.

A second table scales the identity that our system found from 0 (the mean face) to 1.25. A system whose best factor is
0 has learned nothing about identity, and the table says so.

These subjects come from the model that our own fit uses, so that no part of their shape lies outside of it: this
flatters every system that uses the model. Read it as an upper bound, and as a test whether occluders do harm.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .....core.errors import UsageError
from ...heads.scan_results import Found, Results, Scan, attempt, curve_plot, image_or_note, measure
from ...metrics.cumulative import quantiles
from ...metrics.scan_distance import SEVEN, face_region
from ...protocol import Protocol, Report, RunOptions
from ...systems import HeadSystem, load_systems
from .sweep import FACTORS, Sweep, sweep_tables

if TYPE_CHECKING:
    from .....morphable import MorphableModel
    from ....data.engine import FaceEngine
    from ....data.samples.sample import FaceSample

__all__ = ["INPUTS", "PARTS", "PROTOCOL", "Truth", "run", "truth_of"]

Array = NDArray[np.float64]

INPUTS = ("clean", "occluded")
PARTS = ("whole", "seen", "hidden", "turned away")
_QUICK, _USUAL = 4, 40
_SEED = 660_000  # of the test split
_SIZE = 256
_LEAST = 20  # points in a part
_BEHIND = 3.0  # mm behind the first surface: hidden by the head itself
_HEAT_TOP = 4.0


@dataclass(frozen=True, eq=False)
class Truth:
    """A person's true head, as points.

    Args:
        scan: points of the neutral skin inside the region, mm, and the seven landmarks.
        parts: name of ``PARTS`` -> (P,) bool.
        corners: (P, 3) vertices of the model around each point; ``weights``: (P, 3) barycentric.
    """

    scan: Scan
    parts: Mapping[str, NDArray[np.bool_]]
    corners: NDArray[np.int64]
    weights: Array


def truth_of(model: MorphableModel, sample: FaceSample, points: int, seed: int) -> Truth:
    """The true head of a rendered sample.

    Args:
        model: the face model it was made with.
        sample: with geometry (``depth``) and the occluder laid over it.
        points: on the skin, evenly spread by area; those outside the region are dropped.
        seed: of the spreading.

    Raises:
        UsageError: the sample has no geometry.
    """
    import torch

    from .....render import rotation_matrix

    if sample.depth is None or "geometry" not in sample.known or model.landmarks_68 is None:
        raise UsageError("the truth of an image needs a rendered sample with geometry")
    told = {name: torch.from_numpy(np.array(value)) for name, value in sample.parameters.items()}
    neutral = model.vertices(told["identity"]).double()
    posed = model.vertices(told["identity"], told["expression"]).double()
    seven = model.landmarks_68.points(neutral, model.triangles).numpy()[list(SEVEN)]
    skin = model.regions["skin"].numpy()
    triangles = model.triangles.numpy()
    triangles = triangles[skin[triangles].all(axis=1)]
    shape = neutral.numpy()
    a, b, c = (shape[triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    centre, radius = face_region(seven)
    area[np.linalg.norm((a + b + c) / 3 - centre, axis=1) > radius + 5] = 0
    rng = np.random.default_rng([seed, *sample.seed])
    # One draw per equal piece of area, in the mesh's order: more even than free draws
    place = (np.arange(points) + rng.random(points)) / points * area.sum()
    chosen = np.minimum(np.searchsorted(np.cumsum(area), place), len(triangles) - 1)
    corners, weights = triangles[chosen], rng.dirichlet([1.0, 1.0, 1.0], points)
    cloud = (shape[corners] * weights[..., None]).sum(axis=1)
    kept = np.linalg.norm(cloud - centre, axis=1) <= radius
    corners, weights, cloud = corners[kept], weights[kept], cloud[kept]
    turn = rotation_matrix(told["rotation"].double()).numpy()
    camera = posed.numpy() @ turn.T + told["translation"].double().numpy()
    seen_at = (camera[corners] * weights[..., None]).sum(axis=1)
    p, q, r = (camera[corners[:, k]] for k in range(3))
    self_visible = (np.cross(q - p, r - p) * -seen_at).sum(axis=1) > 0
    depth = -seen_at[:, 2]
    focal, cx, cy = (float(sample.parameters[name]) for name in ("focal", "cx", "cy"))
    column = np.rint(cx + focal * seen_at[:, 0] / depth).astype(int)
    row = np.rint(cy - focal * seen_at[:, 1] / depth).astype(int)
    inside = (column >= 0) & (column < sample.size) & (row >= 0) & (row < sample.size)
    column, row = np.clip(column, 0, sample.size - 1), np.clip(row, 0, sample.size - 1)
    first = sample.depth[row, column]
    self_visible &= inside & (depth <= first + _BEHIND)
    occluded = sample.occluder[row, column] > 0
    face = model.regions["face"].numpy()[corners].all(axis=1)
    parts = {
        "whole": np.ones(len(cloud), dtype=bool),
        "seen": face & self_visible & ~occluded,
        "hidden": face & self_visible & occluded,
        "turned away": face & ~self_visible,
    }
    return Truth(Scan(cloud, seven), parts, corners, weights)


def run(
    options: RunOptions,
    *,
    points: int = 4000,
    factors: Sequence[float] = FACTORS,
    size: int = _SIZE,
) -> Report:
    """Compare systems on rendered subjects.

    Args:
        options: see :class:`RunOptions`; ``data`` is a folder of source material for hair and occluders (with
            ``occluders/``), None: procedural ones; ``count`` subjects.
        points: of each true head.
        factors: on the identity, for the second table; 0 among them.
        size: edge of the images in pixels.

    Raises:
        UsageError: wrong options.
    """
    from .....morphable import load_model
    from ....data.engine import EngineSettings, FaceEngine
    from ....data.synthetic.faces import SyntheticSettings

    count = options.count if options.count is not None else _QUICK if options.quick else _USUAL
    if count < 1 or points < 100 or 0.0 not in factors:
        raise UsageError(
            "rendered truth needs at least 1 person, 100 points, and the factor 0 (the mean face)"
        )
    points = min(points, 1500) if options.quick else points
    model = load_model()
    settings = EngineSettings(portraits=0.0, clean=0.0, synthetic=SyntheticSettings(geometry=True))
    engine = FaceEngine(
        options.data,
        seed=_SEED + options.seed,
        size=size,
        split=options.occluded_split,
        settings=settings,
        model=None,
    )
    systems = load_systems(["mean face", *(n for n in options.systems if n != "mean face")], model=model)
    groups = [f"{image}, {part}" for image in INPUTS for part in PARTS]
    results = Results([system.name for system in systems], {group: [] for group in groups})
    sweep = Sweep(model, tuple(factors))
    heat = {system.name: _Heat(model.vertex_count) for system in systems}
    occluded = []
    for number in range(count):
        sample, reason = attempt(engine.sample, number)
        person = f"person {number + 1}"
        if sample is None:
            results.miss(person, "", reason)
            for image in INPUTS:
                results.expect(f"{image}, whole", person)
            continue
        truth = truth_of(model, sample, points, options.seed)
        front = truth.parts["seen"] | truth.parts["hidden"]
        occluded.append(float(truth.parts["hidden"].sum() / max(front.sum(), 1)))
        sweep.meet(person, sample, truth.scan)
        for image, pixels in zip(INPUTS, (sample.clean, sample.image)):
            for system in systems:
                _compare(results, sweep, heat, system, image, pixels, person, truth)
            for part in PARTS:
                if truth.parts[part].sum() >= _LEAST:
                    results.expect(f"{image}, {part}", person)
    return _report(results, sweep, heat, model, engine, options, count, points, occluded)


class _Heat:
    """Mean distance at each vertex of the model."""

    def __init__(self, count: int) -> None:
        self._sums, self._weights = np.zeros(count), np.zeros(count)

    def add(self, truth: Truth, distances: Array) -> None:
        np.add.at(self._sums, truth.corners, truth.weights * distances[:, None])
        np.add.at(self._weights, truth.corners, truth.weights)

    def values(self) -> Array:
        known = self._weights > 0
        return np.where(known, self._sums / np.where(known, self._weights, 1), np.nan)


def _compare(
    results: Results,
    sweep: Sweep,
    heat: Mapping[str, _Heat],
    system: HeadSystem,
    image: str,
    pixels: NDArray[np.uint8],
    person: str,
    truth: Truth,
) -> None:
    prediction, reason = attempt(system.predict, pixels)
    result = None
    if prediction is not None:
        result, reason = attempt(measure, prediction, truth.scan)
    if prediction is None or result is None:
        results.miss(f"{person}, {image}", system.name, reason)
        return
    distances = np.full(len(truth.scan.vertices), np.nan)
    distances[result.inside] = result.distances
    for part, mask in truth.parts.items():
        if mask.sum() >= _LEAST:
            mine = distances[mask & np.isfinite(distances)].astype(np.float32)
            results.found.append(
                Found(
                    person,
                    person,
                    f"{image}, {part}",
                    system.name,
                    "similarity",
                    mine,
                    result.alignment.scale,
                    result.converged,
                )
            )
    if image == "occluded":
        heat[system.name].add(truth, np.nan_to_num(distances))
    if system.name != "mean face":
        sweep.add(system.name, image, person, prediction)


def _report(
    results: Results,
    sweep: Sweep,
    heat: Mapping[str, _Heat],
    model: MorphableModel,
    engine: FaceEngine,
    options: RunOptions,
    count: int,
    points: int,
    occluded: Sequence[float],
) -> Report:
    share = float(np.mean(occluded)) if occluded else float("nan")
    images: dict[str, NDArray[np.uint8]] = {}
    notes = [
        f"{count} rendered subjects; the occluders hide {share:.0%} of the face that is turned to the camera",
        "subjects from the model that wholeface fits: flattering for it, see the protocol's description",
    ]
    table, metrics = results.table(
        "similarity",
        "Rendered truth: distance from the true head",
        "image, part",
        options.seed,
        notes,
        False,
    )
    swept, more, lines = sweep_tables(sweep, options.seed)
    for image in INPUTS:
        found = {s: results.chosen(s, "similarity", f"{image}, whole") for s in results.systems}
        curves = {s: quantiles([f.distances for f in rows]) for s, rows in found.items() if rows}
        if curves:
            name = f"rendered_cumulative_{image}"
            image_or_note(name, images, notes, curve_plot, curves, f"Rendered truth, {image}")
    for system, values in heat.items():
        if np.isfinite(values.values()).any():
            name = f"rendered_heat_{system.replace(' ', '_')}"
            image_or_note(name, images, notes, _heat_map, model, values.values(), system)
    if lines:
        image_or_note("rendered_shrinkage", images, notes, _lines_plot, lines)
    settings = {
        "subjects": count,
        "points": points,
        "seed": engine.synthetic.seed,
        "size": engine.size,
        "split": options.split,
        "source material": options.data.name if options.data is not None else "procedural",
        "hidden share": share,
        "factors": list(sweep.factors),
    }
    files = {"rendered_per_photo.csv": results.csv()} if results.found else {}
    return Report([table, *swept], [*metrics, *more], images, results.missing, settings, files)


def _heat_map(model: MorphableModel, values: Array, system: str) -> NDArray[np.uint8]:
    from ...report.plots import heat_map

    title = f"{system}: mean distance from the true head, occluded images"
    return heat_map(model.mean.double().numpy(), model.triangles.numpy(), values, "mm", _HEAT_TOP, title)


def _lines_plot(lines: Mapping[str, tuple[Array, Array, Array | None]]) -> NDArray[np.uint8]:
    from ...report.plots import lines_plot

    return lines_plot(
        lines,
        "factor on the identity found (0 = mean face)",
        "median distance, change from the mean face (mm)",
        "The identity found, scaled: below 0 is better than the mean face",
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--points", type=int, default=4000, help="on each true head")
    parser.add_argument("--size", type=int, default=_SIZE, help="edge of the images in pixels")


PROTOCOL = Protocol(
    name="rendered",
    title="Ground truth that can be rendered",
    summary="held-out synthetic subjects, clean and behind held-out occluders: whole, seen, hidden part; shrinkage",
    source="",
    run=run,
    add_arguments=_arguments,
)
