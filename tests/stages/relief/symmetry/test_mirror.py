from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from wholeface.morphable import MorphableModel
from wholeface.stages.relief.symmetry import mirror_of_vertices, mirrored_points, symmetry_plane
from wholeface.stages.texture.uv.atlas import surface_of


@pytest.fixture(scope="module")
def askew(egg: Callable[[int, int], MorphableModel]) -> MorphableModel:
    """An egg of revolution whose vertices are nobody's mirror image: turned by a quarter of a column."""
    model = egg(20, 40)
    direction = torch.nn.functional.normalize(model.mean / torch.tensor([75.0, 110.0, 90.0]), dim=1)
    angle = 2 * math.pi / 40 / 4
    turn = torch.tensor(
        [[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]]
    )
    return replace(model, mean=80 * direction @ turn.T, mirror=None)


def _points(model: MorphableModel, triangle: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
    corners = model.mean.double().numpy()[surface_of(model).triangles[triangle]]
    return np.einsum("pk,pkc->pc", barycentric, corners)


def test_by_reflection_where_there_is_no_mirror_index(askew: MorphableModel) -> None:
    assert surface_of(askew).mirror is None
    rng = np.random.default_rng(3)
    triangle = rng.integers(0, len(askew.triangles), 300)
    barycentric = rng.dirichlet(np.ones(3), 300)
    image, mirrored = mirrored_points(askew, triangle, barycentric)
    own = _points(askew, triangle, barycentric)
    own[:, 0] = 2 * symmetry_plane(askew) - own[:, 0]
    # Both lie on a sphere of facets: a flat facet is up to 0.7 mm under it.
    np.testing.assert_allclose(_points(askew, image, mirrored), own, atol=0.8)
    np.testing.assert_allclose(mirrored.sum(axis=1), 1, atol=1e-5)


def test_by_index_where_there_is_one(head: MorphableModel) -> None:
    image, mirrored = mirror_of_vertices(head)
    found = _points(head, image, mirrored)
    np.testing.assert_allclose(found * [-1, 1, 1], head.mean.numpy(), atol=1e-4)
    assert symmetry_plane(head) == pytest.approx(0, abs=1e-5)


def test_the_image_of_the_image_is_the_point(head: MorphableModel) -> None:
    rng = np.random.default_rng(4)
    symmetric = np.flatnonzero(surface_of(head).mirror_triangle >= 0)
    triangle = symmetric[rng.integers(0, len(symmetric), 200)]
    barycentric = rng.dirichlet(np.ones(3), 200).astype(np.float32)
    there, weights = mirrored_points(head, triangle, barycentric)
    back, again = mirrored_points(head, there, weights)
    np.testing.assert_array_equal(back, triangle)
    np.testing.assert_array_equal(again, barycentric)
