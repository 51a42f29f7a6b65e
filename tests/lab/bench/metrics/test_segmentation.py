"""Masks against hand-counted cases; wrong implementations are caught by the same cases."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.segmentation import (
    FaceSegmentation,
    occluder_overlap,
    score_visible_face,
    summarise,
)

Mask = NDArray[np.bool_]
Score = Callable[[Mask, Mask, Mask], FaceSegmentation]


def case() -> tuple[Mask, Mask, Mask]:
    """In a region of 20 pixels: 8 true positives, 2 false positives, 4 false negatives, 6 true negatives."""
    found, truth, region = (np.zeros((6, 10), bool) for _ in range(3))
    region[1:3] = True
    truth[1, :] = truth[2, :2] = True
    found[1, :8] = found[2, 8:] = True
    # Outside: both are wrong in different ways, and it must not count
    found[4:], truth[5] = True, True
    return found, truth, region


def check(score: Score) -> None:
    found, truth, region = case()
    got = score(found, truth, region)
    assert got.pixels == 20
    assert got.visible == pytest.approx(12 / 20)
    assert got.accuracy == pytest.approx(14 / 20)
    assert got.ppv == pytest.approx(8 / 10)
    assert got.tpr == pytest.approx(8 / 12)
    assert got.f1 == pytest.approx(16 / 22)
    perfect = score(truth, truth, region)
    assert (perfect.accuracy, perfect.ppv, perfect.tpr, perfect.f1) == (1, 1, 1, 1)
    # A mask that finds nothing in front of the face: all of the region is called face
    nothing = score(region, truth, region)
    assert (nothing.tpr, nothing.ppv) == (1.0, pytest.approx(0.6))
    assert nothing.f1 == pytest.approx(2 * 0.6 / 1.6)
    # The opposite answer has the complementary accuracy
    assert score(~found, truth, region).accuracy == pytest.approx(6 / 20)


def test_hand_counted() -> None:
    check(score_visible_face)


def _wrong_side(found: Mask, truth: Mask, region: Mask) -> FaceSegmentation:
    return score_visible_face(~found, ~truth, region)  # the occluder as the positive class


def _outside_too(found: Mask, truth: Mask, region: Mask) -> FaceSegmentation:
    return score_visible_face(found, truth, np.ones_like(region))


def _swapped(found: Mask, truth: Mask, region: Mask) -> FaceSegmentation:
    return score_visible_face(truth, found, region)


def _masked_but_counted(found: Mask, truth: Mask, region: Mask) -> FaceSegmentation:
    return score_visible_face(found & region, truth & region, np.ones_like(region))


@pytest.mark.parametrize("broken", [_wrong_side, _outside_too, _swapped, _masked_but_counted])
def test_broken_implementations_are_caught(broken: Score) -> None:
    with pytest.raises(AssertionError):
        check(broken)


def test_nothing_outside_the_region_matters() -> None:
    rng = np.random.default_rng(3)
    found, truth, region = (rng.random((20, 30)) < 0.5 for _ in range(3))
    other = score_visible_face(found ^ (~region & (rng.random((20, 30)) < 0.5)), truth | ~region, region)
    assert other == score_visible_face(found, truth, region)


def test_where_no_face_is_seen() -> None:
    region = np.ones((4, 4), bool)
    none = np.zeros((4, 4), bool)
    both = score_visible_face(none, none, region)
    assert both.accuracy == 1
    assert np.isnan([both.ppv, both.tpr, both.f1]).all()
    missed = score_visible_face(none, region, region)
    assert (missed.ppv, missed.tpr, missed.f1, missed.accuracy) == (0, 0, 0, 0)
    invented = score_visible_face(region, none, region)
    assert (invented.ppv, invented.f1) == (0, 0)
    assert np.isnan(invented.tpr)


def test_means_and_spread() -> None:
    one = FaceSegmentation(0.5, 1.0, 0.5, 0.6, 10, 0.5)
    two = FaceSegmentation(1.0, 0.5, 1.0, 0.8, 10, 0.5)
    total = summarise([one, two])
    assert (total.count, total.accuracy, total.ppv, total.tpr) == (2, 0.75, 0.75, 0.75)
    assert total.f1 == pytest.approx(0.7)
    assert total.f1_sd == pytest.approx(0.1)
    with pytest.raises(UsageError, match="no photos"):
        summarise([])
    with pytest.raises(UsageError, match="leave it out"):
        summarise([one, FaceSegmentation(1, np.nan, np.nan, np.nan, 4, 0)])


def test_overlap_of_occluders() -> None:
    found, truth, region = case()
    # Occluders are what is not face: found 10, truth 8, both 6
    assert occluder_overlap(~found, ~truth, region) == (6, 12)


def test_bad_masks_are_refused_by_name() -> None:
    found, truth, region = case()
    with pytest.raises(UsageError, match="photo_7: masks must be"):
        score_visible_face(found[:3], truth, region, "photo_7")
    with pytest.raises(UsageError, match="float64"):
        score_visible_face(found.astype(float), truth, region)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="photo_7: the rendered region is empty"):
        score_visible_face(found, truth, np.zeros_like(region), "photo_7")
