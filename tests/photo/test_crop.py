import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wholeface.core.errors import UsageError
from wholeface.photo import Photo, Similarity, similarity_crop, unwarp, warp, working_copy


def ramp(height: int, width: int) -> np.ndarray:
    """An image that tells its own pixel coordinates: channels u, v and a constant."""
    v, u = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([u, v, np.full_like(u, 7)], -1)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.02, 8),
    st.floats(-math.pi, math.pi),
    st.floats(20, 80),
    st.floats(20, 60),
)
def test_warp_samples_where_the_similarity_says(scale, rotation, cu, cv):
    """On a linear ramp interpolation returns the coordinates themselves."""
    source, size = ramp(90, 120), (31, 23)
    turn = Similarity(scale, rotation)
    shift = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2]) - turn.apply([cu, cv])
    similarity = Similarity(scale, rotation, *shift)
    grid = np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), -1)
    expected = similarity.inverse().apply(grid)
    got = warp(source, similarity, size)
    reach = 4 * max(1, 1 / scale)
    inside = ((expected > reach) & (expected < np.array([120, 90]) - 1 - reach)).all(-1)
    np.testing.assert_allclose(got[inside][:, :2], expected[inside], atol=2e-3 if scale >= 1 else 0.1 / scale)
    np.testing.assert_allclose(got[inside][:, 2], 7, rtol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(-15, 15), st.integers(-15, 15), st.sampled_from(["nearest", "bilinear"]))
def test_whole_pixel_shifts_are_exact(du, dv, filter):
    source = noise(20, 30)
    got = warp(source, Similarity(tx=du, ty=dv), (30, 20), fill=9, filter=filter)
    expected = np.full_like(source, 9)
    rows, columns = slice(max(0, dv), 20 + min(0, dv)), slice(max(0, du), 30 + min(0, du))
    expected[rows, columns] = source[max(0, -dv) : 20 - max(0, dv), max(0, -du) : 30 - max(0, du)]
    np.testing.assert_array_equal(got, expected)


@settings(max_examples=30, deadline=None)
@given(st.floats(1.0, 4.0), st.floats(-math.pi, math.pi))
def test_crop_and_paste_back_is_a_round_trip(scale, rotation):
    v, u = np.mgrid[:80, :100].astype(np.float32)
    photo = np.stack([np.sin(u / 9), np.cos(v / 8), np.sin((u + v) / 11)], -1)
    turn = Similarity(scale, rotation)
    shift = np.array([59.5, 59.5]) - turn.apply([50, 40])
    similarity = Similarity(scale, rotation, *shift)
    crop = warp(photo, similarity, (120, 120), fill="edge")
    back = unwarp(crop, similarity, np.full_like(photo, 5))
    pasted = back[..., 0] != 5
    assert pasted[40, 50]
    at = similarity.apply(np.stack(np.meshgrid(np.arange(100), np.arange(80)), -1))
    within = ((at >= 8) & (at <= 111)).all(-1)  # kernels that reach over the border see its repetition
    within[[0, -1]] = within[:, [0, -1]] = False
    assert np.abs(back[within] - photo[within]).max() < 0.025
    np.testing.assert_array_equal(pasted, ((at >= -0.5 - 1e-6) & (at <= 119.5 + 1e-6)).all(-1))


def test_paste_back_leaves_the_rest_and_its_input_alone():
    photo = noise(40, 50)
    crop, similarity = similarity_crop(photo, (9.5, 4.5, 29.5, 24.5), (20, 20))
    np.testing.assert_array_equal(crop, photo[5:25, 10:30])
    before = photo.copy()
    back = unwarp(255 - crop, similarity, photo)
    np.testing.assert_array_equal(photo, before)
    expected = photo.copy()
    expected[5:25, 10:30] = 255 - crop
    np.testing.assert_array_equal(back, expected)


def test_paste_back_with_a_mask_blends():
    photo, crop = np.zeros((20, 20, 3), np.uint8), np.full((10, 10, 3), 200, np.uint8)
    mask = np.zeros((10, 10))
    mask[:, 5:] = 0.5
    back = unwarp(crop, Similarity(tx=-4, ty=-4), photo, mask=mask)
    assert (back[4:14, 9:14] == 100).all()
    assert back.sum() == 100 * 3 * 50


def test_shrinking_is_antialiased():
    """A one-pixel checkerboard shrinks to grey, not to black and white."""
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    for rotation in (0.0, 0.4):
        _, similarity = similarity_crop(board, (80, 80, 175, 175), (11, 11), roll=rotation)
        small = warp(board, similarity, (11, 11))
        assert abs(small.astype(int) - 127).max() <= 6


def test_working_copy_maps_back():
    photo = Photo(noise(300, 401), focal_px=500.0, alpha=np.full((300, 401), 255, np.uint8))
    small, similarity = working_copy(photo, 100)
    assert small.pixels.shape == (75, 100, 3)
    assert small.alpha.shape == (75, 100)
    assert small.focal_px == pytest.approx(500 * 100 / 401)
    np.testing.assert_allclose(similarity.apply([-0.5, -0.5]), [-0.5, -0.5])
    np.testing.assert_allclose(similarity.apply([400.5, 150]), [99.5, (150.5) * 100 / 401 - 0.5])
    same, identity = working_copy(photo, 401)
    assert same is photo
    assert identity == Similarity()


def test_working_copy_keeps_edges_in_place():
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[100:, 150:] = 255
    small, similarity = working_copy(Photo(pixels), 60)
    np.testing.assert_array_equal(small.pixels[11:, 16:], 255)
    np.testing.assert_array_equal(small.pixels[:9], 0)
    # the step is where it was: symmetric about the border between working pixels 9 and 10
    np.testing.assert_allclose(small.pixels[9, 30].astype(int) + small.pixels[10, 30], 255, atol=1)
    mask = warp(small.pixels[..., 0] > 127, similarity.inverse(), (600, 400), fill="edge")
    assert np.abs(mask.astype(int) - (pixels[..., 0] > 0)).mean() < 0.005


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(12, 14), (12, 14, 1), (12, 14, 3), (12, 14, 4), (12, 14, 5)])
@pytest.mark.parametrize("filter", ["nearest", "bilinear"])
def test_types_and_shapes_survive(dtype, shape, filter):
    source = (np.random.default_rng(0).uniform(size=shape) > 0.5).astype(dtype)
    got = warp(source, Similarity(), (14, 12), filter=filter)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, source, atol=1e-6)
    assert warp(source, Similarity(0.3, 1.0), (5, 6), filter=filter).shape == (6, 5, *shape[2:])


@pytest.mark.parametrize("fill", [0, 50, "edge"])
@pytest.mark.parametrize("filter", ["nearest", "bilinear"])
@pytest.mark.parametrize(
    "similarity",
    [Similarity(tx=1e7), Similarity(1e-4), Similarity(1e-5, 1.0, 300, -1e4), Similarity(1e4, 2.0)],
)
def test_far_away_crops_are_cheap_and_filled(similarity, filter, fill):
    source = np.full((40, 30, 3), 80, np.uint8)
    got = warp(source, similarity, (64, 48), fill=fill, filter=filter)
    assert got.shape == (48, 64, 3)
    if fill == "edge":
        assert (got == 80).all()
    else:
        assert ((got >= min(fill, 80)) & (got <= max(fill, 80))).all()


def test_label_images_of_any_type_warp_by_nearest():
    labels = np.arange(12, dtype=np.int32).reshape(3, 4)
    got = warp(labels, Similarity(2.0, 0, 0.5, 0.5), (8, 6), filter="nearest")
    np.testing.assert_array_equal(got, labels.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize(
    "call",
    [
        lambda: warp(np.zeros((4, 4)), Similarity(), (4, 4), filter="lanczos"),
        lambda: warp(np.zeros((4, 4)), Similarity(), (4, 4), fill="mirror"),
        lambda: warp(np.zeros((4, 4)), Similarity(), (0, 4)),
        lambda: warp(np.zeros((0, 4)), Similarity(), (4, 4)),
        lambda: warp(np.zeros((4, 4), np.int64), Similarity(), (4, 4)),
        lambda: unwarp(np.zeros((4, 4)), Similarity(), np.zeros((4, 4, 3))),
        lambda: unwarp(np.zeros((4, 4)), Similarity(), np.zeros((4, 4)), mask=np.zeros((3, 3))),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(UsageError):
        call()
