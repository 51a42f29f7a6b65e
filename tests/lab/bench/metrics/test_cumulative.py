"""Pooled errors against hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.cumulative import (
    area_under_curve,
    bootstrap_half_width,
    cumulative,
    pooled,
    quantiles,
)


def test_one_list_of_all_points_not_a_mean_of_means() -> None:
    found = pooled([np.array([1.0, 1, 1, 1, 1, 1]), np.array([4.0, 8])])
    assert (found.median, found.mean, found.points) == (1.0, 18 / 8, 8)
    assert found.std == pytest.approx(np.sqrt(6 / 8 * 1 + 80 / 8 - (18 / 8) ** 2))
    per_image = np.mean([1.0, 6.0])  # what a mean of means would say
    assert found.mean != per_image


def test_curve_and_area_by_hand() -> None:
    errors = [0.0, 1, 1, 3]
    np.testing.assert_array_equal(
        cumulative(errors, [-1, 0, 0.5, 1, 2.9, 3, 9]), [0, 0.25, 0.25, 0.75, 0.75, 1, 1]
    )
    # F = ¼ on [0, 1), ¾ on [1, 2]: (¼ + ¾) / 2
    assert area_under_curve(errors, 2.0) == pytest.approx(0.5)
    fine = np.linspace(0, 2, 20001)
    assert cumulative(errors, fine).mean() == pytest.approx(0.5, abs=1e-3)
    assert area_under_curve([0.0, 0], 5.0) == 1


def test_quantiles_have_the_same_curve() -> None:
    values = np.random.default_rng(0).exponential(size=5000)
    thinned = quantiles([values[:1000], values[1000:]], 500)
    at = np.linspace(0, 5, 50)
    np.testing.assert_allclose(cumulative(thinned, at), cumulative(values, at), atol=3e-3)


def test_bootstrap_over_subjects_knows_that_subjects_differ_more_than_points() -> None:
    rng = np.random.default_rng(1)
    levels = rng.normal(3, 0.5, 40)
    errors = {
        f"p{i}": [np.abs(rng.normal(level, 0.1, 500)), np.abs(rng.normal(level, 0.1, 500))]
        for i, level in enumerate(levels)
    }
    median, mean = bootstrap_half_width(errors, draws=400)
    expected = 1.96 * levels.std() / np.sqrt(40)
    assert mean == pytest.approx(expected, rel=0.2)
    assert median == pytest.approx(expected * np.sqrt(np.pi / 2), rel=0.35)
    assert bootstrap_half_width(errors, draws=400) == (median, mean)


def test_one_person_has_no_spread() -> None:
    assert np.isnan(bootstrap_half_width({"only": [np.ones(5)]})).all()


@pytest.mark.parametrize("bad", [[], [np.array([np.nan])], [np.array([-1.0])], [np.array([np.inf])]])
def test_nothing_is_averaged_over_in_silence(bad: list[np.ndarray]) -> None:
    with pytest.raises(UsageError):
        pooled(bad)
