import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wholeface.core.errors import UsageError
from wholeface.photo import Similarity

similarities = st.builds(
    Similarity,
    st.floats(0.05, 20),
    st.floats(-math.pi, math.pi),
    st.floats(-1e3, 1e3),
    st.floats(-1e3, 1e3),
)
points = np.array([[0.0, 0.0], [13.0, -4.0], [250.5, 99.0], [-7.0, 3.0]])


@given(similarities)
def test_inverse_is_the_way_back(similarity):
    np.testing.assert_allclose(similarity.inverse().apply(similarity.apply(points)), points, atol=1e-8)


@given(similarities, similarities)
def test_then_is_composition(first, second):
    expected = second.apply(first.apply(points))
    np.testing.assert_allclose(first.then(second).apply(points), expected, rtol=1e-9, atol=1e-6)


@given(similarities)
def test_from_points_recovers_the_similarity(similarity):
    found = Similarity.from_points(points, similarity.apply(points))
    np.testing.assert_allclose(found.matrix, similarity.matrix, rtol=1e-7, atol=1e-7)


def test_from_points_is_the_least_squares_optimum():
    generator = np.random.default_rng(0)
    source, target = generator.normal(size=(9, 2)), generator.normal(size=(9, 2))
    weights = generator.uniform(size=9)
    best = Similarity.from_points(source, target, weights)

    def cost(s: Similarity) -> float:
        return float(weights @ ((s.apply(source) - target) ** 2).sum(1))

    for delta in np.vstack([np.eye(4), -np.eye(4)]) * 1e-3:
        worse = Similarity(*(np.array([best.scale, best.rotation, best.tx, best.ty]) + delta))
        assert cost(worse) > cost(best)


def test_rotation_turns_u_towards_v():
    np.testing.assert_allclose(Similarity(2.0, math.pi / 2).apply([1.0, 0.0]), [0.0, 2.0], atol=1e-15)


def test_from_box_fills_the_crop_edge_to_edge():
    similarity = Similarity.from_box((10, 20, 50, 60), (80, 80))
    np.testing.assert_allclose(similarity.apply([[10, 20], [50, 60]]), [[-0.5, -0.5], [79.5, 79.5]])


def test_from_box_with_roll_levels_the_eyes():
    roll = 0.3
    left, right = np.array([40.0, 50.0]), np.array([40 + 30 * math.cos(roll), 50 + 30 * math.sin(roll)])
    similarity = Similarity.from_box((20, 20, 90, 90), (100, 60), roll=roll, margin=1.5)
    a, b = similarity.apply([left, right])
    assert b[0] > a[0]
    assert b[1] == pytest.approx(a[1])
    np.testing.assert_allclose(similarity.apply([55.0, 55.0]), [49.5, 29.5])


@pytest.mark.parametrize("arguments", [(0.0,), (-1.0,), (math.nan,), (1.0, math.inf)])
def test_bad_values_are_refused(arguments):
    with pytest.raises(UsageError, match="positive scale"):
        Similarity(*arguments)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ([[1, 1], [1, 1]], [[0, 0], [1, 1]]),
        ([[0, 0], [1, 1]], [[2, 2], [2, 2]]),
        ([[0, 0], [1, 0], [0, 1], [1, 1]], [[1, 0], [0, 0], [1, 1], [0, 1]]),
        ([[0, 0]], [[0, 0]]),
        ([[0, 0], [1, 1]], [[0, 0]]),
    ],
)
def test_undetermined_pairs_are_refused(source, target):
    with pytest.raises(UsageError):
        Similarity.from_points(source, target)


def test_empty_box_is_refused():
    with pytest.raises(UsageError, match="cannot crop"):
        Similarity.from_box((5, 5, 5, 9), (10, 10))
