"""Decimation and the matrices between levels."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.mesh_hierarchy import build_hierarchy, normalised_adjacency
from wholeface.core.quadric_collapse import collapse_edges
from wholeface.errors import UsageError


def sheet(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A flat square of size² vertices."""
    y, x = np.mgrid[:size, :size].astype(float)
    number = np.arange(size * size).reshape(size, size)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    triangles = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)]
    )
    return np.stack([x.ravel(), y.ravel(), np.zeros(size * size)], axis=1), triangles


def ball(rings: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """A closed sphere: rings of 2 · rings vertices and two poles."""
    around = 2 * rings
    polar = np.linspace(0, np.pi, rings + 2)[1:-1]
    angle = np.arange(around) * 2 * np.pi / around
    points = [[0, 0, 1.0]]
    points += [[np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)] for p in polar for a in angle]
    points += [[0, 0, -1.0]]
    faces = [[0, 1 + j, 1 + (j + 1) % around] for j in range(around)]
    for i in range(rings - 1):
        for j in range(around):
            a, b = 1 + i * around + j, 1 + i * around + (j + 1) % around
            faces += [[a, a + around, b], [b, a + around, b + around]]
    last = 1 + (rings - 1) * around
    faces += [[len(points) - 1, last + (j + 1) % around, last + j] for j in range(around)]
    return np.array(points, float), np.array(faces)


def edges_of(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1
    )
    return np.unique(pairs, axis=0, return_counts=True)


def area_vectors(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[triangles[:, j]] for j in range(3))
    return 0.5 * np.cross(b - a, c - a)


def test_a_flat_sheet_keeps_its_plane_its_area_and_its_corners() -> None:
    vertices, triangles = sheet(11)
    kept, coarse, parent = collapse_edges(vertices, triangles, 30)
    assert len(kept) == 30
    assert {0, 10, 110, 120} <= set(kept.tolist())
    areas = area_vectors(vertices[kept], coarse)
    assert np.allclose(areas[:, :2], 0)
    assert (areas[:, 2] > 0).all() or (areas[:, 2] < 0).all()
    assert abs(areas[:, 2].sum()) == pytest.approx(100.0)
    assert np.array_equal(parent[kept], np.arange(30))
    assert ((parent >= 0) & (parent < 30)).all()


def test_a_ball_stays_one_closed_surface_near_the_sphere() -> None:
    vertices, triangles = ball()
    for target in (120, 40, 12, 4):
        kept, coarse, _ = collapse_edges(vertices, triangles, target)
        pairs, uses = edges_of(coarse)
        assert len(kept) == target
        assert (uses == 2).all()  # no border, no edge of three
        assert target - len(pairs) + len(coarse) == 2  # Euler: a sphere
        volume = (
            np.einsum("fc,fc->", area_vectors(vertices[kept], coarse), vertices[kept][coarse].mean(axis=1))
            / 3
        )
        if target >= 40:
            assert volume > (0.9 if target == 120 else 0.7) * 4 / 3 * np.pi


def test_the_cheapest_collapse_comes_first() -> None:
    """A tent with one vertex on its flat side: that one goes, and nothing else."""
    vertices = np.array([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0], [1, 1, 1.0], [1.0, 0.5, 0.5]])
    triangles = np.array([[0, 1, 5], [1, 4, 5], [4, 0, 5], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
    kept, coarse, parent = collapse_edges(vertices, triangles, 5)
    assert kept.tolist() == [0, 1, 2, 3, 4]
    assert len(coarse) == 4
    assert parent[5] in (0, 1, 4)


def test_parts_stay_and_unused_vertices_are_left_out() -> None:
    vertices, triangles = ball(6)
    far = vertices + np.array([5.0, 0, 0])
    both = np.concatenate([vertices, far, [[9.0, 9, 9]]])
    kept, coarse, parent = collapse_edges(both, np.concatenate([triangles, triangles + len(vertices)]), 1)
    assert len(kept) == 8  # two tetrahedra: no collapse leaves a surface
    assert parent[-1] == -1
    first = both[kept][coarse][:, :, 0].max(axis=1) < 2
    assert first.sum() == (~first).sum() == 4


def test_wrong_meshes_are_refused() -> None:
    vertices, triangles = sheet(3)
    with pytest.raises(UsageError, match="0 vertices"):
        collapse_edges(vertices, triangles, 0)
    with pytest.raises(UsageError, match="outside 0 to 8"):
        collapse_edges(vertices, triangles + 1, 4)
    with pytest.raises(UsageError, match="without triangles"):
        build_hierarchy(vertices, triangles[:0], [2])
    with pytest.raises(UsageError, match="factor of 1"):
        build_hierarchy(vertices, triangles, [2, 1])


def test_values_travel_down_by_choice_and_up_by_barycentric_means() -> None:
    vertices, triangles = sheet(9)
    hierarchy = build_hierarchy(vertices, triangles, [3, 3])
    assert [len(level) for level in hierarchy.levels] == [81, 27, 9]
    linear = 2 * vertices[:, 0] - 3 * vertices[:, 1] + 1
    for level, (down, up) in enumerate(zip(hierarchy.down, hierarchy.up)):
        fine, coarse = hierarchy.levels[level], hierarchy.levels[level + 1]
        assert np.array_equal(vertices[coarse.kept], coarse.vertices)
        assert np.array_equal(down @ linear[fine.kept], linear[coarse.kept])
        assert np.array_equal((down @ up).toarray(), np.eye(len(coarse)))
        assert np.allclose(up.sum(axis=1), 1)
        assert up.min() >= 0
        assert np.diff(up.indptr).max() <= 3
        # On a flat sheet whose outline stays, barycentric means are exact for linear functions.
        assert np.allclose(up @ linear[coarse.kept], linear[fine.kept])


def test_a_hierarchy_follows_from_the_mesh_alone() -> None:
    vertices, triangles = ball()
    one, two = (build_hierarchy(vertices, triangles, [4, 4]) for _ in range(2))
    for a, b in zip(one.levels, two.levels):
        assert np.array_equal(a.triangles, b.triangles)
        assert np.array_equal(a.kept, b.kept)


def test_the_shipped_model_has_a_hierarchy_with_all_its_parts() -> None:
    import time

    from wholeface.morphable import load_model

    model = load_model("wholeface")
    vertices, triangles = model.mean.double().numpy(), model.triangles.numpy()
    build_hierarchy(*sheet(4), [2])  # compiled
    start = time.process_time()
    hierarchy = build_hierarchy(vertices, triangles, [4, 4, 4])
    assert time.process_time() - start < 2.0
    sizes = [len(level) for level in hierarchy.levels]
    assert sizes[1] == round(sizes[0] / 4)
    assert sizes[2] == round(sizes[1] / 4)
    coarse = hierarchy.levels[1]
    assert edges_of(coarse.triangles)[1].max() == 2
    back = hierarchy.up[0] @ coarse.vertices
    face = model.regions["face"].numpy()
    assert np.linalg.norm(back - vertices, axis=1)[face].mean() < 0.4  # mm


def test_normalised_adjacency_by_hand() -> None:
    """A square with one diagonal: degrees 3, 2, 3, 2."""
    found = normalised_adjacency(np.array([[0, 1, 2], [0, 2, 3]]), 5).toarray()
    s = 1 / np.sqrt(6)
    wanted = np.array([[0, s, 1 / 3, s, 0], [s, 0, s, 0, 0], [1 / 3, s, 0, s, 0], [s, 0, s, 0, 0], [0] * 5])
    assert np.allclose(found, wanted)
    values = np.linalg.eigvalsh(found)
    assert values.max() == pytest.approx(1.0)
    assert values.min() >= -1
