from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.stages.relief.examples import blend_into


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    row, column = np.mgrid[:size, :size].astype(np.float64)
    return row, column


def _hole(size: int) -> np.ndarray:
    row, column = _grid(size)
    disc = np.hypot(row - size / 2, column - size / 2.5) < size / 4
    box = (row > size / 2) & (column > size / 3) & (row < size - 5) & (column < size - 9)
    return disc | box


@pytest.mark.parametrize("size", [20, 65])
def test_a_harmonic_function_grows_back(size: int) -> None:
    """x² − y² has no Laplacian on a grid either: with no gradients to follow, the hole is filled by it again."""
    row, column = _grid(size)
    truth = 0.01 * (column**2 - row**2) + 0.3 * row
    hole = _hole(size)
    target = np.where(hole, 77.0, truth)
    done = blend_into(target, np.zeros_like(target), hole, ~hole, tolerance=1e-9)
    np.testing.assert_allclose(done, truth, atol=2e-4)


def test_the_sources_gradients_fill_the_hole_whatever_its_level() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(size=(40, 50))
    hole = np.zeros((40, 50), bool)
    hole[5:30, 10:45] = True
    done = blend_into(np.where(hole, 0, truth), truth + 3.5, hole, ~hole, tolerance=1e-9)
    np.testing.assert_allclose(done, truth, atol=1e-5)


def test_one_pixel_by_hand() -> None:
    target = np.array([[0.0, 4, 0], [2, 0, 6], [0, 8, 0]])
    source = np.array([[0.0, 1, 0], [1, 2, 1], [0, 1, 0]])
    hole = np.zeros((3, 3), bool)
    hole[1, 1] = True
    everything = blend_into(target, source, hole, ~hole, tolerance=1e-12)
    assert everything[1, 1] == pytest.approx((4 + 2 + 6 + 8) / 4 + 1)  # mean of neighbours, and 1 above them
    two = np.zeros((3, 3), bool)
    two[0, 1] = two[1, 2] = True
    assert blend_into(target, source, hole, two, tolerance=1e-12)[1, 1] == pytest.approx((4 + 6) / 2 + 1)
    screened = blend_into(target, source, hole, ~hole, screen=4.0, tolerance=1e-12)
    assert screened[1, 1] == pytest.approx((4 * 6 + 4 * 2) / 8)


def test_outside_of_the_hole_nothing_changes() -> None:
    rng = np.random.default_rng(6)
    target, source = rng.normal(size=(2, 65, 65)).astype(np.float32)
    hole = _hole(65)
    known = ~hole & (rng.random((65, 65)) > 0.3)
    done = blend_into(target, source, hole, known)
    assert done.dtype == np.float32
    np.testing.assert_array_equal(done[~hole], target[~hole])
    assert (done[hole] != target[hole]).mean() > 0.99


def test_without_any_border_the_source_itself() -> None:
    source = np.random.default_rng(7).normal(size=(30, 30))
    hole = np.zeros((30, 30), bool)
    hole[5:25, 5:25] = True
    done = blend_into(np.zeros((30, 30)), source, hole, np.zeros((30, 30), bool))
    np.testing.assert_allclose(done[hole], source[hole], atol=1e-6)


def test_where_the_source_knows_nothing_it_is_smooth() -> None:
    _, column = _grid(40)
    truth = 0.1 * column
    hole = np.zeros((40, 40), bool)
    hole[10:30, 10:30] = True
    source = np.where(column < 20, truth, np.nan)
    done = blend_into(np.where(hole, 0, truth), source, hole, ~hole, tolerance=1e-9)
    np.testing.assert_allclose(done[:, 20:], truth[:, 20:], atol=0.35)
    assert np.isfinite(done).all()
    assert np.abs(np.diff(done[15:25, 9:31], axis=1)).max() < 0.3


def test_bad_input_is_refused() -> None:
    plane, mask = np.zeros((4, 5)), np.zeros((4, 5), bool)
    with pytest.raises(UsageError, match=r"source \(4, 4\)"):
        blend_into(plane, plane[:, :4], mask, mask)
    with pytest.raises(UsageError, match="negative"):
        blend_into(plane, plane, mask, mask, screen=-1)
