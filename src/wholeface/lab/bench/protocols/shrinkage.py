"""Does the fitted identity beat the mean face, and at what factor: ``wholeface bench shrinkage``.

Two tables. On held-out synthetic faces (rendered, found, fitted) the neutral identity is scaled by a factor, 0 being
the mean face, and compared with the truth as NoW does; once, where mediapipe is installed, for the fit of its
landmarks alone, which is told nothing about the occluder, and once, on half of the faces, for the whole method with
the shipped detector. On video frames of real people
there is no truth, but the same person should get the same shape: the spread between subjects is divided by the spread
within.
A system whose best factor is 0, or whose ratio is near 1, has learned nothing about identity.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import NoFaceError, UsageError
from ....morphable import MorphableModel, load_model
from ....perceive import FaceLandmarks, LandmarkDetector, MediapipeDetector, load_detector
from ....photo import read_photo
from ....reconstructor import Reconstructor
from ....stages.shape import LandmarkFitSettings, fit_landmarks
from ...modelling.landmarks478.samples import DetectionSet, detections
from ...modelling.landmarks478.views import ViewSettings, random_view
from ..metrics.identity_spread import Spread, spread
from ..metrics.scan_error import SEVEN, scan_distances
from ..protocol import Metric, Protocol, Report, RunOptions
from ..report.table import Table

__all__ = [
    "FACTORS",
    "PROTOCOL",
    "SweepRow",
    "landmark_identities",
    "method_identities",
    "run",
    "same_person",
    "sweep",
]

Array = NDArray[np.float64]

FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
"""What the fitted identity is multiplied by; 0 is the mean face."""
_HELD_OUT_SEED = 770_001  # far from the seeds that the model's noise statistics were rendered with
_POINTS = 500
_SUBJECTS = (
    ("subjects", "d"),
    ("frames", "d"),
    ("without a face", "d"),
    ("between mm", ".2f"),
    ("within mm", ".2f"),
    ("ratio", ".2f"),
)


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
    model: MorphableModel, samples: DetectionSet, *, known: bool, settings: LandmarkFitSettings | None = None
) -> Array:
    """(N, K) identities of the landmark fit alone.

    Args:
        model: face model.
        samples: detections.
        known: whether the fit knows which points lie behind an occluder (what a perfect mask would tell it).
        settings: of the fit; None takes the shipped ones.
    """
    rows = []
    for i in range(len(samples)):
        size = int(samples.size[i])
        hidden = samples.occluded[i].astype(np.float64) if known else None
        fit = fit_landmarks(model, _landmarks(samples, i), size, size, occluded=hidden, settings=settings)
        rows.append(fit.parameters.identity.double().numpy())
    return np.stack(rows)


def method_identities(
    model: MorphableModel, detector: LandmarkDetector, count: int, seed: int, settings: ViewSettings
) -> tuple[Array, Array]:
    """Fitted and true identities (N, K) of the whole method: landmarks, mask, second fit, photometric refinement.

    Images without a found face are left out.
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


def same_person(
    model: MorphableModel, data: Path, detector: LandmarkDetector, *, subjects: int = 60, images: int = 4
) -> tuple[Spread, int]:
    """Spread of the fitted neutral shapes over frames of the same subjects.

    Args:
        model: face model.
        data: folder with frames and ``points_68.npz`` (image, person).
        detector: landmarks are found anew on the frames.
        subjects: at most so many; ``images``: of each, from different clips where there are.

    Returns:
        The spread, and the number of frames without a face.

    Raises:
        UsageError: the folder has another layout.
    """
    index = data / "points_68.npz"
    if not index.exists():
        raise UsageError(f"{index}: no such file; the folder of video frames holds it beside the images")
    with np.load(index) as table:
        names, owners = table["image"], table["person"]
    face = model.regions["face"]
    shapes, missed = [], 0
    for person in np.unique(owners)[:subjects]:
        mine = names[owners == person]
        mine = mine[np.unique(np.linspace(0, len(mine) - 1, images).astype(int))]
        rows = []
        for name in mine:
            file = next(p for p in (data / str(name), data / f"{name}.jpg") if p.exists())
            pixels = read_photo(file).pixels
            found = detector.detect(pixels)
            if not found:
                missed += 1
                continue
            fit = fit_landmarks(model, found[0], pixels.shape[1], pixels.shape[0])
            rows.append(model.vertices(fit.parameters.identity)[face].double().numpy())
        if len(rows) >= 2:
            shapes.append(np.stack(rows))
    return spread(shapes), missed


def run(options: RunOptions) -> Report:
    """See the module's docstring.

    Args:
        options: ``data`` is a folder of video frames for the second table; ``count``: synthetic faces (80, or 4 where
            it should be quick).

    Raises:
        UsageError: fewer than two faces, or a folder of another layout.
    """
    count = options.count or (4 if options.quick else 80)
    if count < 2:
        raise UsageError(f"--count {count}: at least 2")
    model, detector = load_model(), load_detector()
    first = _HELD_OUT_SEED + 2 * options.seed
    sets = (("clean", first, ViewSettings()), ("occluded", first + 1, ViewSettings(occluded=1.0)))
    found: list[SweepRow] = []
    if importlib.util.find_spec("mediapipe") is not None:
        for name, seed, settings in sets:
            samples = detections(model, MediapipeDetector(), count, seed, settings)
            identities = landmark_identities(model, samples, known=False)
            found += sweep(model, identities, samples.identity, f"mediapipe's points, {name}")
    for name, seed, settings in sets:
        fitted, truth = method_identities(model, detector, max(2, count // 2), seed, settings)
        found += sweep(model, fitted, truth, f"whole method, {name}")
    known = {0.0: "mean face", 1.0: "shipped"}
    columns = (
        ("faces", ""), ("factor", ".2f"), ("count", "d"), ("median mm", ".3f"), ("mean mm", ".3f"), ("better", ".0%"),
        ("what", ""),
    )  # fmt: skip
    rows = [
        (r.faces, r.factor, r.count, r.median_mm, r.mean_mm, r.better, known.get(r.factor, "")) for r in found
    ]
    tables = [Table("Held-out synthetic faces: identity times a factor", columns, rows)]
    metrics = [
        Metric(
            "scan distance, median",
            {0.0: "mean face", 1.0: "wholeface"}.get(r.factor, f"wholeface × {r.factor:g}"),
            r.faces,
            r.median_mm,
            "mm",
            count=r.count,
        )
        for r in sorted(found, key=lambda r: not r.faces.startswith("whole"))
    ]
    if options.data is not None:
        by, missed = same_person(model, options.data, detector, subjects=8 if options.quick else 60)
        tables.append(
            Table(
                "Same person in video frames",
                _SUBJECTS,
                [(by.subjects, by.photos, missed, by.between_mm, by.within_mm, by.ratio)],
            )
        )
        metrics.append(
            Metric("between over within subjects", "wholeface", "video frames", by.ratio, "1", "higher")
        )
    return Report(tables, metrics, settings={"count": count, "factors": list(FACTORS)})


PROTOCOL = Protocol(
    name="shrinkage",
    title="Does the fitted identity beat the mean face?",
    summary="does the fitted identity beat the mean face, and at what factor",
    source="",
    run=run,
    material="video_faces",
)
