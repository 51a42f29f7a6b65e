"""Shape from shading: on a sphere whose relief is known, and on faces of the shipped model."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wholeface.core.spherical_harmonics import sh_basis_array
from wholeface.errors import UsageError
from wholeface.render import Camera
from wholeface.stages.relief.shading import (
    Ground,
    ShadingSettings,
    ground,
    shape_from_shading,
    slopes_to_normals,
)

Array = NDArray[np.float32]
SIZE, RADIUS, AWAY = 128, 90.0, 600.0
SIDE = np.array([0.9, 0.15, 0.35, 0.4, 0, 0, 0, 0, 0], np.float32)
FRONT = np.array([0.9, 0.1, 0.6, 0.0, 0, 0, 0.1, 0, 0], np.float32)
CLEAR = ShadingSettings(noise=0.03, slope=0.3, height_mm=1.0, rounds=4, iterations=60)


@pytest.fixture(scope="module")
def sphere() -> tuple[Ground, NDArray[np.bool_]]:
    """A sphere before the camera, and where it is seen at less than 55 degrees."""
    camera = Camera(700.0, (SIZE - 1) / 2, (SIZE - 1) / 2, SIZE, SIZE)
    u = (np.arange(SIZE) - camera.cx) / camera.focal
    ray = np.stack(np.broadcast_arrays(u[None], -u[:, None], -1.0), axis=2)
    # |z · ray + (0, 0, AWAY)| = RADIUS, the nearer solution.
    length = (ray**2).sum(axis=2)
    root = AWAY**2 - length * (AWAY**2 - RADIUS**2)
    there = root > 0
    depth = np.where(there, (AWAY - np.sqrt(np.maximum(root, 0))) / length, np.inf)
    points = np.where(there, depth, 0)[..., None] * ray + np.array([0, 0, AWAY])
    normals = np.where(there[..., None], points / RADIUS, 0).astype(np.float32)
    surface = ground(normals, depth.astype(np.float32), camera)
    return surface, surface.facing > 0.57


def folds(surface: Ground, seen: NDArray[np.bool_]) -> Array:
    """Two grooves and a bump, mm, fading towards the edge of what is seen."""
    x, y = 90 * surface.normals[..., 0], 90 * surface.normals[..., 1]
    slanted = (x + 0.5 * y) / 1.118
    groove = -0.8 * np.exp(-(((slanted - 12) / 4) ** 2)) - 0.6 * np.exp(-(((x + 20) / 5) ** 2))
    bump = 0.7 * np.exp(-(((x + 2) / 6) ** 2) - ((y - 15) / 6) ** 2)
    inner = np.exp(-(((x**2 + y**2) / 45**2) ** 3))
    return np.where(seen, (groove + bump) * inner, 0).astype(np.float32)


def log_ratio(height: Array, surface: Ground, light: Array, seen: NDArray[np.bool_]) -> Array:
    lit, flat = (sh_basis_array(n) @ light for n in (slopes_to_normals(height, surface), surface.normals))
    ratio = np.log(np.maximum(lit, 1e-3)) - np.log(np.maximum(flat, 1e-3))
    return np.where(seen, ratio, 0).astype(np.float32)


def correlation(a: Array, b: Array, where: NDArray[np.bool_]) -> float:
    return float(np.corrcoef(a[where], b[where])[0, 1])


def test_dual_tangents_measure_slopes(sphere: tuple[Ground, NDArray[np.bool_]]) -> None:
    """A step of one pixel along columns and back over the dual tangent is one, across rows nothing."""
    surface, seen = sphere
    camera = Camera(700.0, (SIZE - 1) / 2, (SIZE - 1) / 2, SIZE, SIZE)
    centre = surface.normals * RADIUS - np.array([0, 0, AWAY], np.float32)  # the surface points themselves
    step = 0.5 * (centre[:, 2:] - centre[:, :-2])
    inside = seen[:, 2:] & seen[:, :-2] & seen[:, 1:-1]
    assert (surface.along[:, 1:-1] * step).sum(axis=2)[inside] == pytest.approx(1, abs=5e-3)
    assert (surface.across[:, 1:-1] * step).sum(axis=2)[inside] == pytest.approx(0, abs=5e-3)
    assert surface.pixel_mm == pytest.approx((AWAY - RADIUS) / camera.focal, rel=0.1)


@pytest.mark.parametrize(("light", "least"), [(SIDE, 0.5), (FRONT, 0.2)], ids=["side", "front"])
def test_recovers_relief_of_uniform_albedo(
    sphere: tuple[Ground, NDArray[np.bool_]], light: Array, least: float
) -> None:
    surface, seen = sphere
    truth = folds(surface, seen)
    given = log_ratio(truth, surface, light, seen)
    found = shape_from_shading(given, seen.astype(np.float32), surface, light, CLEAR)
    assert correlation(found, truth, seen) > 0.8
    # Depths come out, too; light from the eye hardly changes with a slope at the middle, which stays flat.
    scale = float((found * truth)[seen].sum() / (truth[seen] ** 2).sum())
    assert least < scale < 1.2


def test_nothing_where_the_photo_says_nothing(sphere: tuple[Ground, NDArray[np.bool_]]) -> None:
    surface, seen = sphere
    flat = np.zeros(seen.shape, np.float32)
    found = shape_from_shading(flat, seen.astype(np.float32), surface, SIDE)
    assert np.abs(found).max() < 1e-5
    noise = np.random.default_rng(0).normal(0, 0.2, seen.shape).astype(np.float32)
    assert not shape_from_shading(noise, flat, surface, SIDE).any()
    half = (seen & (np.arange(SIZE) < SIZE // 2)).astype(np.float32)
    found = shape_from_shading(noise, half, surface, SIDE)
    assert found.any()
    assert not found[half == 0].any()


def test_height_is_bounded(sphere: tuple[Ground, NDArray[np.bool_]]) -> None:
    surface, seen = sphere
    wave = np.where(seen, 3 * np.sin(np.arange(SIZE) / 8), 0).astype(np.float32)
    loose = ShadingSettings(slope=10, height_mm=50, robust=100, bound_mm=0.5)
    found = shape_from_shading(wave, seen.astype(np.float32), surface, SIDE, loose)
    assert np.isfinite(found).all()
    assert np.abs(found).max() == pytest.approx(0.5)


def test_noise_and_slope_are_what_they_say(sphere: tuple[Ground, NDArray[np.bool_]]) -> None:
    """More noise, or a flatter prior, and less relief is believed."""
    surface, seen = sphere
    given = log_ratio(folds(surface, seen), surface, SIDE, seen)
    sizes = [
        float(np.abs(shape_from_shading(given, seen.astype(np.float32), surface, SIDE, s)).mean())
        for s in (
            ShadingSettings(noise=0.03),
            ShadingSettings(noise=0.3),
            ShadingSettings(noise=0.3, slope=0.05),
        )
    ]
    assert sizes[0] > 1.5 * sizes[1] > 2 * sizes[2] > 0


def test_refuses_maps_of_other_sizes(sphere: tuple[Ground, NDArray[np.bool_]]) -> None:
    surface, _ = sphere
    small = np.zeros((8, 8), np.float32)
    with pytest.raises(UsageError, match="maps of one size"):
        shape_from_shading(small, small, surface, SIDE)
