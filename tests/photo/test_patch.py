import numpy as np
import pytest

from wholeface.photo import Similarity, patch_of_crop, unwarp


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
