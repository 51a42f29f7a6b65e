"""Similarities are found again, never as reflections."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from wholeface.core.umeyama import rotations_onto, umeyama


@pytest.mark.parametrize("scaled", [True, False])
def test_a_known_similarity_is_found(scaled: bool) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20, 3))
    turn = Rotation.random(random_state=1).as_matrix()
    factor = 2.5 if scaled else 1.0
    scale, rotation, translation = umeyama(points, factor * points @ turn.T + [1, 2, 3], scaled=scaled)
    assert scale == pytest.approx(factor)
    np.testing.assert_allclose(rotation, turn, atol=1e-12)
    np.testing.assert_allclose(translation, [1, 2, 3], atol=1e-12)


def test_mirrored_points_get_a_rotation_that_no_other_beats() -> None:
    rng = np.random.default_rng(3)
    points = rng.normal(size=(30, 3))
    target = points * [-1, 1, 1] + 0.05 * rng.normal(size=(30, 3))
    _, rotation, translation = umeyama(points, target, scaled=False)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    best = ((points @ rotation.T + translation - target) ** 2).sum()
    for other in Rotation.random(200, random_state=4).as_matrix():
        moved = points @ other.T
        assert ((moved + (target - moved).mean(0) - target) ** 2).sum() >= best


def test_many_at_once_as_one_by_one() -> None:
    rng = np.random.default_rng(5)
    shapes, target = rng.normal(size=(4, 9, 3)), rng.normal(size=(9, 3))
    together, _ = rotations_onto(shapes, target)
    for shape, rotation in zip(shapes, together):
        np.testing.assert_allclose(rotations_onto(shape, target)[0], rotation, atol=1e-12)
