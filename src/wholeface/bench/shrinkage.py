"""Does the fitted identity beat the mean face, and at what strength: ``wholeface bench shrinkage``.

Two tables. On held-out synthetic faces (rendered, found, fitted) the neutral identity is scaled by a factor, 0 being
the mean face, and compared with the truth as NoW does; once, where mediapipe is installed, for the fit of its
landmarks alone, which is told nothing about the occluder, and once, on half of the faces, for the whole method with
the shipped detector. On video frames of real people
there is no truth, but the same person should get the same shape: the spread between people is divided by the spread
within.
A system whose best factor is 0, or whose ratio is near 1, has learned nothing about people.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import NoFaceError, UsageError
from ..fit import LandmarkFitSettings, fit_landmarks
from ..morphable import MorphableModel, load_model
from ..morphable.learn.landmarks478_samples import DetectionSet, detections
from ..morphable.learn.landmarks478_views import ViewSettings, random_view
from ..perceive import FaceLandmarks, LandmarkDetector, MediapipeDetector, load_detector
from ..photo import read_photo
from ..reconstructor import Reconstructor
from ._machine import machine_line
from ._scan_error import SEVEN, scan_distances

__all__ = [
    "FACTORS",
    "SpreadRatio",
    "SweepRow",
    "landmark_identities",
    "method_identities",
    "run",
    "same_person",
    "spread_ratio",
    "sweep",
]

Array = NDArray[np.float64]

FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
"""What the fitted identity is multiplied by; 0 is the mean face."""
_HELD_OUT_SEED = 770_001  # far from the seeds that the model's noise statistics were rendered with
_POINTS = 500


@dataclass(frozen=True)
class SweepRow:
    """One factor on one set of faces.

    Args:
        faces: name of the set.
        factor: on the fitted identity.
        count: faces.
        median_mm: median scan-to-mesh distance, averaged over faces.
        mean_mm: mean scan-to-mesh distance, averaged over faces.
        better: share of faces whose median is below the mean face's.
    """

    faces: str
    factor: float
    count: int
    median_mm: float
    mean_mm: float
    better: float


@dataclass(frozen=True)
class SpreadRatio:
    """Shapes of several pictures of each of several people.

    Args:
        people: how many; ``pictures``: of all of them; ``missed``: pictures in which no face was found.
        between_mm: root mean square distance of people's mean shapes from the mean of all.
        within_mm: root mean square distance of a picture's shape from its person's mean shape.
        ratio: of the two, corrected for the part of ``within`` that leaks into the means.
    """

    people: int
    pictures: int
    missed: int
    between_mm: float
    within_mm: float
    ratio: float


def sweep(
    model: MorphableModel, fitted: Array, truth: Array, name: str, factors: Sequence[float] = FACTORS
) -> list[SweepRow]:
    """Scan-to-mesh distance of fitted identities at each factor.

    Args:
        model: face model.
        fitted: (N, K) identity coefficients, the shipped shrinkage included.
        truth: (N, K).
        name: of the set, for the table.
        factors: 0 (the mean face) among them.
    """
    face = model.regions["face"].numpy()
    triangles = model.triangles.numpy()
    part = triangles[face[triangles].all(axis=1)]
    chosen = np.random.default_rng(0).choice(
        np.nonzero(face)[0], min(_POINTS, int(face.sum())), replace=False
    )
    found = np.zeros((len(fitted), len(factors), 2))
    for i in range(len(fitted)):
        true = model.vertices(torch.from_numpy(truth[i]).to(model.mean))
        scan, scan_seven = true.double().numpy()[chosen], _seven(model, true)
        for j, factor in enumerate(factors):
            shape = model.vertices(torch.from_numpy(fitted[i] * factor).to(model.mean))
            distance = scan_distances(
                shape.double().numpy(), part, _seven(model, shape), scan, scan_seven, iterations=4
            )
            found[i, j] = np.median(distance), distance.mean()
    zero = list(factors).index(0.0)
    return [
        SweepRow(
            name,
            factor,
            len(fitted),
            float(found[:, j, 0].mean()),
            float(found[:, j, 1].mean()),
            float((found[:, j, 0] < found[:, zero, 0]).mean()),
        )
        for j, factor in enumerate(factors)
    ]


def landmark_identities(
    model: MorphableModel, samples: DetectionSet, *, told: bool, settings: LandmarkFitSettings | None = None
) -> Array:
    """(N, K) identities of the landmark fit alone.

    Args:
        model: face model.
        samples: detections.
        told: whether the fit is told which points lie behind an occluder (what a perfect mask would tell it).
        settings: of the fit; None takes the shipped ones.
    """
    rows = []
    for i in range(len(samples)):
        size = int(samples.size[i])
        hidden = samples.occluded[i].astype(np.float64) if told else None
        fit = fit_landmarks(model, _landmarks(samples, i), size, size, occluded=hidden, settings=settings)
        rows.append(fit.parameters.identity.double().numpy())
    return np.stack(rows)


def method_identities(
    model: MorphableModel, detector: LandmarkDetector, count: int, seed: int, settings: ViewSettings
) -> tuple[Array, Array]:
    """Fitted and true identities (N, K) of the whole method: landmarks, mask, second fit, photometric refinement.

    Pictures without a found face are left out.
    """
    reconstructor = Reconstructor(model=model, detector=detector, texture_size=64)
    fitted, truth = [], []
    for i in range(count):
        view = random_view(model, np.random.default_rng([seed, i]), settings)
        try:
            head = reconstructor(view.pixels)
        except NoFaceError:
            continue
        fitted.append(head.parameters.identity.double().numpy())
        truth.append(view.identity.double().numpy())
    return np.stack(fitted), np.stack(truth)


def _landmarks(samples: DetectionSet, i: int) -> FaceLandmarks:
    points = samples.points[i]
    return FaceLandmarks(
        points=points,
        scheme="mediapipe478",
        box=np.concatenate([points.min(axis=0), points.max(axis=0)]),
        score=1.0,
        visibility=samples.visibility[i],
        sigma=samples.sigma[i],
    )


def _seven(model: MorphableModel, vertices: torch.Tensor) -> Array:
    if model.landmarks_68 is None:
        raise UsageError(f"face model {model.name!r} has no 68 landmarks")
    return model.landmarks_68.points(vertices.double(), model.triangles).numpy()[list(SEVEN)]


def spread_ratio(shapes: Sequence[Array], missed: int = 0) -> SpreadRatio:
    r"""Between-person over within-person spread.

    With :math:`s^2_w` the pooled variance within people and :math:`s^2_m` the variance of the people's means, the
    means carry :math:`s^2_w / n` of noise, so :math:`\text{ratio} = \sqrt{\max(s^2_m - s^2_w / n, 0) / s^2_w}`.

    Args:
        shapes: one (n, D) array per person, n ≥ 2 pictures, D = 3 × points in mm.
        missed: pictures without a face.

    Raises:
        UsageError: fewer than two people, or a person with one picture.
    """
    if len(shapes) < 2 or min(len(s) for s in shapes) < 2:
        raise UsageError("the spread needs at least two people with at least two pictures each")
    points = shapes[0].shape[1] / 3
    means = np.stack([s.mean(axis=0) for s in shapes])
    within = sum(((s - s.mean(axis=0)) ** 2).sum() for s in shapes) / sum(len(s) - 1 for s in shapes) / points
    spread = ((means - means.mean(axis=0)) ** 2).sum() / (len(shapes) - 1) / points
    leaked = within * float(np.mean([1 / len(s) for s in shapes]))
    between = max(spread - leaked, 0.0)
    return SpreadRatio(
        people=len(shapes),
        pictures=sum(len(s) for s in shapes),
        missed=missed,
        between_mm=float(np.sqrt(between)),
        within_mm=float(np.sqrt(within)),
        ratio=float(np.sqrt(between / within)) if within > 0 else float("inf"),
    )


def same_person(
    model: MorphableModel, data: Path, detector: LandmarkDetector, *, people: int = 60, pictures: int = 4
) -> SpreadRatio:
    """Spread of the fitted neutral shapes over frames of the same people.

    Args:
        model: face model.
        data: folder with frames and ``points_68.npz`` (image, person).
        detector: landmarks are found anew on the frames.
        people: at most so many; ``pictures``: of each, from different clips where there are.

    Raises:
        UsageError: the folder has another layout.
    """
    index = data / "points_68.npz"
    if not index.exists():
        raise UsageError(f"{index}: no such file; the folder of video frames holds it beside the pictures")
    with np.load(index) as table:
        names, owners = table["image"], table["person"]
    face = model.regions["face"]
    shapes, missed = [], 0
    for person in np.unique(owners)[:people]:
        mine = names[owners == person]
        mine = mine[np.unique(np.linspace(0, len(mine) - 1, pictures).astype(int))]
        rows = []
        for name in mine:
            file = next(p for p in (data / str(name), data / f"{name}.jpg") if p.exists())
            pixels = read_photo(file).pixels
            found = detector.detect(pixels)
            if not found:
                missed += 1
                continue
            fit = fit_landmarks(model, found[0], pixels.shape[1], pixels.shape[0])
            rows.append(model.vertices(fit.parameters.identity)[face].double().numpy().ravel())
        if len(rows) >= 2:
            shapes.append(np.stack(rows))
    return spread_ratio(shapes, missed)


def run(*, count: int = 100, data: Path | None = None, json_file: Path | None = None) -> int:
    """Measure, print both tables, write JSON if asked; returns the exit code."""
    if count < 2:
        raise UsageError(f"--count {count}: at least 2")
    model, detector = load_model(), load_detector()
    covered_views = ViewSettings(occluded=1.0)
    print(machine_line())
    rows: list[SweepRow] = []
    if importlib.util.find_spec("mediapipe") is not None:
        for name, seed, settings in (
            ("mediapipe's points, clean", _HELD_OUT_SEED, None),
            ("mediapipe's points, covered", _HELD_OUT_SEED + 1, covered_views),
        ):
            samples = detections(model, MediapipeDetector(), count, seed, *([settings] if settings else []))
            rows += sweep(model, landmark_identities(model, samples, told=False), samples.identity, name)
    for name, seed, settings in (
        ("whole method, clean", _HELD_OUT_SEED, ViewSettings()),
        ("whole method, covered", _HELD_OUT_SEED + 1, covered_views),
    ):
        fitted, truth = method_identities(model, detector, max(2, count // 2), seed, settings)
        rows += sweep(model, fitted, truth, name)
    print(
        f"{'held-out synthetic faces':<28}{'factor':>7}{'faces':>7}{'median mm':>11}{'mean mm':>9}{'better':>8}"
    )
    for row in rows:
        note = "  mean face" if row.factor == 0 else "  shipped" if row.factor == 1 else ""
        print(
            f"{row.faces:<28}{row.factor:7.2f}{row.count:7d}{row.median_mm:11.3f}{row.mean_mm:9.3f}"
            f"{row.better:8.0%}{note}"
        )
    record: dict[str, object] = {"machine": machine_line(), "sweep": [asdict(row) for row in rows]}
    if data is not None:
        spread = same_person(model, data, detector)
        print(
            f"\nsame person, {spread.people} people, {spread.pictures} frames ({spread.missed} without a face): "
            f"between {spread.between_mm:.2f} mm, within {spread.within_mm:.2f} mm, ratio {spread.ratio:.2f}"
        )
        record["same_person"] = asdict(spread)
    if json_file is not None:
        json_file.write_text(json.dumps(record, indent=1) + "\n")
    return 0
