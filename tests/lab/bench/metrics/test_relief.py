"""Measures of relief, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.relief import (
    ReliefSums,
    angles_between,
    finer_than,
    relief_sums,
    shared_correlation,
)


def tilted(degrees: float) -> tuple[float, float, float]:
    return math.sin(math.radians(degrees)), 0.0, math.cos(math.radians(degrees))


def sums(
    found: list[float],
    truth: list[float],
    weight: list[float],
    tilts: list[tuple[float, float]] | None = None,
) -> ReliefSums:
    """One row of pixels; tilts: of the found and of the true normal, degrees."""
    tilts = tilts or [(0.0, 0.0)] * len(found)
    normals = [np.array([[tilted(pair[k]) for pair in tilts]]) for k in (0, 1)]
    flat = np.array([[tilted(0.0)] * len(found)])
    return relief_sums(np.array([found]), np.array([truth]), np.array([weight]), *normals, flat)


def test_correlation_and_rms_by_hand() -> None:
    # Deviations of found: -1, 0, 1; of truth: -1, -1, 2 -> 3 / sqrt(2 · 6); the fourth pixel does not count.
    one = sums([0, 1, 2, 50], [0, 0, 3, -50], [1, 1, 1, 0])
    assert one.correlation == pytest.approx(3 / math.sqrt(12))
    assert one.rms == pytest.approx(math.sqrt((0 + 1 + 1) / 3))


def test_images_add_up_as_if_they_were_one() -> None:
    together = sums([0, 1, 2, 4], [0, 0, 3, 1], [1, 2, 1, 1])
    apart = sums([0, 1], [0, 0], [1, 2]) + sums([2, 4], [3, 1], [1, 1])
    assert apart.correlation == pytest.approx(together.correlation)
    assert apart.rms == pytest.approx(together.rms)


def test_nothing_found_and_nothing_to_find() -> None:
    assert sums([0, 0], [1, -1], [1, 1]).correlation == 0
    assert math.isnan(sums([1, -1], [0, 0], [1, 1]).correlation)
    empty = ReliefSums()
    for name in ("correlation", "rms", "normal_error", "steep_normal_error", "recall", "precision"):
        assert math.isnan(getattr(empty, name))


def test_normals_of_all_and_of_steep_pixels() -> None:
    # True tilts 0, 4 and 20 degrees: only the last is steep. Found tilts are off by 1, 2 and 6 degrees.
    found = sums([0, 0, 0], [0, 0, 0], [1, 1, 2], [(1, 0), (2, 4), (14, 20)])
    assert found.normal_error == pytest.approx((1 + 2 + 2 * 6) / 4)
    assert found.steep_normal_error == pytest.approx(6)
    right_angle = angles_between(np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))
    assert float(right_angle) == pytest.approx(90)


def test_grooves_at_a_quarter_of_their_depth() -> None:
    truth = [-0.4, -0.4, -0.2, -0.1, 0.3, -0.04, -0.2]
    found = [-0.11, -0.09, -0.05, -0.3, -0.06, -0.2, 0.1]
    result = sums(found, truth, [1] * 7)
    # Grooves are 1, 2, 3 and 7; a quarter of their depth is found at 1 and 3.
    assert result.recall == pytest.approx(2 / 4)
    # At least 0.05 is claimed at 1, 2, 3, 4, 5, 6; it is there at the first four.
    assert result.precision == pytest.approx(4 / 6)


def test_what_is_wide_goes_and_what_is_fine_stays() -> None:
    known = np.ones((96, 96))
    known[:, :4] = 0
    x = np.arange(96) * 0.8
    wide = np.broadcast_to(0.02 * x, known.shape)
    fine = np.broadcast_to(0.3 * np.cos(2 * np.pi * x / 4), known.shape)
    inner = (slice(20, -20), slice(24, -20))
    assert np.abs(finer_than(wide, known, 0.8)[inner]).max() < 1e-3
    np.testing.assert_allclose(finer_than(fine, known, 0.8)[inner], fine[inner], atol=2e-3)
    # Half of a wave goes where exp(-2 π² σ² / λ²) = 1/2: λ = π · 8 mm / (2 ln 2).
    length = math.pi * 8 / (2 * math.log(2))
    x = np.arange(400) * 0.8
    wave = np.broadcast_to(np.cos(2 * np.pi * x / length), (60, 400))
    half = finer_than(wave, np.ones((60, 400)), 0.8)[30, 100:300]
    np.testing.assert_allclose(half, wave[30, 100:300] / 2, atol=0.01)
    assert not finer_than(fine, known, 0.8)[:, :4].any()


def test_maps_of_other_sizes_are_refused() -> None:
    square, wide = np.zeros((4, 4)), np.zeros((4, 4, 3))
    with pytest.raises(UsageError, match="one size"):
        relief_sums(square, square, np.zeros((3, 3)), wide, wide, wide)


def test_correlation_where_both_are_known() -> None:
    first, second = np.array([0.0, 1, 2, 99]), np.array([0.0, 0, 3, -99])
    both = np.array([True, True, True, False])
    assert shared_correlation(first, second, both, 3) == pytest.approx(3 / math.sqrt(12))
    assert math.isnan(shared_correlation(first, second, both, 4))
    assert math.isnan(shared_correlation(first, np.ones(4), both, 3))
