import numpy as np
import pytest

from wholeface.lab.data.compositing.warp import pyramid, similarity, thin_plate, warp_affine, warp_grid


def image(height=48, width=64):
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([3 * x, 4 * y, 100 + 0 * x], axis=-1)
    return np.dstack([smooth, np.full((height, width), 255)]).astype(np.uint8)


def test_the_identity_changes_nothing():
    rgba = image(64, 64)
    out = warp_affine(pyramid(rgba), np.array([[1.0, 0, 0], [0, 1, 0]]), 64)
    np.testing.assert_array_equal(out, rgba)


def test_a_similarity_takes_the_source_point_to_the_target_and_turns_clockwise():
    matrix = similarity((10, 20), (40, 50), 2.0, np.pi / 2)
    np.testing.assert_allclose(matrix @ [10, 20, 1], [40, 50], atol=1e-5)
    np.testing.assert_allclose(matrix @ [11, 20, 1], [40, 52], atol=1e-5)  # right becomes down
    mirrored = similarity((10, 20), (40, 50), 2.0, 0.0, mirror=True)
    np.testing.assert_allclose(mirrored @ [11, 20, 1], [38, 50], atol=1e-5)


@pytest.mark.parametrize("scale", [1.7, 0.6, 0.26])
def test_colours_and_coverage_follow_an_affine_warp_at_any_level(scale):
    rgba = image(192, 256)
    rgba[..., 0], rgba[..., 1] = np.arange(256)[None] // 2, np.arange(192)[:, None]
    matrix = similarity((128, 96), (60.3, 59.8), scale, 0.3)
    out = warp_affine(pyramid(rgba), matrix, 120)
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    y, x = np.mgrid[:120, :120]
    source = np.stack([x, y, np.ones_like(x)], axis=-1) @ inverse[:2].T
    margin = 2.5 / scale
    inside = ((source > margin) & (source < np.array([255, 191]) - margin)).all(-1)
    outside = ((source < -margin) | (source > np.array([255, 191]) + margin)).any(-1)
    assert (out[inside, 3] == 255).all()
    assert (out[outside, 3] == 0).all()
    np.testing.assert_allclose(out[inside, 0], source[inside][:, 0] / 2, atol=1.5)
    np.testing.assert_allclose(out[inside, 1], source[inside][:, 1], atol=2.0)


def test_a_grid_warp_agrees_with_the_affine_warp():
    flat = pyramid(image())
    matrix = similarity((32, 24), (50, 50), 1.3, 0.4)
    nodes = np.stack(np.meshgrid(np.linspace(-1, 64, 6), np.linspace(-1, 48, 5)), axis=-1)
    moved = nodes @ matrix[:, :2].T + matrix[:, 2]
    one, two = warp_affine(flat, matrix, 100), warp_grid(flat, nodes, moved, 100)
    both = (one[..., 3] > 250) & (two[..., 3] > 250)
    assert both.sum() > 4000
    assert np.abs(one[both].astype(int) - two[both]).max() <= 1
    assert ((one[..., 3] > 127) != (two[..., 3] > 127)).mean() < 0.01


def test_cells_that_are_turned_over_are_left_out():
    nodes = np.stack(np.meshgrid(np.linspace(-1, 64, 3), np.linspace(-1, 48, 3)), axis=-1)
    assert not warp_grid(pyramid(image()), nodes, nodes * [-1, 1] + [70, 5], 100).any()


def test_a_thin_plate_spline_meets_its_nodes_and_is_exact_on_affine_maps():
    rng = np.random.default_rng(0)
    source, points = rng.uniform(0, 100, (9, 2)), rng.uniform(0, 100, (4, 5, 2))
    bent = source + rng.normal(0, 5, (9, 2))
    np.testing.assert_allclose(thin_plate(source, bent, source), bent, atol=1e-3)
    linear = np.array([[1.2, 0.3], [-0.4, 0.8]])
    np.testing.assert_allclose(
        thin_plate(source, source @ linear + 7, points), points @ linear + 7, atol=1e-3
    )


def test_shrinking_keeps_colours_free_of_what_is_uncovered():
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[:, :32] = [200, 100, 50, 255]
    rgba[:, 32:, :3] = 255  # uncovered white
    for level in pyramid(rgba, 8).levels:
        seen = level[..., 3] > 10
        np.testing.assert_allclose(level[seen][:, :3], np.tile([200, 100, 50], (seen.sum(), 1)), atol=1)
