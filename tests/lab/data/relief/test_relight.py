"""Pictures of skin with folds."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.lab.data.relief import Look, SurfaceMaps, detailed_normals, with_relief
from wholeface.render import directional_light

SIZE = 64
PLAIN = Look(0.0, np.ones(3, np.float32), 0.0, 10.0, 1e-3)


def _plane(tilt: float = 0.0) -> SurfaceMaps:
    """A plane seen from the front at one millimetre per pixel, turned about the vertical axis by ``tilt``."""
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    across, up = columns - SIZE / 2, SIZE / 2 - rows
    points = np.stack([across, up, -900 - np.tan(tilt) * across], axis=2)
    normal = np.array([np.sin(tilt), 0, np.cos(tilt)], np.float32)
    return SurfaceMaps(
        np.ones((SIZE, SIZE), bool), np.broadcast_to(normal, points.shape).copy(), points,
        np.stack([across, up], axis=2),
    )  # fmt: skip


def test_normals_of_a_ramp_are_those_of_the_tilted_plane() -> None:
    maps = _plane()
    turned = detailed_normals(maps, 0.3 * maps.chart[..., 0])
    expected = np.array([-0.3, 0, 1]) / np.hypot(0.3, 1)
    np.testing.assert_allclose(turned[5:-5, 5:-5], np.broadcast_to(expected, (54, 54, 3)), atol=1e-5)


@pytest.mark.parametrize("tilt", [0.0, 0.6])
def test_normals_agree_with_the_displaced_surface(tilt: float) -> None:
    maps = _plane(tilt)
    height = (0.8 * np.sin(maps.points[..., 0] / 6) * np.cos(maps.points[..., 1] / 9)).astype(np.float32)
    moved = maps.points + height[..., None] * maps.normals
    across, down = np.gradient(moved, axis=1), np.gradient(moved, axis=0)
    exact = np.cross(down, across)
    exact /= np.linalg.norm(exact, axis=2, keepdims=True)
    angle = np.degrees(np.arccos(np.clip((detailed_normals(maps, height) * exact).sum(axis=2), -1, 1)))
    assert angle[3:-3, 3:-3].max() < 1.0


def test_a_ridge_is_bright_towards_the_light_and_dark_behind() -> None:
    maps = _plane()
    light = (directional_light((1.0, 0.0, 1.0), 1.0)).numpy()
    height = np.exp(-0.5 * (maps.chart[..., 0] / 4) ** 2).astype(np.float32)
    image = np.full((SIZE, SIZE, 3), 0.4, np.float32)
    lit = with_relief(image, maps, light, height, PLAIN)
    right, left = lit[SIZE // 2, SIZE // 2 + 4], lit[SIZE // 2, SIZE // 2 - 4]
    assert (right > 0.42).all()
    assert (left < 0.38).all()
    np.testing.assert_allclose(lit[:, :8], image[:, :8], atol=2e-3)


def test_grooves_darken_by_ambient_occlusion_alone_under_even_light() -> None:
    maps = _plane()
    light = np.zeros((9, 3), np.float32)
    light[0] = 3.0
    height = -np.exp(-0.5 * (maps.chart[..., 0] / 1.5) ** 2).astype(np.float32)
    image = np.full((SIZE, SIZE, 3), 0.4, np.float32)
    np.testing.assert_allclose(with_relief(image, maps, light, height, PLAIN), image, rtol=1e-4)
    deep = with_relief(image, maps, light, height, Look(0.4, np.ones(3, np.float32), 0.0, 10.0, 1e-3))
    assert deep[SIZE // 2, SIZE // 2, 0] < 0.34
    assert deep[SIZE // 2, 4, 0] == pytest.approx(0.4, rel=1e-3)


def test_without_height_the_picture_stays_to_the_bit() -> None:
    image = np.random.default_rng(0).random((SIZE, SIZE, 3)).astype(np.float32)
    light = directional_light((0.0, 0.0, 1.0), 1.0).numpy()
    np.testing.assert_array_equal(
        with_relief(image, _plane(), light, np.zeros((SIZE, SIZE), np.float32), PLAIN), image
    )
