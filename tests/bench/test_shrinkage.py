"""The spread of shapes against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.bench.shrinkage import spread_ratio
from wholeface.errors import UsageError


def test_known_spreads_are_recovered() -> None:
    rng = np.random.default_rng(3)
    points, between, within = 400, 1.5, 0.6
    shapes = []
    for _ in range(300):
        centre = rng.normal(0, between, points * 3)
        shapes.append(centre + rng.normal(0, within, (4, points * 3)))
    spread = spread_ratio(shapes)
    # Per point the squared distance has three coordinates.
    assert spread.within_mm == pytest.approx(within * np.sqrt(3), rel=0.01)
    assert spread.between_mm == pytest.approx(between * np.sqrt(3), rel=0.01)
    assert spread.ratio == pytest.approx(between / within, rel=0.02)
    assert (spread.people, spread.pictures) == (300, 1200)


def test_pure_noise_has_no_ratio() -> None:
    rng = np.random.default_rng(4)
    shapes = [rng.normal(size=(3, 900)) for _ in range(200)]
    assert spread_ratio(shapes).ratio < 0.1


def test_one_picture_is_not_enough() -> None:
    with pytest.raises(UsageError, match="at least two pictures"):
        spread_ratio([np.zeros((2, 6)), np.zeros((1, 6))])
