"""Points carried to another convention: a constant offset comes out as it went in, whatever pose and scale."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.lab.bench.protocols.perception.convention import (
    convention_offset,
    in_their_convention,
    shifted,
)
from wholeface.perceive import FaceLandmarks
from wholeface.perceive.mediapipe.mirror import MIRROR_478


@pytest.fixture(scope="module")
def faces() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shape = rng.normal(size=(478, 2))
    shape[[33, 263]] = (-1.0, 0.0), (1.0, 0.0)
    found = []
    for angle, scale in ((0.0, 20.0), (0.4, 35.0), (-1.2, 50.0), (2.9, 11.0)):
        cos, sin = np.cos(angle), np.sin(angle)
        found.append(scale * shape @ np.array([[cos, sin], [-sin, cos]]) + rng.uniform(50, 90, 2))
    return found


def test_a_constant_offset_is_found_and_applied(faces: list[np.ndarray]) -> None:
    rng = np.random.default_rng(1)
    offset = 0.05 * rng.normal(size=(478, 2))
    offset = (offset + offset[MIRROR_478] * np.array([-1.0, 1.0])) / 2  # as habits are
    theirs = [in_their_convention(face, offset) for face in faces]
    np.testing.assert_allclose(convention_offset(faces, theirs), offset, atol=1e-12)
    # By hand: the first face is upright, 40 pixels between the corners.
    np.testing.assert_allclose(theirs[0] - faces[0], 40 * offset, atol=1e-9)
    # A quarter turn of the image turns the offset.
    turned = faces[0] @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    moved = in_their_convention(turned, offset) - turned
    np.testing.assert_allclose(moved, 40 * offset @ np.array([[0.0, 1.0], [-1.0, 0.0]]), atol=1e-9)


def test_single_blunders_do_not_matter_and_sides_agree(faces: list[np.ndarray]) -> None:
    theirs = [face.copy() for face in faces]
    theirs[1][100] += 1000
    np.testing.assert_allclose(convention_offset(faces, theirs), 0.0, atol=1e-9)
    lopsided = [
        face + np.array([3.0, 0.0]) for face in faces[:1]
    ]  # to the image's right is no habit of a face
    np.testing.assert_allclose(convention_offset(faces[:1], lopsided), 0.0, atol=1e-9)


def test_findings_keep_their_gaps(faces: list[np.ndarray]) -> None:
    face = FaceLandmarks.from_points(faces[0], "mediapipe478")
    moved = shifted([None, face], np.full((478, 2), 0.1))
    assert moved[0] is None
    assert moved[1] is not None
    np.testing.assert_allclose(moved[1].points, faces[0] + 4.0)
