from __future__ import annotations

from dataclasses import replace

import numpy as np

from wholeface.morphable import MorphableModel
from wholeface.stages.relief.dense import subdivision_of
from wholeface.stages.relief.dense.mirrored import mirror_of_subdivision


def test_images_lie_where_the_reflection_does(even_head: MorphableModel) -> None:
    fine = subdivision_of(even_head, 2)
    vertex, triangle = mirror_of_subdivision(even_head, 2)
    points = fine.spread(even_head.mean.double().numpy(), even_head.triangles.numpy())
    assert (vertex >= 0).all()
    np.testing.assert_allclose(points[vertex], points * [-1, 1, 1], atol=1e-4)
    np.testing.assert_array_equal(vertex[vertex], np.arange(len(vertex)))
    told = triangle >= 0
    assert told.mean() > 0.98  # quadrangles whose diagonals are as long may be cut the other way
    np.testing.assert_array_equal(
        np.sort(vertex[fine.triangles[told]], axis=1), np.sort(fine.triangles[triangle[told]], axis=1)
    )


def test_where_diagonals_are_not_mirrored_points_on_them_have_no_image(head: MorphableModel) -> None:
    fine = subdivision_of(head, 1)
    vertex, triangle = mirror_of_subdivision(head, 1)
    points = fine.spread(head.mean.double().numpy(), head.triangles.numpy())
    told = vertex >= 0
    assert 0.5 < told.mean() < 1
    np.testing.assert_allclose(points[vertex[told]], points[told] * [-1, 1, 1], atol=1e-4)
    assert (triangle < 0).any()


def test_without_mirror_index_nothing_has_an_image(even_head: MorphableModel) -> None:
    shifted = replace(even_head, mirror=None, mean=even_head.mean * (1 + 0.4 * (even_head.mean[:, :1] > 0)))
    vertex, triangle = mirror_of_subdivision(shifted, 1)
    assert (vertex == -1).all()
    assert (triangle == -1).all()
