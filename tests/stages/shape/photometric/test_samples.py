"""Which landmarks hold the pose during the photometric refinement, and how firmly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wholeface.morphable import MorphableModel, load_model
from wholeface.perceive import FaceLandmarks
from wholeface.stages.shape.photometric.priors import _points


@pytest.fixture(scope="module")
def head() -> MorphableModel:
    return load_model("wholeface")


def landmarks() -> FaceLandmarks:
    rng = np.random.default_rng(0)
    return FaceLandmarks(
        points=rng.uniform(0, 100, (668, 2)),
        scheme="wholeface668",
        box=np.array([0.0, 0.0, 100.0, 100.0]),
        score=1.0,
        visibility=rng.random(668),
        sigma=rng.uniform(0.5, 2, 668),
        modes=rng.normal(size=(3, 668, 2)),
    )


def test_of_668_points_the_478_with_their_whole_uncertainty(head: MorphableModel) -> None:
    whole = landmarks()
    embedding, chosen, sigma = _points(head, whole)
    assert embedding is head.landmarks_478
    assert chosen.tolist() == np.flatnonzero(whole.visibility[68:546] > 0.3).tolist()
    np.testing.assert_array_equal(sigma, whole.total_sigma[68:546][chosen])
    assert (sigma > whole.sigma[68:546][chosen]).all()


def test_a_model_without_them_takes_the_68(small_model: MorphableModel) -> None:
    whole = landmarks()
    embedding, chosen, sigma = _points(replace(small_model, landmarks_478=None), whole)
    assert embedding is small_model.landmarks_68
    np.testing.assert_array_equal(sigma, whole.total_sigma[:68][chosen])


def test_without_landmarks_the_68_with_unknown_uncertainty(head: MorphableModel) -> None:
    embedding, chosen, sigma = _points(head, None)
    assert embedding is head.landmarks_68
    assert (len(chosen), sigma) == (68, None)
