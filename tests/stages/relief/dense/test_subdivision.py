from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial import cKDTree

from wholeface.core.errors import UsageError
from wholeface.morphable import MorphableModel
from wholeface.stages.relief.dense import sample_map, subdivided, subdivision_of
from wholeface.stages.texture.uv.atlas import FACE, surface_of


def _uses(triangles: np.ndarray) -> np.ndarray:
    edges = np.sort(np.concatenate([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]), axis=1)
    return np.unique(edges, axis=0, return_counts=True)[1]


def _areas(triangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)


def test_one_triangle_becomes_four_and_its_neighbour_two() -> None:
    square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    fine = subdivided(np.array([[0, 1, 2], [0, 2, 3]]), square, np.array([True, False]), 1)
    assert np.bincount(fine.parent).tolist() == [4, 2]
    points = fine.spread(square, np.array([[0, 1, 2], [0, 2, 3]]))
    new = {tuple(p) for p in points[4:].tolist()}
    assert new == {(0.5, 0, 0), (1, 0.5, 0), (0.5, 0.5, 0)}
    np.testing.assert_allclose(_areas(fine.triangles, points).sum(), 1)
    assert (
        np.cross(*(points[fine.triangles[:, k]] - points[fine.triangles[:, 0]] for k in (1, 2)))[:, 2] > 0
    ).all()


@pytest.mark.parametrize("levels", [1, 2])
def test_a_closed_head_stays_closed_and_keeps_its_surface(small_model: MorphableModel, levels: int) -> None:
    triangles, mean = small_model.triangles.numpy(), small_model.mean.double().numpy()
    fine = subdivision_of(small_model, levels)
    assert (_uses(fine.triangles) == 2).all()
    points = fine.spread(mean, triangles)
    by_parent = np.bincount(fine.parent, _areas(fine.triangles, points))
    np.testing.assert_allclose(by_parent, _areas(triangles, mean), rtol=1e-9)
    face = surface_of(small_model).kind == FACE
    assert (np.bincount(fine.parent)[face] == 4**levels).all()
    np.testing.assert_array_equal(points[: len(mean)], mean)


def test_vertices_and_uv_agree(small_model: MorphableModel) -> None:
    fine = subdivision_of(small_model, 2)
    assert fine.uv is not None
    assert fine.uv_triangles is not None
    corners = small_model.uv.double().numpy()[small_model.uv_triangles.numpy()[fine.parent]]
    flat = fine.uv[fine.uv_triangles]
    # Each fine corner lies in its parent's triangle in UV, too.
    a, b, c = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    for k in range(3):
        w = np.linalg.solve(np.stack([b, c], axis=2), (flat[:, k] - a)[..., None])[..., 0]
        assert w.min() > -1e-9
        assert w.sum(axis=1).max() < 1 + 1e-9
    assert (fine.uv_vertex[fine.uv_triangles] == fine.triangles).all()


def test_vertices_are_mirror_symmetric(small_model: MorphableModel) -> None:
    fine = subdivision_of(small_model, 1)
    points = fine.spread(small_model.mean.double().numpy(), small_model.triangles.numpy())
    on_edges = np.isclose(fine.barycentric, 0.0).any(axis=1)
    # The egg's diagonals are not mirrored, its other edges are.
    diagonal = np.isclose(fine.barycentric, 0.5).sum(axis=1) == 2
    assert on_edges.all()
    distance, _ = cKDTree(points).query(points[~diagonal] * [-1, 1, 1])
    assert distance.max() < 1e-9


def test_curved_triangles_lie_on_a_sphere(small_model: MorphableModel) -> None:
    """Far nearer than flat ones; and symmetric corners make a symmetric middle."""
    octahedron = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    triangles = np.array([[0, 1, 2]])
    fine = subdivided(triangles, octahedron, np.array([True]), 1)
    curved = fine.curved(octahedron, octahedron, triangles)
    # Middle of an edge, by hand: p = (½, ½, 0), projections (1, ½, 0) and (½, 1, 0), their mean (¾, ¾, 0), α = ¾.
    expected = 0.25 * 0.5 + 0.75 * 0.75
    np.testing.assert_allclose(np.sort(curved[3:], axis=1), [[0, expected, expected]] * 3)
    np.testing.assert_array_equal(curved[:3], octahedron)


def test_levels_are_checked(small_model: MorphableModel) -> None:
    with pytest.raises(UsageError, match="0 to 4, got 5"):
        subdivision_of(small_model, 5)


def test_sampling_interpolates_known_texels_alone() -> None:
    values = np.array([[1.0, 3.0], [5.0, 100.0]])
    known = np.array([[True, True], [True, False]])
    uv = np.array([[0.25, 0.75], [0.5, 0.75], [0.5, 0.5], [0.75, 0.25]])
    found = sample_map(values, known, uv)
    np.testing.assert_allclose(found[:3], [1, 2, 3])
    assert found[3] in (3, 5)  # both known neighbours are as near
    assert (sample_map(values, np.zeros((2, 2), bool), uv) == 0).all()
    assert all(
        a <= b for a, b in pairwise(sample_map(values, known, np.linspace([0.25, 0.75], [0.75, 0.75], 9)))
    )
