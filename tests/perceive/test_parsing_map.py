"""Algorithm 1: the vectorised map against the paper's loops."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from wholeface.core.errors import UsageError
from wholeface.perceive import (
    FACE_CLASSES,
    FEATURE_CLASSES,
    SKIN_CLASSES,
    ParsingClass,
    landmark_map,
    parsing_map_plus,
)

Map = NDArray[np.integer]
_SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 7))
_LABELS = st.one_of(st.integers(0, 19), st.just(255))


def algorithm_1(a: Map, b: Map, s: set[int], o: set[int], *, as_printed: bool = False) -> Map:
    """The paper's listing, line by line."""
    height, width = a.shape
    c = np.full_like(a, 77)
    for y in range(height):  # 1: start to generate complete face skin
        for x in range(width):  # 2
            if a[y, x] in o:  # 3
                c[y, x] = a[y, x]  # 4
            elif a[y, x] not in o and b[y, x] in o:  # 5
                c[y, x] = b[y, x]  # 6
            else:  # 7
                c[y, x] = a[y, x]
    for y in range(height):  # 12: start to generate complete facial features
        for x in range(width):
            if a[y, x] in s:  # 13
                c[y, x] = a[y, x]  # 14
            elif a[y, x] not in s and b[y, x] in s:  # 15
                c[y, x] = b[y, x]  # 16
            elif as_printed:  # 17: else C <- A
                c[y, x] = a[y, x]
    return c


@given(data=st.data(), shape=_SHAPES, as_printed=st.booleans())
def test_equals_the_loops(data: st.DataObject, shape: tuple[int, int], as_printed: bool) -> None:
    a = data.draw(hnp.arrays(np.uint8, shape, elements=_LABELS))
    b = data.draw(hnp.arrays(np.uint8, shape, elements=_LABELS))
    before = a.copy(), b.copy()
    c = parsing_map_plus(a, b, as_printed=as_printed)
    expected = algorithm_1(a, b, set(FEATURE_CLASSES), set(SKIN_CLASSES), as_printed=as_printed)
    np.testing.assert_array_equal(c, expected)
    assert c.dtype == np.uint8
    assert not np.shares_memory(c, a)
    np.testing.assert_array_equal((a, b), before)


@given(data=st.data(), shape=_SHAPES)
def test_other_class_sets(data: st.DataObject, shape: tuple[int, int]) -> None:
    labels = hnp.arrays(np.int64, shape, elements=st.integers(0, 19))
    a, b = data.draw(labels), data.draw(labels)
    skin = data.draw(st.sets(st.integers(0, 19)))
    features = data.draw(st.sets(st.integers(0, 19))) - skin
    c = parsing_map_plus(a, b, skin=skin, features=features)
    np.testing.assert_array_equal(c, algorithm_1(a, b, features, skin))


@given(data=st.data(), shape=_SHAPES)
def test_face_never_gets_less(data: st.DataObject, shape: tuple[int, int]) -> None:
    labels = hnp.arrays(np.uint8, shape, elements=_LABELS)
    a, b = data.draw(labels), data.draw(labels)
    c = parsing_map_plus(a, b)
    face = set(FACE_CLASSES)
    np.testing.assert_array_equal(np.isin(c, list(face)), np.isin(a, list(face)) | np.isin(b, list(face)))
    np.testing.assert_array_equal(parsing_map_plus(c, b), c)  # a second time changes nothing


_SKIN, _NOSE, _LIP, _HAND = (
    ParsingClass.SKIN,
    ParsingClass.NOSE,
    ParsingClass.UPPER_LIP,
    ParsingClass.OBJECT,
)


@pytest.mark.parametrize(
    ("a", "b", "c"),
    [
        (_SKIN, _SKIN, _SKIN),
        (_SKIN, _NOSE, _NOSE),  # line 15: skin is not in S
        (_SKIN, 0, _SKIN),
        (_LIP, _SKIN, _LIP),  # pass 1 writes skin, pass 2 takes it back
        (_LIP, _NOSE, _LIP),
        (_LIP, 0, _LIP),
        (_HAND, _SKIN, _SKIN),
        (_HAND, _NOSE, _NOSE),
        (_HAND, 0, _HAND),
        (_HAND, ParsingClass.HAIR, _HAND),
        (ParsingClass.INNER_MOUTH, _LIP, ParsingClass.INNER_MOUTH),
        (255, _SKIN, _SKIN),
    ],
)
def test_table_of_the_docstring(a: int, b: int, c: int) -> None:
    assert parsing_map_plus(np.array([[a]]), np.array([[b]])) == c


def test_a_finger_over_the_lips(points_68: NDArray[np.float64]) -> None:
    whole = landmark_map(points_68, 128)
    seen = whole.copy()
    seen[70:128, 58:70] = ParsingClass.OBJECT
    assert (whole[seen == ParsingClass.OBJECT] == ParsingClass.UPPER_LIP).any()
    completed = parsing_map_plus(seen, landmark_map(points_68 + 0.5, 128))
    outside = (seen != ParsingClass.OBJECT) & (seen != ParsingClass.SKIN) & (seen != ParsingClass.BACKGROUND)
    np.testing.assert_array_equal(completed[outside], seen[outside])
    finger_on_face = (seen == ParsingClass.OBJECT) & (landmark_map(points_68 + 0.5, 128) != 0)
    assert not np.isin(completed[finger_on_face], [ParsingClass.OBJECT]).any()
    np.testing.assert_array_equal(parsing_map_plus(seen, whole), np.where(whole > 0, whole, seen))


def test_batches_broadcast() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 20, (4, 3, 5, 6)), rng.integers(0, 20, (3, 5, 6))
    c = parsing_map_plus(a, b)
    assert c.shape == (4, 3, 5, 6)
    for i in range(4):
        for j in range(3):
            np.testing.assert_array_equal(c[i, j], parsing_map_plus(a[i, j], b[j]))


@pytest.mark.parametrize(
    ("a", "b", "sets", "message"),
    [
        (np.zeros((4, 4), int), np.zeros((4, 5), int), {}, "same height and width"),
        (np.zeros((4, 1), int), np.zeros((4, 4), int), {}, "same height and width"),
        (np.zeros((2, 4, 4), int), np.zeros((3, 4, 4), int), {}, "do not broadcast"),
        (np.zeros((4, 4)), np.zeros((4, 4), int), {}, "map_alpha must be an integer map"),
        (np.zeros((4, 4), int), np.zeros(4, int), {}, "map_beta must be an integer map"),
        (np.full((4, 4), 256), np.zeros((4, 4), int), {}, "0…255"),
        (
            np.zeros((4, 4), int),
            np.zeros((4, 4), int),
            {"skin": (1, 2)},
            "label 2 is in skin and in features",
        ),
        (np.zeros((4, 4), int), np.zeros((4, 4), int), {"skin": (-1,)}, "got -1"),
    ],
)
def test_what_does_not_fit_is_refused(a: Map, b: Map, sets: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parsing_map_plus(a, b, **sets)
