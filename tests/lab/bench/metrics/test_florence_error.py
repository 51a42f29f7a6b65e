"""The 90 % error by hand, the nose tip by construction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.florence_error import average, face_errors, nose_tip


def test_figures_by_hand() -> None:
    d = np.arange(11.0)  # the 0.9 quantile of 0 … 10 is 9
    found = face_errors(np.random.default_rng(0).permutation(d))
    assert (found.mean, found.median, found.ninety) == (5.0, 5.0, 9.0)
    assert found.std == pytest.approx(np.sqrt(10))
    assert (found.worst_tenth, found.without_worst) == (9.5, 4.5)


def test_broken_readings_are_another_number() -> None:
    """Largest error, 10 % instead of 90 %, squared distances: none of them gives 9."""
    d = np.arange(11.0)
    for broken in (d.max(), np.quantile(d, 0.1), np.sqrt(np.quantile(d, 0.9)), np.quantile(d**2, 0.9)):
        assert broken != face_errors(d).ninety


def test_faces_weigh_the_same_whatever_their_scan_density() -> None:
    found = average([face_errors(np.ones(1000)), face_errors(np.full(10, 3.0))])
    assert found.ninety == found.mean == found.median == 2.0


def test_nose_tip_sticks_out_wherever_the_scan_stands() -> None:
    x, y = np.meshgrid(np.linspace(-80, 80, 81), np.linspace(-80, 80, 81))
    z = -0.01 * (x**2 + y**2) + 25 * np.exp(-((x / 10) ** 2) - ((y + 6) / 12) ** 2)
    scan = np.stack([x.ravel(), y.ravel(), z.ravel()], 1)
    seven = np.array(
        [
            [-45.0, 30, -29],
            [-18, 30, -12],
            [18, 30, -12],
            [45, 30, -29],
            [0, -18, 5],
            [-25, -48, -29],
            [25, -48, -29],
        ]
    )
    expected = scan[np.argmax(scan[:, 2])]
    for turn in Rotation.random(5, random_state=3).as_matrix():
        tip = nose_tip(scan @ turn.T + 100, seven @ turn.T + 100)
        assert np.linalg.norm(tip - (turn @ expected + 100)) < 6


def test_wrong_input_is_refused() -> None:
    for bad in ([], [np.nan], [-1.0]):
        with pytest.raises(UsageError):
            face_errors(bad)
    with pytest.raises(UsageError):
        average([])
    with pytest.raises(UsageError, match="35 mm"):
        nose_tip(np.full((5, 3), 1e4), np.random.default_rng(0).normal(size=(7, 3)))
