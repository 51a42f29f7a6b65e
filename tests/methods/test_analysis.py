"""The small steps of the training-free method; the whole of it runs in tests/app."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.errors import UsageError
from wholeface.methods import METHODS, get_method
from wholeface.methods.analysis import _at_points
from wholeface.perceive import FaceLandmarks


def test_mask_is_read_at_the_nearest_pixel_and_is_0_outside() -> None:
    points = np.tile([2.4, 1.4], (68, 1))
    points[1] = [2.6, 1.4]
    points[2] = [-5.0, 1.0]
    points[3] = [2.0, 99.0]
    probability = np.zeros((4, 5), dtype=np.float32)
    probability[1, 2] = 0.75
    values = _at_points(probability, FaceLandmarks.from_points(points, "ibug68"))
    assert values[0] == pytest.approx(0.75)
    assert (values[1], values[2], values[3]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_runs_a_function(name: str) -> None:
    assert callable(get_method(name))


def test_unknown_method_lists_those_that_exist() -> None:
    with pytest.raises(UsageError, match="unknown method 'autoo'; choose from auto, analysis"):
        get_method("autoo")
