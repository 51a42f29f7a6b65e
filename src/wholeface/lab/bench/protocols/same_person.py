"""What several photos of one person are worth: ``wholeface bench same-person``.

Rendered subjects of the test split, each in several images with other expressions, poses and light. The neutral shape
of one photo's fit, and of one fit of n photos, is compared with the truth: mean distance of the face's vertices after
rigid alignment. The landmark fit alone, and the whole method with its refinement.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import UsageError, WholeFaceError
from ....core.umeyama import umeyama
from ....morphable import MorphableModel
from ....photo import Photo
from ....reconstructor import Reconstructor
from ....stages.shape.landmark_fit.fit import fit_landmarks
from ....stages.shape.shared_identity import identity_of_subject
from ..metrics.discrepancy import half_width
from ..protocol import Metric, Protocol, Report, RunOptions
from ..report.table import Table
from ..sets.identity import SyntheticSubjects

__all__ = ["PHOTOS", "PROTOCOL", "neutral_error", "run"]

Array = NDArray[np.float64]
PHOTOS = (1, 2, 4)
"""Photos that go into one fit."""


def neutral_error(model: MorphableModel, fitted: Array, truth: Array) -> float:
    """Mean distance in mm between the neutral faces of two identities, rigidly aligned.

    Args:
        model: face model; its region ``face`` is compared.
        fitted, truth: (K',) identity coefficients, K' at most the model's.
    """
    face = model.regions["face"].numpy()
    shapes = [_neutral(model, identity)[face] for identity in (fitted, truth)]
    _, rotation, translation = umeyama(shapes[0], shapes[1], scaled=False)
    return float(np.linalg.norm(shapes[0] @ rotation.T + translation - shapes[1], axis=1).mean())


def _neutral(model: MorphableModel, identity: Array) -> Array:
    whole = torch.zeros(model.identity_size, dtype=model.mean.dtype)
    whole[: len(identity)] = torch.from_numpy(np.asarray(identity)).to(whole)
    return np.asarray(model.vertices(whole).double().numpy())


def run(options: RunOptions, *, whole: bool = True) -> Report:
    """See the module's docstring.

    Args:
        options: ``count``: subjects (24, or 4 where it should be quick).
        whole: measure the whole method too, not the landmark fit alone.

    Raises:
        UsageError: fewer than two subjects.
    """
    count = options.count or (4 if options.quick else 24)
    if count < 2:
        raise UsageError(f"--count {count}: at least 2 subjects")
    most = max(PHOTOS)
    subjects = SyntheticSubjects(count, most, options.seed)
    reconstructor = Reconstructor(texture_size=64)
    model = reconstructor.model
    errors: dict[tuple[str, int], list[float]] = {}
    lost = 0
    for first in range(0, count * most, most):
        truth = subjects.identity(first).astype(np.float64)
        photos = [Photo(subjects.pixels(first + k)) for k in range(most)]
        seen = [photo for photo in photos if reconstructor.detector.detect(photo.pixels)]
        lost += most - len(seen)
        if len(seen) < most:
            continue
        errors.setdefault(("mean face", 1), []).append(neutral_error(model, np.zeros(1), truth))
        for n in PHOTOS:
            results = {"landmark fit": [_landmarks(reconstructor, part) for part in _parts(photos, n)]}
            if whole:
                results["whole method"] = [_whole(reconstructor, part) for part in _parts(photos, n)]
            for name, found in results.items():
                each = [neutral_error(model, identity, truth) for identity in found]
                errors.setdefault((name, n), []).append(float(np.mean(each)))
    if not errors:
        raise UsageError("no subject was found in all of its images; try another --seed or a larger --count")
    base = float(np.mean(errors["mean face", 1]))
    rows, metrics = [], []
    for (name, n), values in errors.items():
        width = half_width(values, seed=options.seed)
        mean = float(np.mean(values))
        rows.append((name, n, len(values), mean, width, mean / base))
        metrics.append(
            Metric(
                "neutral shape, mean distance", name, f"{n} photos in one fit", mean, "mm", "lower", width,
                "95 % bootstrap half-width over subjects", len(values), count,
            )
        )  # fmt: skip
    columns = (("fit", ""), ("photos", "d"), ("subjects", "d"), ("mm", ".3f"), ("±", ".3f"), ("ratio", ".3f"))
    table = Table(
        "Several photos of one person in one fit",
        columns,
        rows,
        notes=[
            f"ratio: over the mean face. {lost} of {count * most} images without a found face; their subjects are "
            "left out."
        ],
    )
    return Report(
        [table], metrics, settings={"subjects": count, "photos": list(PHOTOS), "seed": options.seed}
    )


def _parts(photos: Sequence[Photo], size: int) -> list[Sequence[Photo]]:
    return [photos[k : k + size] for k in range(0, len(photos), size)]


def _whole(reconstructor: Reconstructor, photos: Sequence[Photo]) -> Array:
    """(K,) identity of the whole method."""
    found = reconstructor.same_person(photos)[0]
    if isinstance(found, WholeFaceError):
        raise found
    return np.asarray(found.parameters.identity.double().numpy())


def _landmarks(reconstructor: Reconstructor, photos: Sequence[Photo]) -> Array:
    """(K,) identity of the landmark fits, combined."""
    model = reconstructor.model
    fits = [
        fit_landmarks(model, reconstructor.detector.detect(photo.pixels)[0], photo.width, photo.height)
        for photo in photos
    ]
    return identity_of_subject(model, fits, fits[0].scheme)[0]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--landmarks-only",
        dest="whole",
        action="store_false",
        help="without the whole method, which takes most of the time",
    )


PROTOCOL = Protocol(
    name="same-person",
    title="Several photos of one person in one fit",
    summary="what several photos of one person are worth, in one fit",
    source="",
    run=run,
    add_arguments=_add_arguments,
)
