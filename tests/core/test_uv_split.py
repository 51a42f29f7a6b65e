from __future__ import annotations

import numpy as np

from wholeface.core.uv_split import split_at_seams

# A square of two triangles whose diagonal is a fold of the texture: both halves show the same half of it.
_TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])
_UV = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
_FOLDED = np.array([[0, 1, 2], [0, 2, 1]])  # vertex 3 has the UV point of vertex 1


def test_a_vertex_for_each_pair_that_a_triangle_uses() -> None:
    seam = np.array([[0, 1, 2], [0, 3, 1]])  # vertex 2 has UV point 2 in one triangle and 3 in the other
    split = split_at_seams(_TRIANGLES, seam)
    assert split.vertex.tolist() == [0, 1, 2, 2, 3]
    assert split.uv.tolist() == [0, 1, 2, 3, 1]
    np.testing.assert_array_equal(split.vertex[split.triangles], _TRIANGLES)
    np.testing.assert_array_equal(split.uv[split.triangles], seam)
    assert not split.mirrored.any()


def test_mirrored_triangles_get_vertices_of_their_own_when_asked() -> None:
    together, apart = split_at_seams(_TRIANGLES, _FOLDED), split_at_seams(_TRIANGLES, _FOLDED, _UV)
    assert len(together.vertex) == 4
    assert not together.mirrored.any()
    assert apart.vertex.tolist() == [0, 0, 1, 2, 2, 3]
    assert apart.mirrored.tolist() == [False, True, False, False, True, True]
    np.testing.assert_array_equal(apart.vertex[apart.triangles], _TRIANGLES)
    np.testing.assert_array_equal(apart.uv[apart.triangles], _FOLDED)
    assert apart.mirrored[apart.triangles].tolist() == [[False] * 3, [True] * 3]


def test_vertices_without_a_triangle_disappear() -> None:
    assert split_at_seams(np.array([[1, 2, 5]]), np.array([[0, 1, 2]])).vertex.tolist() == [1, 2, 5]
