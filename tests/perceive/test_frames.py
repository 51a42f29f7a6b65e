"""Where the networks look: upright, centred, the same from points and from a detector's box."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wholeface.perceive.frames import DENSE_478, box_frame, face_box, face_frame, face_pose

ROLLS = [0.0, 0.3, -1.2, math.pi / 2, 3.0]


@pytest.mark.parametrize("roll", ROLLS)
def test_pose_follows_the_face(place, roll):
    base = face_pose(place(0, 0, 1.0)[DENSE_478])
    centre, side, angle = face_pose(place(210.0, 140.0, 80.0, roll)[DENSE_478])
    assert math.remainder(angle - base[2] - roll, math.tau) == pytest.approx(0, abs=1e-9)
    assert side == pytest.approx(80 * base[1], abs=1e-9)
    c, s = math.cos(roll), math.sin(roll)
    shift = 80 * np.array([c * base[0][0] - s * base[0][1], s * base[0][0] + c * base[0][1]])
    np.testing.assert_allclose(centre, np.array([210.0, 140.0]) + shift, atol=1e-9)
    # A symmetric frontal face is upright and its box is centred where its points are.
    assert abs(base[2]) < 0.02
    assert np.abs(base[0]).max() < 0.02


@pytest.mark.parametrize("roll", ROLLS)
@pytest.mark.parametrize(("size", "margin"), [(128, 1.45), (224, 1.9)])
def test_the_crop_shows_the_face_upright_in_its_middle(place, roll, size, margin):
    points = place(333.0, 57.0, 240.0, roll)[DENSE_478]
    frame = face_frame(points, size, margin)
    inside = frame.apply(points)
    low, high = inside.min(axis=0), inside.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, (size - 1) / 2, atol=1e-6)
    assert (high - low).max() == pytest.approx(size / margin, abs=1e-6)
    np.testing.assert_allclose(frame.inverse().apply(inside), points, atol=1e-9)
    eyes = inside[[33, 133]].mean(axis=0), inside[[263, 362]].mean(axis=0)
    assert eyes[0][0] < eyes[1][0]
    assert eyes[0][1] == pytest.approx(eyes[1][1], abs=0.01 * size)
    assert inside[152, 1] > inside[10, 1]  # the chin is below the forehead
    # Framing what is framed already changes nothing.
    again = face_frame(inside, size, margin)
    assert again.scale == pytest.approx(1, abs=1e-9)
    assert np.abs([again.rotation, again.tx, again.ty]).max() < 1e-6


@pytest.mark.parametrize("roll", ROLLS)
def test_a_box_with_five_points_gives_nearly_the_same_frame(place, roll):
    points = place(100.0, 90.0, 60.0, roll)
    five = np.stack(
        [points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]]
    )  # right eye, left eye, nose tip, corners of the mouth
    exact = face_frame(points[DENSE_478], 128, 1.45)
    guess = box_frame(face_box(points[DENSE_478]), five, 128, 1.45)
    assert math.remainder(guess.rotation - exact.rotation, math.tau) == pytest.approx(0, abs=0.03)
    assert guess.scale / exact.scale == pytest.approx(1, abs=0.17)
    middle = guess.apply(points[DENSE_478])
    assert np.abs((middle.min(0) + middle.max(0)) / 2 - 63.5).max() < 0.06 * 128


def test_face_box(place):
    points = place(50.0, 60.0, 70.0)[DENSE_478]
    np.testing.assert_array_equal(face_box(points), [*points.min(0), *points.max(0)])
