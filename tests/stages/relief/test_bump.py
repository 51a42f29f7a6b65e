"""Bump maps along the ray and along the normal: by hand, and against surfaces that are known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.errors import UsageError
from wholeface.render import Camera
from wholeface.stages.relief.bump import (
    along_normal,
    along_ray,
    decode_bump,
    detailed_depth,
    encode_bump,
    viewing_rays,
)

CAMERA = Camera(300.0, 31.5, 23.5, 64, 48)


def test_rays_by_hand() -> None:
    rays = viewing_rays(Camera(2.0, 1.0, 1.0, 4, 3))
    assert rays.shape == (3, 4, 3)
    np.testing.assert_allclose(rays[1, 1], [0, 0, -1])
    np.testing.assert_allclose(rays[0, 3], np.array([1, 0.5, -1]) / 1.5, rtol=1e-6)  # right and up
    np.testing.assert_allclose(np.linalg.norm(rays, axis=2), 1, rtol=1e-6)


def test_conversion_by_hand() -> None:
    ray = np.array([0, 0, -1], np.float32)
    slanted = np.array([0, np.sqrt(3) / 2, 0.5], np.float32)  # 60 degrees
    assert along_ray(np.float32(1.5), np.array([0, 0, 1], np.float32), ray) == -1.5
    assert along_ray(np.float32(1.5), slanted, ray) == pytest.approx(-3)
    assert along_normal(np.float32(-3), slanted, ray) == pytest.approx(1.5)
    # Grazing and turned away: as at the least cosine
    for normal in ([1, 0, 0], [0, 0, -1]):
        assert along_ray(np.float32(1), np.array(normal, np.float32), ray) == pytest.approx(-5)
        assert along_normal(np.float32(-5), np.array(normal, np.float32), ray) == pytest.approx(1)


def test_a_plane_moved_along_its_normal_is_exact() -> None:
    rays = viewing_rays(CAMERA).astype(np.float64)
    normal = np.array([0.3, -0.4, 0.8])
    normal /= np.linalg.norm(normal)
    point = np.array([5.0, 2.0, -400.0])
    height = np.random.default_rng(0).uniform(-3, 3, rays.shape[:2])
    # Each pixel sees a plane of its own height.
    before = (normal @ point) / (rays @ normal)
    after = (normal @ point + height) / (rays @ normal)
    normals = np.broadcast_to(normal, rays.shape)
    found = along_ray(height, normals, rays)
    np.testing.assert_allclose(found, after - before, atol=1e-4)
    np.testing.assert_allclose(along_normal(found, normals, rays), height, atol=1e-5)


def test_a_sphere_grown_along_its_normals() -> None:
    rays = viewing_rays(Camera(600.0, 31.5, 31.5, 64, 64)).astype(np.float64)
    centre, radius, height = np.array([0.0, 0.0, -600.0]), 90.0, 0.5

    def depth(r: float) -> np.ndarray:
        along = rays @ centre
        return along - np.sqrt(along**2 - centre @ centre + r**2)

    before = depth(radius)
    normals = (before[..., None] * rays - centre) / radius
    change = along_ray(np.full(before.shape, height), normals, rays)
    # Second order in the distance that the ray's foot moves: h² tan² / 2R
    np.testing.assert_allclose(change, depth(radius + height) - before, atol=2e-3)
    bump = encode_bump(change)
    np.testing.assert_allclose(detailed_depth(before, bump), depth(radius + height), atol=2e-3)


def test_encoding_by_hand_and_back() -> None:
    change = np.array([-4, -2, 0, 1, 4, 9], np.float32)
    np.testing.assert_allclose(encode_bump(change), [0, 63.75, 127.5, 159.375, 255, 255])
    np.testing.assert_allclose(decode_bump(encode_bump(change)), [-4, -2, 0, 1, 4, 4], atol=1e-6)
    np.testing.assert_allclose(encode_bump(change, reach=2), [0, 0, 127.5, 191.25, 255, 255])
    rounded = np.round(encode_bump(change[:5])).astype(np.uint8)
    np.testing.assert_allclose(decode_bump(rounded), change[:5], atol=4 / 255 + 1e-6)


def test_equation_4_by_hand() -> None:
    depth = np.array([500, 501, np.nan], np.float32)
    found = detailed_depth(depth, np.array([0, 255, 127], np.uint8), reach=1.0)
    np.testing.assert_allclose(found, [499, 502, np.nan])


def test_what_cannot_be_is_refused() -> None:
    one = np.ones(3, np.float32)
    with pytest.raises(UsageError, match="least cosine"):
        along_ray(one[0], one, one, least=0)
    with pytest.raises(UsageError, match="reach"):
        encode_bump(one, reach=0)
    with pytest.raises(UsageError, match="reach"):
        decode_bump(one, reach=-1)
