"""Textures of half the size."""

from __future__ import annotations

import numpy as np

from wholeface.lab.modelling.albedo.atlas import halved


def test_halves_are_averages_of_what_is_covered() -> None:
    fine = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]], bool)
    zone = np.array([[1, 1], [1, 1]], bool)
    values = np.array([[1.0], [2.0], [5.0], [6.0], [1.0], [2.0], [3.0], [4.0]], np.float32)[:8]
    # Rows of the fine texture: 1 2 . 5 / . 6 . . / . . 1 2 / . . 3 4
    np.testing.assert_allclose(halved(values, fine, zone)[:, 0], [3.0, 5.0, 0.0, 2.5])
    zone[1, 0] = False
    np.testing.assert_allclose(halved(values, fine, zone)[:, 0], [3.0, 5.0, 2.5])
