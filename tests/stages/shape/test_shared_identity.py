"""One identity from several photos of one subject."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wholeface.morphable import MorphableModel, Parameters
from wholeface.perceive import FaceLandmarks
from wholeface.photo import Photo
from wholeface.render import Camera, ambient_light
from wholeface.stages import FaceFit, FaceState, MaskEstimate
from wholeface.stages.shape.shared_identity import MeanIdentity, combined_identity

PRIOR = np.array([1.0, 1.0, 2.0])


def _evidence(seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(5, 3))
    return rows.T @ rows


def test_one_photo_gives_its_own_fit_back() -> None:
    information, mean = np.diag(PRIOR) + _evidence(1), np.array([0.5, -1.0, 0.2])
    identity, precision = combined_identity([mean], [information], PRIOR)
    np.testing.assert_allclose(identity, mean)
    np.testing.assert_allclose(precision, information)


def test_independent_photos_give_the_posterior_of_all_their_evidence() -> None:
    """Gaussian measurements y = a + e: fits of parts, combined, are the fit of everything at once."""
    truth, rng = np.array([1.0, -2.0, 0.5]), np.random.default_rng(4)
    evidence = [_evidence(seed) for seed in (1, 2, 3)]
    told = [e @ (truth + rng.normal(size=3) * 0.1) for e in evidence]
    informations = [np.diag(PRIOR) + e for e in evidence]
    means = [np.linalg.solve(i, t) for i, t in zip(informations, told)]
    identity, precision = combined_identity(means, informations, PRIOR, common=0.0)
    whole = np.diag(PRIOR) + sum(evidence)
    np.testing.assert_allclose(precision, whole)
    np.testing.assert_allclose(identity, np.linalg.solve(whole, sum(told)))


def test_photos_whose_errors_are_the_same_tell_no_more_than_one() -> None:
    information, mean = np.diag(PRIOR) + _evidence(1), np.array([0.5, -1.0, 0.2])
    identity, precision = combined_identity([mean] * 5, [information] * 5, PRIOR, common=1.0)
    np.testing.assert_allclose(identity, mean)
    np.testing.assert_allclose(precision, information)


def _state(model: MorphableModel, identity: float, hidden: float, subject: str | None) -> FaceState:
    size, zero = 10, torch.zeros(3)
    occluder = np.zeros((size, size), np.float32)
    occluder[: round(hidden * size)] = 1
    parameters = Parameters(
        torch.full((model.identity_size,), identity),
        torch.zeros(model.expression_size),
        torch.zeros(1),
        ambient_light(),
        rotation=zero,
        translation=zero,
    )
    return FaceState(
        Photo(np.zeros((size, size, 3), np.uint8)),
        FaceLandmarks.from_points(np.random.default_rng(0).uniform(0, size, (68, 2)), "ibug68"),
        fit=FaceFit(model, parameters, Camera.of_photo(size, size, 20.0)),
        mask=MaskEstimate(occluder, np.ones((size, size), np.bool_)),
        subject=subject,
    )


def test_the_mean_counts_photos_by_what_they_show_and_subjects_apart(small_model: MorphableModel) -> None:
    faces = [
        _state(small_model, 1.0, 0.0, "a"),
        _state(small_model, 7.0, 0.0, None),
        _state(small_model, 0.0, 0.5, "a"),
        _state(small_model, 5.0, 0.0, "b"),
    ]
    found = [float(face.fit.parameters.identity[0]) for face in MeanIdentity()(faces, None) if face.fit]  # type: ignore[arg-type]
    mean = 1.05 / (1.05 + 0.55)
    assert found == pytest.approx([mean, 7.0, mean, 5.0])
