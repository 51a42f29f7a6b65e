import pickle

import numpy as np
import pytest

from wholeface.photo import Patch, Similarity, patch_of_crop, unwarp, warp


@pytest.mark.parametrize("turn", [0.0, 0.35])
def test_a_patch_is_what_unwarp_pastes(turn):
    field = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    scale = 0.4
    frame = Similarity(scale * np.cos(turn), scale * np.sin(turn), 3.0, 9.0)
    whole = unwarp(field, frame, np.full((90, 120), -1.0, np.float32))
    patch = patch_of_crop(field, frame, 90, 120, outside=-1.0)
    pasted = np.full((90, 120), -1.0, np.float32)
    pasted[patch.slices] = patch.values
    np.testing.assert_allclose(pasted, whole, atol=1e-4)
    assert patch.values.size < whole.size


def test_a_crop_beside_the_photo_gives_an_empty_patch():
    patch = patch_of_crop(np.ones((8, 8), np.float32), Similarity(tx=500.0), 20, 30, outside=0.0)
    assert patch.values.size == 0


def test_a_patch_laid_into_the_photo():
    patch = Patch(np.arange(1, 7, dtype=np.float32).reshape(2, 3), left=2, top=1)
    whole = np.zeros((5, 6), np.float32)
    whole[1, 2:5], whole[2, 2:5] = (1, 2, 3), (4, 5, 6)
    np.testing.assert_array_equal(patch.whole(5, 6), whole)
    np.testing.assert_array_equal(patch.whole(2, 4), whole[:2, :4])  # a photo that ends within it
    np.testing.assert_array_equal(patch.within((slice(2, 4), slice(3, 6))), [[5, 6, 0], [0, 0, 0]])
    np.testing.assert_array_equal(patch.within((slice(3, 5), slice(0, 2))), np.zeros((2, 2)))


def test_a_pickled_patch_is_the_same_and_small():
    values = np.zeros((300, 400), np.float32)
    values[20:30, 50:60] = np.random.default_rng(1).random((10, 10))
    data = pickle.dumps(Patch(values, 7, 9))
    assert len(data) < values.nbytes / 50
    again = pickle.loads(data)
    assert (again.left, again.top) == (7, 9)
    np.testing.assert_array_equal(again.values, values)


def test_a_patch_is_seen_through_a_crop_as_the_whole_map_is():
    values = np.zeros((20, 30), np.float32)
    values[3:-3, 3:-3] = np.random.default_rng(0).random((14, 24))
    patch = Patch(values, 25, 10)
    crop = Similarity(1.0, 0.3, 5.0, -4.0)
    np.testing.assert_allclose(
        patch.seen(crop, (48, 40)), warp(patch.whole(60, 80), crop, (48, 40)), atol=1e-5
    )
    assert (Patch(np.zeros((0, 0), np.float32), 0, 0).seen(crop, (8, 6)) == np.zeros((6, 8))).all()
