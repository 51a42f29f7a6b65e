"""A face for the tests of this room."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture
def points_68() -> NDArray[np.float64]:
    """(68, 2) pixels of a 128 × 128 picture: a symmetric frontal face with eyes and mouth open."""
    jaw = [(64 - 42 * math.cos(a), 52 + 62 * math.sin(a)) for a in np.linspace(0, math.pi, 17)]
    brow = [(28.0, 44.0), (33, 40), (39, 38.5), (46, 39), (53, 41)]
    bridge = [(64.0, 50.0 + 8 * i) for i in range(4)]
    base = [(56.0, 78.0), (60, 80), (64, 81), (68, 80), (72, 78)]
    eye = [(34.0, 52.0), (39, 49), (46, 49), (51, 53), (46, 55), (39, 55)]
    outer = [(48.0, 94.0), (54, 90), (60, 88), (64, 89), (68, 88), (74, 90), (80, 94), (74, 100), (68, 103)]
    outer += [(64, 103.5), (60, 103), (54, 100)]
    inner = [(51.0, 94.0), (59, 92), (64, 92.5), (69, 92), (77, 94), (69, 97), (64, 98), (59, 97)]

    def mirror(points: list[tuple[float, float]], order: list[int]) -> list[tuple[float, float]]:
        return [(128 - points[i][0], points[i][1]) for i in order]

    points = [*jaw, *brow, *mirror(brow, [4, 3, 2, 1, 0]), *bridge, *base]
    points += [*eye, *mirror(eye, [3, 2, 1, 0, 5, 4]), *outer, *inner]
    return np.array(points)
