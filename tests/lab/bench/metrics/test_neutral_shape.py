"""Neutral faces are compared without their place, turn and size."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.neutral_shape import neutral_error


def test_place_turn_and_size_do_not_count() -> None:
    truth = np.random.default_rng(0).normal(size=(50, 3)) * 30
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    assert neutral_error(1.3 * truth @ turn.T + 20, truth) == pytest.approx(0.0, abs=1e-9)


def test_by_hand() -> None:
    """A square whose corners move out and in by turns: no similarity helps."""
    truth = np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    found = truth * np.array([[1.1], [0.9], [1.1], [0.9]])
    scale = 4.0 / (2 * 1.1**2 + 2 * 0.9**2)
    assert neutral_error(found, truth) == pytest.approx((abs(1.1 * scale - 1) + abs(0.9 * scale - 1)) / 2)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="one topology"):
        neutral_error(np.zeros((3, 3)), np.zeros((4, 3)))
    with pytest.raises(UsageError, match="not finite"):
        neutral_error(np.full((3, 3), np.nan), np.zeros((3, 3)))
