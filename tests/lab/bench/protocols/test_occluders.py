"""The benchmark's own metric, by hand-counted cases and against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from wholeface.core.errors import UsageError
from wholeface.lab.bench.protocol import RunOptions
from wholeface.lab.bench.protocols.occluders import pool, run, score


def masks(*rows):
    return np.array([[c == "#" for c in row] for row in rows])


FACE = masks("####", "####", "....")


def test_hand_counted():
    truth = masks("##..", "#...", "####")  # outside the face nothing counts
    found = masks("#.#.", "#...", "....")
    s = score("x", found, truth, FACE)
    assert (s.intersection, s.union) == (2, 4)
    assert s.iou == 0.5
    assert s.occluded == 3 / 8
    assert s.accuracy == 6 / 8
    assert s.precision == 4 / 5  # of 5 pixels called visible 4 are
    assert s.recall == 4 / 5
    assert s.f1 == pytest.approx(4 / 5)


def test_mask_that_finds_nothing():
    truth = masks("##..", "....", "....")
    s = score("x", np.zeros_like(truth), truth, FACE)
    assert (s.iou, s.recall, s.precision) == (0.0, 1.0, 6 / 8)


def test_perfect_and_empty():
    nothing = np.zeros_like(FACE)
    s = score("x", nothing, nothing, FACE)
    assert (s.iou, s.accuracy, s.f1) == (1.0, 1.0, 1.0)
    everything = np.ones_like(FACE)
    s = score("x", everything, everything, FACE)
    assert (s.iou, s.accuracy, s.f1) == (1.0, 1.0, 0.0)  # no visible face to find


def test_pooled_iou_weighs_pixels_and_f1_photos():
    truth = masks("##..", "#...", "....")
    a, b = (
        score("a", truth, truth, FACE),
        score("b", np.zeros_like(truth), masks("#...", "....", "...."), FACE),
    )
    total = pool([a, b])
    assert total.iou == 3 / 4
    assert total.f1 == pytest.approx((a.f1 + b.f1) / 2)
    assert total.photos == 2


@given(arrays(bool, (3, 5, 6)))
@settings(max_examples=60, deadline=None)
def test_against_the_definition(stack):
    found, truth, face = stack
    face[0, 0] = True
    s = score("x", found, truth, face)
    pixels = [(f, t) for f, t, inside in zip(found.ravel(), truth.ravel(), face.ravel()) if inside]
    both = sum(f and t for f, t in pixels)
    either = sum(f or t for f, t in pixels)
    assert s.iou == pytest.approx(both / either if either else 1.0)
    assert s.accuracy == pytest.approx(sum(f == t for f, t in pixels) / len(pixels))
    assert 0 <= s.f1 <= 1


def test_bad_input():
    with pytest.raises(UsageError, match="sizes"):
        score("x", np.zeros((2, 2), bool), np.zeros((2, 3), bool), np.ones((2, 2), bool))
    with pytest.raises(UsageError, match="empty"):
        score("x", np.zeros((2, 2), bool), np.zeros((2, 2), bool), np.zeros((2, 2), bool))
    with pytest.raises(UsageError, match="no annotated"):
        pool([])


def test_folder_without_photos(tmp_path):
    with pytest.raises(UsageError, match="no annotated photos"):
        run(RunOptions(data=tmp_path))
