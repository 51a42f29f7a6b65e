from __future__ import annotations

import numpy as np

from wholeface.stages.relief.dense.patch import patch_of, without_pinches


def _plane(edge: int) -> tuple[np.ndarray, np.ndarray]:
    """A square mesh of unit cells, two triangles each, and its vertices."""
    number = np.arange((edge + 1) ** 2).reshape(edge + 1, edge + 1)
    a, b, c, d = (p.ravel() for p in (number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]))
    points = np.stack(np.divmod(number.ravel(), edge + 1)[::-1], axis=1).astype(np.float64)
    return np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)]), points


def _area(triangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    one, other = (
        points[triangles[:, 1]] - points[triangles[:, 0]],
        points[triangles[:, 2]] - points[triangles[:, 0]],
    )
    return 0.5 * (one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])


def _home(points: np.ndarray, edge: int) -> np.ndarray:
    cell = np.clip(np.floor(points).astype(int), 0, edge - 1)
    upper = (points - cell).sum(axis=1) > 1
    return cell[:, 1] * edge + cell[:, 0] + upper * edge * edge


def _directed(triangles: np.ndarray) -> set[tuple[int, int]]:
    return {(int(t[k]), int(t[(k + 1) % 3])) for t in triangles for k in range(3)}


def test_a_patch_fills_exactly_what_it_replaces() -> None:
    triangles, points = _plane(8)
    middle = points[triangles].mean(axis=1)
    wanted = (np.abs(middle - 4) < 3).all(axis=1) & ~(np.abs(middle - 4) < 1).all(axis=1)  # a ring
    dense = np.random.default_rng(1).uniform(0, 8, (4000, 2))
    patch = patch_of(triangles, points, wanted, dense, _home(dense, 8))
    assert patch is not None
    np.testing.assert_array_equal(patch.replaced, wanted)
    plane = np.concatenate([points[patch.border], dense[patch.points]])
    area = _area(patch.triangles, plane)
    assert (area > 0).all()
    np.testing.assert_allclose(area.sum(), _area(triangles, points)[wanted].sum())
    assert len(patch.points) > 1200
    # Every edge is met once from each side: by the patch, or by what stays.
    number = np.concatenate([patch.border, len(points) + np.arange(len(patch.points))])
    edges = _directed(np.concatenate([triangles[~wanted], number[patch.triangles]]))
    alone = {edge for edge in edges if edge[::-1] not in edges}
    assert all({a, b} <= set(range(len(points))) and {0.0, 8.0} & set(points[a]) for a, b in alone)
    assert len(alone) == 32  # the rim of the square


def test_the_patch_shrinks_until_its_outline_can_be_kept() -> None:
    """A long thin triangle on the outline has a vertex in the circle over its edge."""
    points = np.array([[0.0, 0], [10, 0], [5, 0.5], [5, 6], [12, 6], [-2, 6], [5, 12]])
    triangles = np.array([[0, 1, 2], [0, 2, 3], [2, 1, 3], [1, 4, 3], [0, 3, 5], [5, 3, 6], [3, 4, 6]])
    triangles = np.concatenate([triangles] * 1)
    dense = np.random.default_rng(3).uniform(0, 10, (50, 2))
    patch = patch_of(triangles, points, np.ones(7, bool), dense, np.full(50, 1))
    assert patch is None  # seven triangles are not worth a seam
    big, places = _plane(6)
    places[3] = [3.0, 0.95]  # pulls the lower rim up: an obtuse corner below two triangles
    patch = patch_of(big, places, np.ones(len(big), bool), dense[:0], np.zeros(0, np.int64))
    assert patch is not None
    assert 50 < patch.replaced.sum() < len(big) + 1
    np.testing.assert_allclose(
        _area(patch.triangles, places[patch.border]).sum(), _area(big, places)[patch.replaced].sum()
    )


def test_parts_that_touch_at_a_corner_or_are_small_go() -> None:
    triangles, points = _plane(8)
    middle = points[triangles].mean(axis=1)
    left, right = (middle < 4).all(axis=1), (middle > 4).all(axis=1)  # they touch in the middle
    kept = without_pinches(triangles, left | right)
    assert kept.sum() < (left | right).sum()
    assert (kept & left).sum() > 20
    assert not kept[(triangles == 4 * 9 + 4).any(axis=1)].any()
    few = (middle < 2).all(axis=1)  # eight triangles
    assert not without_pinches(triangles, few).any()
    assert without_pinches(triangles, np.ones(128, bool)).all()
