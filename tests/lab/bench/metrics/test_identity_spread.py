"""Spread between and within subjects against values by hand, simulations, and implementations that are wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.identity_spread import align_shapes, spread, spread_half_width

Array = NDArray[np.float64]
Ratio = Callable[[Sequence[Array]], float]


def _points(*values: Sequence[float]) -> list[Array]:
    """Subjects whose photos' shapes are one point on the x axis."""
    return [np.array([[[v, 0.0, 0.0]] for v in person]) for person in values]


def _subjects(sizes: Sequence[int], between: float, within: float, points: int, seed: int) -> list[Array]:
    """Isotropic offsets whose root mean squares over points are ``between`` and ``within`` mm."""
    rng = np.random.default_rng(seed)
    mean = 100 * rng.normal(size=(points, 3))
    third = 1 / math.sqrt(3)
    return [
        mean
        + between * third * rng.normal(size=(points, 3))
        + within * third * rng.normal(size=(n, points, 3))
        for n in sizes
    ]


def check_ratio(ratio: Ratio) -> None:
    """What every right ratio does."""
    # Means 1 and 5, grand mean 3: MS_b = 2·4 + 2·4 = 16; MS_w = (4 · 1) / 2 = 2; n_0 = 2
    assert ratio(_points([0, 2], [4, 6])) == pytest.approx(math.sqrt((16 - 2) / 2 / 2))
    # Unequal groups {0, 2, 4}, {10}, {5, 7}: N = 6, A = 3, mean 28/6; SS_b = 3·(8/3)² + (16/3)² + 2·(4/3)² = 160/3
    # SS_w = 8 + 0 + 2, MS_b = 80/3, MS_w = 10/3, n_0 = (6 − 14/6)/2 = 11/6; σ_b² = (70/3)/(11/6) = 140/11
    assert ratio(_points([0, 2, 4], [10], [5, 7])) == pytest.approx(math.sqrt(140 / 11 / (10 / 3)))
    # Photos of one person differ as much as photos of two.
    rng = np.random.default_rng(1)
    assert ratio([rng.normal(size=(3, 400, 3)) for _ in range(40)]) < 0.1


def test_by_hand() -> None:
    check_ratio(lambda shapes: spread(shapes).ratio)
    found = spread(_points([0, 2], [4, 6]))
    assert (found.subjects, found.photos) == (2, 4)
    assert found.between_mm == pytest.approx(math.sqrt(7))
    assert found.within_mm == pytest.approx(math.sqrt(2))
    assert found.same_share == pytest.approx(7 / 9)
    assert found.f_ratio == pytest.approx(8)


def test_between_and_within_swapped_is_caught() -> None:
    with pytest.raises(AssertionError):
        check_ratio(lambda shapes: 1 / max(spread(shapes).ratio, 1e-9))


def test_means_taken_for_subjects_are_caught() -> None:
    """The naive ratio keeps the noise of the photos in the subjects' means."""

    def naive(shapes: Sequence[Array]) -> float:
        means = np.stack([s.mean(axis=0) for s in shapes])
        within = sum(((s - s.mean(axis=0)) ** 2).sum() for s in shapes) / sum(len(s) - 1 for s in shapes)
        return float(np.sqrt(((means - means.mean(axis=0)) ** 2).sum() / (len(shapes) - 1) / within))

    with pytest.raises(AssertionError):
        check_ratio(naive)


def test_groups_taken_for_equal_are_caught() -> None:
    def equal(shapes: Sequence[Array]) -> float:
        found = spread(shapes)
        return math.sqrt(max(found.f_ratio - 1, 0) / (found.photos / found.subjects))

    with pytest.raises(AssertionError):
        check_ratio(equal)


@pytest.mark.parametrize("sizes", [[3] * 60, [2, 5, 9] * 20, [1, 1, 4] * 20])
def test_known_components_in_mm(sizes: list[int]) -> None:
    found = spread(_subjects(sizes, 2.0, 1.5, 50, seed=4))
    assert found.between_mm == pytest.approx(2.0, rel=0.05)
    assert found.within_mm == pytest.approx(1.5, rel=0.05)
    assert found.ratio == pytest.approx(4 / 3, rel=0.08)


def test_units_and_order() -> None:
    subjects = _subjects([2, 3, 4, 5], 2.0, 1.0, 30, seed=9)
    one = spread(subjects)
    twice = spread([2 * s for s in subjects][::-1])
    assert twice.between_mm == pytest.approx(2 * one.between_mm)
    assert twice.ratio == pytest.approx(one.ratio)
    # The same points twice over, or all moved: the same root mean squares
    doubled = spread([np.concatenate([s, s], axis=1) + np.array([500.0, 0, 0]) for s in subjects])
    assert doubled.between_mm == pytest.approx(one.between_mm)
    assert doubled.within_mm == pytest.approx(one.within_mm)


def test_the_mean_face_and_perfection() -> None:
    constant = spread([np.ones((3, 10, 3)) * 70.1] * 4)
    assert (constant.between_mm, constant.within_mm, constant.ratio, constant.same_share) == (0, 0, 0, 0)
    shaken = np.random.default_rng(1).normal(scale=1e-5, size=(4, 3, 10, 3))
    assert spread(list(70.1 + shaken)).ratio == 0.0  # rounding errors are no differences
    perfect = spread(_points([1, 1], [2, 2]))
    assert perfect.ratio == math.inf
    assert perfect.same_share == 1.0
    # Two subjects alike, photos unlike: nothing between
    assert spread(_points([0, 2], [0, 2])).ratio == 0.0


def test_half_width() -> None:
    few = _subjects([3] * 12, 2.0, 1.5, 20, seed=1)
    width = spread_half_width(few, seed=1, draws=200)
    assert width == spread_half_width(few, seed=1, draws=200)
    many = spread_half_width(_subjects([3] * 192, 2.0, 1.5, 20, seed=2), draws=200)
    assert 0 < 2 * many["within_mm"] < width["within_mm"]
    constant = spread_half_width([np.ones((2, 4, 3))] * 5, draws=20)
    assert constant == {"between_mm": 0.0, "within_mm": 0.0, "ratio": 0.0, "same_share": 0.0}
    perfect = spread_half_width(_points([1, 1], [2, 2], [4, 4], [8, 8]), draws=20)
    assert math.isnan(perfect["ratio"])
    assert perfect["between_mm"] > 0
    # Subjects drawn twice count as two subjects.
    pair = _subjects([2, 2], 1.0, 1.0, 5, seed=3)
    assert np.isfinite(list(spread_half_width(pair, draws=20).values())).all()


def test_alignment_takes_motion_but_no_shape_away() -> None:
    rng = np.random.default_rng(7)
    shape = 50 * rng.normal(size=(40, 3))
    moved = []
    for _ in range(6):
        q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        moved.append(shape @ (q * np.sign(np.linalg.det(q))) + 30 * rng.normal(size=3))
    found = align_shapes(np.stack(moved))
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), atol=1e-9)
    mirrored = align_shapes(np.stack([shape, shape * [-1, 1, 1]]))
    assert np.abs(mirrored[0] - mirrored[1]).max() > 1.0  # a reflection is no motion
    larger = np.stack([shape, 1.1 * shape])
    assert np.abs(np.diff(align_shapes(larger), axis=0)).max() > 1.0
    assert np.abs(np.diff(align_shapes(larger, scale=True), axis=0)).max() < 1e-9
    # A shape keeps its size
    assert np.linalg.norm(found[0]) == pytest.approx(np.linalg.norm(shape - shape.mean(axis=0)))


def test_wrong_input() -> None:
    for shapes, message in (
        ([np.ones((2, 4, 3))], "two subjects"),
        ([np.ones((1, 4, 3))] * 3, "two photos"),
        ([np.ones((2, 4, 3)), np.ones((2, 5, 3))], "equal P"),
        ([np.ones((2, 4, 3)), np.full((2, 4, 3), np.nan)], "no numbers"),
        ([np.ones((2, 12))] * 2, "equal P"),
    ):
        with pytest.raises(UsageError, match=message):
            spread(shapes)
    for array, message in (
        (np.full((2, 4, 3), np.nan), "no numbers"),
        (np.ones((4, 3)), r"\(N, P, 3\)"),
    ):
        with pytest.raises(UsageError, match=message):
            align_shapes(array)
    with pytest.raises(UsageError, match="one place"):
        align_shapes(np.ones((2, 4, 3)), scale=True)
