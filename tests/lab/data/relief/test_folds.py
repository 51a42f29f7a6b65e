"""Folds: heights over the chart of a face."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.lab.data.relief import FaceChart, Folds, chart_of, random_folds
from wholeface.morphable import load_model


@pytest.fixture(scope="module")
def chart() -> FaceChart:
    return chart_of(load_model("wholeface"))


def _grid() -> np.ndarray:
    p, q = np.meshgrid(np.arange(-80, 81, 1.0), np.arange(-95, 96, 1.0))
    return np.stack([p.ravel(), q.ravel()], axis=1).astype(np.float32)


def _groove(depth: float, width: float, bulge: float = 0.0, bulge_width: float = 4.0) -> Folds:
    points = np.array([[-20, 0, 1, 1], [20, 0, 1, 1]], np.float32)
    shape = np.array([[depth, width, 0.0, bulge, bulge_width, 5.0]], np.float32)
    return Folds(points, np.array([0, 2], np.int32), shape)


def test_a_groove_is_as_deep_and_as_wide_as_asked() -> None:
    places = np.array([[0, 0], [0, 1.5], [0, -3], [0, 30]], np.float32)
    expected = -0.8 * np.exp(-0.5 * np.array([0, 1, 4, 400.0]))
    np.testing.assert_allclose(_groove(0.8, 1.5).height(places), expected, atol=1e-6)


def test_the_bulge_lies_on_the_left_of_the_line_or_on_the_right() -> None:
    places = np.array([[0, 5], [0, -5]], np.float32)
    left = _groove(0.0, 1.0, bulge=0.6).height(places)
    right = _groove(0.0, 1.0, bulge=0.6, bulge_width=-4.0).height(places)
    np.testing.assert_allclose(left, [0.6, 0.6 * np.exp(-0.5 * 2.5**2)], rtol=1e-5)
    np.testing.assert_allclose(right, left[::-1], rtol=1e-5)


def test_the_old_and_the_smiling_fold_more(chart: FaceChart) -> None:
    places = _grid()

    def mean_deviation(age: float, expression: dict[str, float]) -> float:
        drawn = [random_folds(chart, age, expression, np.random.default_rng(seed)) for seed in range(12)]
        return float(np.mean([folds.height(places).std() for folds in drawn]))

    young, old = mean_deviation(0.1, {}), mean_deviation(1.0, {})
    smile = dict.fromkeys(("mouthSmile_L", "mouthSmile_R", "cheekSquint_L", "cheekSquint_R"), 1.0)
    assert old > 2.5 * young
    assert mean_deviation(0.1, smile) > 1.3 * young


def test_folds_follow_from_their_seed(chart: FaceChart) -> None:
    places = _grid()
    one, same, other = (
        random_folds(chart, 0.8, {}, np.random.default_rng(s)).height(places) for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1


def test_heights_do_not_depend_on_what_else_is_asked_for(chart: FaceChart) -> None:
    folds, places = random_folds(chart, 0.9, {}, np.random.default_rng(1)), _grid()
    np.testing.assert_allclose(folds.height(places)[500:600], folds.height(places[500:600]), atol=1e-6)
