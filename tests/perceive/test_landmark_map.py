"""Landmarks joined into a parsing map."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from wholeface.core.errors import UsageError
from wholeface.perceive import ParsingClass, landmark_map
from wholeface.perceive.landmark_map import _hull, _paint

Points = NDArray[np.float64]


def winds_around(outline: Points, x: float, y: float) -> int:
    """Winding number by summing the crossings of the ray to the left, one edge at a time."""
    count = 0
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0)):
        if y0 <= y < y1 or y1 <= y < y0:
            crossing = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
            if crossing <= x:
                count += 1 if y1 > y0 else -1
    return count


@given(
    outline=hnp.arrays(
        np.float64,
        st.tuples(st.integers(3, 8), st.just(2)),
        elements=st.one_of(st.integers(-3, 12), st.integers(-24, 96).map(lambda v: v / 8)),
    ),
    folded=st.booleans(),
)
def test_painting_equals_the_loop(outline: Points, folded: bool) -> None:
    labels = np.zeros((9, 10), np.uint8)
    _paint(labels, ParsingClass.SKIN, outline, folded=folded)
    for y in range(9):
        for x in range(10):
            n = winds_around(outline, x, y)
            assert labels[y, x] == (n != 0 if folded else n < 0)


@given(
    points=hnp.arrays(
        np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(-4, 4).map(float)
    )
)
def test_the_hull_is_convex_and_holds_all(points: Points) -> None:
    hull = _hull(points)
    assert {tuple(p) for p in hull} <= {tuple(p) for p in points}
    edges = np.roll(hull, -1, axis=0) - hull
    for corner, edge in zip(hull, edges):
        beside = edge[0] * (points[:, 1] - corner[1]) - edge[1] * (points[:, 0] - corner[0])
        assert (beside >= 0).all()


def test_neighbours_share_no_pixel_and_leave_none_out() -> None:
    labels = np.zeros((20, 20), np.uint8)
    left, right = np.zeros_like(labels), np.zeros_like(labels)
    corners = np.array([[2.0, 2.0], [9.0, 3.0], [17.0, 2.5], [16.0, 17.0], [8.0, 16.0], [3.0, 17.0]])
    _paint(labels, ParsingClass.SKIN, corners)
    _paint(left, ParsingClass.SKIN, corners[[0, 1, 4, 5]])
    _paint(right, ParsingClass.SKIN, corners[[1, 2, 3, 4]])
    np.testing.assert_array_equal(left.astype(int) + right, labels)


def test_every_part_is_there_once_on_its_side(points_68: Points) -> None:
    labels = landmark_map(points_68, 128)
    assert set(np.unique(labels)) == {0, 1, 2, 4, 5, 6, 7, 10, 11, 12}
    column = {c: np.nonzero(labels == c)[1].mean() for c in np.unique(labels)}
    row = {c: np.nonzero(labels == c)[0].mean() for c in np.unique(labels)}
    assert column[ParsingClass.LEFT_EYE] < 64 < column[ParsingClass.RIGHT_EYE]
    assert column[ParsingClass.LEFT_BROW] < 64 < column[ParsingClass.RIGHT_BROW]
    order = [6, 4, 2, 11, 10, 12]  # brow, eye, nose, upper lip, inner mouth, lower lip
    assert [row[ParsingClass(c)] for c in order] == sorted(row[ParsingClass(c)] for c in order)


def test_the_middle_of_each_part(points_68: Points) -> None:
    labels = landmark_map(points_68, 128)

    def at(*numbers: int) -> int:
        x, y = np.rint(points_68[list(numbers)].mean(axis=0)).astype(int)
        return int(labels[y, x])

    assert at(36, 37, 38, 39, 40, 41) == ParsingClass.LEFT_EYE
    assert at(*range(42, 48)) == ParsingClass.RIGHT_EYE
    assert at(18, 19, 20) == ParsingClass.LEFT_BROW
    assert at(23, 24, 25) == ParsingClass.RIGHT_BROW
    assert at(29, 33) == ParsingClass.NOSE
    assert at(51, 62) == ParsingClass.UPPER_LIP
    assert at(57, 66) == ParsingClass.LOWER_LIP
    assert at(62, 66) == ParsingClass.INNER_MOUTH
    assert at(3, 48) == ParsingClass.SKIN
    assert at(57, 8) == ParsingClass.SKIN


def test_a_shut_mouth_has_no_inside_even_when_its_points_cross(points_68: Points) -> None:
    points = points_68.copy()
    points[[61, 62, 63], 1] = points[60, 1] + 1
    points[[67, 66, 65], 1] = points[60, 1] - 1
    labels = landmark_map(points, 128)
    assert not (labels == ParsingClass.INNER_MOUTH).any()
    x, y = np.rint(points[[62, 66]].mean(axis=0)).astype(int)
    assert labels[y, x] in (ParsingClass.UPPER_LIP, ParsingClass.LOWER_LIP)


def test_forehead(points_68: Points) -> None:
    nose = float(points_68[33, 1] - points_68[27, 1])
    tops = []
    for forehead in (0.0, 0.5, 1.0):
        rows = np.nonzero(landmark_map(points_68, 128, forehead=forehead) == ParsingClass.SKIN)[0]
        tops.append(rows.min())
    brow = points_68[17:27, 1].min()
    assert tops[0] >= brow
    assert tops[1] == pytest.approx(brow - 0.5 * nose, abs=2)
    assert tops[2] == pytest.approx(brow - nose, abs=2)


def test_moves_turns_and_mirrors_with_the_points(points_68: Points) -> None:
    labels = landmark_map(points_68, 128)
    np.testing.assert_array_equal(
        landmark_map(points_68 + np.array([7, -5]), 128)[0:118, 10:], labels[5:123, 3:121]
    )
    points = points_68 + 1e-6  # away from pixel centres on an edge, where left and right are not alike
    turned = np.stack([127 - points[:, 1], points[:, 0]], axis=-1)
    np.testing.assert_array_equal(landmark_map(turned, 128), np.rot90(landmark_map(points, 128), -1))


def test_batches_and_sizes(points_68: Points) -> None:
    batch = np.stack([points_68, points_68 * 0.5 + 10, points_68 + 200])
    maps = landmark_map(batch[None].astype(np.float32), 100, 140)
    assert maps.shape == (1, 3, 100, 140)
    assert maps.dtype == np.uint8
    for i in range(3):
        np.testing.assert_array_equal(maps[0, i], landmark_map(batch[i].astype(np.float32), 100, 140))
    assert not maps[0, 2].any()  # outside the image


@pytest.mark.parametrize(
    ("points", "height", "forehead", "message"),
    [
        (np.zeros((98, 2)), 64, 0.5, r"\(98, 2\)"),
        (np.full((68, 2), np.nan), 64, 0.5, "finite"),
        (np.zeros((68, 2)), 0, 0.5, "at least one pixel"),
        (np.zeros((68, 2)), 64, -0.1, "forehead"),
    ],
)
def test_what_makes_no_map_is_refused(points: Points, height: int, forehead: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        landmark_map(points, height, forehead=forehead)


def test_points_in_one_place_give_an_empty_map() -> None:
    assert not landmark_map(np.full((68, 2), 5.0), 16).any()
