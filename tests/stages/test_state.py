"""Slots of a face, and the small things that are computed from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wholeface.stages import SLOTS, FaceState, MaskEstimate
from wholeface.stages.mask.by_synthesis import beyond_the_fit
from wholeface.stages.shape.map_fit import hidden_landmarks


def test_slots_are_what_stages_may_name() -> None:
    assert {
        "photo",
        "landmarks",
        "parsing",
        "fit",
        "mask",
        "generated",
        "image",
        "texture",
        "bump",
        "relief",
    } == SLOTS


def test_a_warning_is_said_once_and_the_state_stays(face: Callable[..., FaceState]) -> None:
    before = face()
    after = before.warn("dark", "small").warn("dark")
    assert (before.warnings, after.warnings) == ((), ("dark", "small"))


def test_visible_and_hidden_divide_the_face() -> None:
    region = np.array([[True, True, True, False]])
    mask = MaskEstimate(np.array([[0.9, 0.5, 0.1, 0.9]], np.float32), region)
    np.testing.assert_array_equal(mask.hidden, [[True, False, False, True]])
    np.testing.assert_array_equal(mask.visible, [[False, True, True, False]])
    assert mask.hidden_fraction == pytest.approx(1 / 3)


def test_mask_is_read_at_the_nearest_pixel_and_is_0_outside(face: Callable[..., FaceState]) -> None:
    landmarks = face().landmarks
    landmarks.points[:4] = [[2.4, 1.4], [2.6, 1.4], [-5.0, 1.0], [2.0, 99.0]]
    probability = np.zeros((4, 5), dtype=np.float32)
    probability[1, 2] = 0.75
    values = hidden_landmarks(landmarks, MaskEstimate(probability, np.ones((4, 5), bool)))
    assert values[0] == pytest.approx(0.75)
    assert (values[1], values[2], values[3]) == (0.0, 0.0, 0.0)


def test_only_what_may_be_face_beyond_the_fit_is_taken_from_the_network() -> None:
    region = np.array([[True, True, False, False, False, False]])
    occluder = np.array([[0.9, 0.1, 0.0, 0.0, 0.0, 0.0]], np.float32)
    network = np.array([[0.2, 0.8, 0.7, 0.7, np.nan, 0.1]], np.float32)
    whole = np.array([[1.0, 1.0, 0.4, 0.2, 0.9, 0.9]], np.float32)
    found = beyond_the_fit(occluder, region, network, whole)
    # inside the fit nothing changes; beyond it the network is heard where it sees a face and looks at all
    np.testing.assert_allclose(found, [[0.9, 0.1, 0.7, 0.0, 0.0, 0.1]], atol=1e-6)
    assert found.dtype == np.float32
    assert float(occluder[0, 2]) == 0.0  # the input stays
