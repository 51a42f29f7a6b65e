"""Nearest points on any mesh: the tree against looking at every triangle."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.nearest import Surface


def slow_nearest(vertices, triangles, points):
    """Every point against every triangle: inside the plane's projection, or on one of the three edges."""
    out = np.empty_like(points)
    for i, p in enumerate(points):
        best = np.inf
        for a, b, c in vertices[triangles]:
            candidates = []
            for s, e in ((a, b), (b, c), (c, a)):
                length = (e - s) @ (e - s)
                t = 0.0 if length == 0 else np.clip((p - s) @ (e - s) / length, 0, 1)
                candidates.append(s + t * (e - s))
            normal = np.cross(b - a, c - a)
            if normal @ normal > 1e-20:
                q = p - normal * ((p - a) @ normal) / (normal @ normal)
                weights = np.linalg.lstsq(np.stack([b - a, c - a], axis=1), q - a, rcond=None)[0]
                if weights.min() >= 0 and weights.sum() <= 1:
                    candidates.append(q)
            for q in candidates:
                if (q - p) @ (q - p) < best:
                    best, out[i] = (q - p) @ (q - p), q
    return out


@pytest.mark.parametrize("count", [1, 3, 4, 5, 40])
def test_nearest_points_are_exact_on_triangles_of_any_size(count: int) -> None:
    rng = np.random.default_rng(count)
    corners = rng.normal(size=(count, 1, 3)) * 5 + rng.normal(size=(count, 3, 3)) * 10 ** rng.uniform(
        -2, 1.3, (count, 1, 1)
    )
    vertices, triangles = corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3)
    points = rng.normal(size=(60, 3)) * 8
    surface = Surface(vertices, triangles)
    place, normals, slot = surface.nearest(points)
    slow = slow_nearest(vertices, triangles, points)
    away, slow_away = (np.linalg.norm(q - points, axis=1) for q in (place, slow))
    np.testing.assert_allclose(away, slow_away, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)
    guessed = surface.nearest(points + 0.1, slot)[0]
    np.testing.assert_array_equal(guessed, surface.nearest(points + 0.1)[0])


def test_nearest_vertices_do_not_mislead_it() -> None:
    """One large triangle below, a small one above with its corners near the point: the large one is nearer."""
    large = np.array([[-100.0, -100, 0], [100, -100, 0], [0, 100, 0]])
    small = np.array([[0.0, 0, 3], [1, 0, 3], [0, 1, 3]])
    place, _, _ = Surface(np.concatenate([large, small]), np.array([[0, 1, 2], [3, 4, 5]])).nearest(
        np.array([[0.2, 0.2, 1.0]])
    )
    np.testing.assert_allclose(place, [[0.2, 0.2, 0.0]], atol=1e-12)


def test_triangles_without_area_are_no_trouble() -> None:
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0]])
    triangles = np.array([[0, 1, 3], [0, 0, 0], [0, 1, 2]])
    place, normal, _ = Surface(vertices, triangles).nearest(np.array([[0.25, 0.25, 2.0]]))
    np.testing.assert_allclose(place, [[0.25, 0.25, 0]], atol=1e-12)
    np.testing.assert_allclose(np.abs(normal), [[0, 0, 1]])


def test_barycentric_numbers_belong_to_the_triangles_as_given() -> None:
    rng = np.random.default_rng(0)
    vertices = rng.normal(size=(30, 3))
    triangles = np.arange(30).reshape(-1, 3)
    weights = rng.dirichlet([1, 1, 1], 10)
    points = (vertices[triangles] * weights[..., None]).sum(1)
    which, found = Surface(vertices, triangles).barycentric(points)
    np.testing.assert_allclose((vertices[triangles[which]] * found[..., None]).sum(1), points, atol=1e-12)
    np.testing.assert_array_equal(which, np.arange(10))
    np.testing.assert_allclose(found, weights, atol=1e-9)
