"""The scan metric in cases whose answer is known, and broken metrics that the same cases reject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.scan_distance import (
    SEVEN,
    ScanDistance,
    carry_points,
    face_region,
    procrustes,
    scan_distance,
)

Metric = Callable[..., np.ndarray]


@dataclass
class Face:
    """A hill with a nose: vertices (V, 3), triangles, seven landmarks, and the height above (x, y)."""

    vertices: np.ndarray
    triangles: np.ndarray
    seven: np.ndarray


def _height(xy: np.ndarray) -> np.ndarray:
    x, y = xy[:, 0], xy[:, 1]
    return (
        90 * np.sqrt(np.maximum(1 - (x / 110) ** 2 - (y / 140) ** 2, 0.05))
        + 18 * np.exp(-((x / 12) ** 2) - ((y + 5) / 16) ** 2)
        - 6 * np.exp(-(((x - 32) / 12) ** 2) - ((y - 30) / 8) ** 2)
        - 5 * np.exp(-(((x + 33) / 13) ** 2) - ((y - 31) / 9) ** 2)
    )


def _face(step: float = 3.0, half: float = 99.0) -> Face:
    line = np.arange(-half, half + step / 2, step)
    x, y = np.meshgrid(line, line, indexing="ij")
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    n = len(line)
    corner = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    triangles = np.concatenate(
        [np.stack([corner, corner + n, corner + 1], 1), np.stack([corner + n, corner + n + 1, corner + 1], 1)]
    )
    marks = np.array([[-45.0, 30], [-18, 30], [18, 30], [45, 30], [0, -15], [-25, -48], [25, -48]])
    return Face(np.column_stack([xy, _height(xy)]), triangles, np.column_stack([marks, _height(marks)]))


FACE = _face()


def _points(count: int = 3000, seed: int = 1, half: float = 90.0) -> np.ndarray:
    """Points on the surface of FACE itself, its tessellation included."""
    rng = np.random.default_rng(seed)
    corners = FACE.vertices[FACE.triangles[rng.integers(len(FACE.triangles), size=count)]]
    points = (corners * rng.dirichlet([1, 1, 1], count)[..., None]).sum(1)
    return points[np.abs(points[:, :2]).max(1) < half]


def _normals(face: Face) -> np.ndarray:
    a, b, c = (face.vertices[face.triangles[:, k]] for k in range(3))
    normals = np.zeros_like(face.vertices)
    for k in range(3):
        np.add.at(normals, face.triangles[:, k], np.cross(b - a, c - a))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _placed(points: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Somewhere else in space."""
    turn = Rotation.from_rotvec([0.4, -0.9, 0.3]).as_matrix()
    return scale * points @ turn.T + [300.0, -40, 7]


def true_metric(vertices, triangles, seven, scan, scan_seven, metric=False):
    return scan_distance(vertices, triangles, seven, scan, scan_seven, metric=metric).distances


# ------------------------------------------------------------------------------------------ the cases


def case_itself_elsewhere_and_of_another_size(measure: Metric) -> None:
    d = measure(
        _placed(FACE.vertices, 0.37), FACE.triangles, _placed(FACE.seven, 0.37), _points(), FACE.seven
    )
    assert d.max() < 1e-4


def case_wrong_scale_is_reported_by_the_metric_variant(measure: Metric) -> None:
    """A sphere of 1.05 R around a scan of R: 0.05 R everywhere, for symmetry allows no better place."""
    rng = np.random.default_rng(0)
    scan = rng.normal(size=(2000, 3))
    scan = np.concatenate([scan, -scan])
    scan *= 60 / np.linalg.norm(scan, axis=1, keepdims=True)
    ball, triangles = _sphere(63.0)
    seven = np.concatenate([np.eye(3), -np.eye(3), [[0.6, 0.8, 0.0]]])
    d = measure(ball, triangles, 63 * seven, scan, 60 * seven, metric=True)
    assert abs(d.mean() - 3.0) < 0.05
    assert d.std() < 0.1
    d = measure(ball, triangles, 63 * seven, scan, 60 * seven, metric=False)
    assert d.mean() < 0.05


def case_noise_along_the_normal(measure: Metric) -> None:
    """d = |n| with n ~ N(0, σ²): mean σ √(2/π), median 0.6745 σ, root mean square σ."""
    face, sigma = _face(2.0), 0.4
    rng = np.random.default_rng(2)
    scan = face.vertices + _normals(face) * rng.normal(0, sigma, (len(face.vertices), 1))
    d = measure(_placed(face.vertices), face.triangles, _placed(face.seven), scan, face.seven)
    assert abs(d.mean() / (sigma * np.sqrt(2 / np.pi)) - 1) < 0.05
    assert abs(np.median(d) / (0.6745 * sigma) - 1) < 0.06
    assert abs(np.sqrt((d**2).mean()) / sigma - 1) < 0.05


def case_offset_patch(measure: Metric) -> None:
    """A patch that stands out 2 mm: 2 mm inside, nearly nothing elsewhere."""
    normals, height = _normals(FACE), 2.0
    on = np.linalg.norm(FACE.vertices[:, :2] - [45, -25], axis=1) < 15
    vertices = FACE.vertices + height * normals * on[:, None]
    d = measure(_placed(vertices), FACE.triangles, _placed(FACE.seven), FACE.vertices, FACE.seven)
    centre, radius = face_region(FACE.seven)
    inside = np.linalg.norm(FACE.vertices - centre, axis=1) <= radius
    where = np.linalg.norm(FACE.vertices[inside, :2] - [45, -25], axis=1)
    assert len(d) == inside.sum()
    assert np.abs(d[where < 11] - height).max() < 0.25
    assert d[where > 20].max() < 0.25
    assert np.median(d[where > 20]) < 0.08


def case_partial_scan(measure: Metric) -> None:
    """What was not scanned does not count."""
    half = _points()
    half = half[half[:, 0] < 5]
    d = measure(_placed(FACE.vertices, 2.0), FACE.triangles, _placed(FACE.seven, 2.0), half, FACE.seven)
    centre, radius = face_region(FACE.seven)
    assert len(d) == (np.linalg.norm(half - centre, axis=1) <= radius).sum()
    assert d.max() < 1e-4


def case_outside_the_region(measure: Metric) -> None:
    """Hair and shoulders of the scan do not count."""
    rng = np.random.default_rng(3)
    junk = rng.normal(size=(200, 3)) * 20 + [0, 300, 0]
    scan = np.concatenate([_points(), junk])
    d = measure(_placed(FACE.vertices), FACE.triangles, _placed(FACE.seven), scan, FACE.seven)
    assert d.max() < 1e-4


def case_vertex_order(measure: Metric) -> None:
    rng = np.random.default_rng(4)
    scan = _points() + rng.normal(0, 0.5, (len(_points()), 3))
    expected = measure(FACE.vertices, FACE.triangles, FACE.seven, scan, FACE.seven)
    order, shuffled = rng.permutation(len(FACE.vertices)), rng.permutation(len(scan))
    place = np.argsort(order)
    d = measure(
        FACE.vertices[order],
        place[FACE.triangles[rng.permutation(len(FACE.triangles))]],
        FACE.seven,
        scan[shuffled],
        FACE.seven,
    )
    np.testing.assert_allclose(np.sort(d), np.sort(expected), atol=1e-4)


def case_tessellation(measure: Metric) -> None:
    """The same surface in four times as many triangles, some of them split further."""
    rng = np.random.default_rng(5)
    scan = _points() + rng.normal(0, 0.5, (len(_points()), 3))
    expected = measure(FACE.vertices, FACE.triangles, FACE.seven, scan, FACE.seven)
    d = measure(*_subdivided(FACE.vertices, FACE.triangles), FACE.seven, scan, FACE.seven)
    np.testing.assert_allclose(d, expected, atol=1e-4)


def _subdivided(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    count, n = len(vertices), len(triangles)
    new = np.concatenate([vertices, (a + b) / 2, (b + c) / 2, (c + a) / 2])
    ab, bc, ca = (count + k * n + np.arange(n) for k in range(3))
    i, j, k = triangles.T
    return new, np.concatenate(
        [np.stack(t, 1) for t in ((i, ab, ca), (ab, j, bc), (ca, bc, k), (ab, bc, ca))]
    )


def _sphere(radius: float, rings: int = 60) -> tuple[np.ndarray, np.ndarray]:
    polar, around = np.meshgrid(
        np.linspace(0, np.pi, rings + 1), 2 * np.pi * np.arange(2 * rings) / (2 * rings), indexing="ij"
    )
    points = radius * np.stack(
        [np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], -1
    )
    n = 2 * rings
    a = (np.arange(rings)[:, None] * n + np.arange(n)).ravel()
    right = (np.arange(rings)[:, None] * n + (np.arange(n) + 1) % n).ravel()
    return points.reshape(-1, 3), np.concatenate(
        [np.stack([a, a + n, right], 1), np.stack([right, a + n, right + n], 1)]
    )


CASES = [value for name, value in sorted(globals().items()) if name.startswith("case_")]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__[5:])
def test_the_metric_is_right_where_the_answer_is_known(case: Callable[[Metric], None]) -> None:
    case(true_metric)


# ------------------------------------------------------------------------------- deliberately broken ones


def scale_not_removed(vertices, triangles, seven, scan, scan_seven, metric=False):
    return true_metric(vertices, triangles, seven, scan, scan_seven, metric=True)


def scale_always_removed(vertices, triangles, seven, scan, scan_seven, metric=False):
    return true_metric(vertices, triangles, seven, scan, scan_seven, metric=False)


def nearest_vertex(vertices, triangles, seven, scan, scan_seven, metric=False):
    found = scan_distance(vertices, triangles, seven, scan, scan_seven, metric=metric)
    return cKDTree(found.alignment.apply(vertices)).query(scan[found.inside])[0]


def mesh_to_scan(vertices, triangles, seven, scan, scan_seven, metric=False):
    found = scan_distance(vertices, triangles, seven, scan, scan_seven, metric=metric)
    return cKDTree(scan).query(found.alignment.apply(vertices))[0]


def everywhere(vertices, triangles, seven, scan, scan_seven, metric=False):
    return scan_distance(vertices, triangles, seven, scan, scan_seven, metric=metric, radius=1e9).distances


def landmarks_only(vertices, triangles, seven, scan, scan_seven, metric=False):
    centre, radius = face_region(scan_seven)
    inside = np.linalg.norm(scan - centre, axis=1) <= radius
    moved = procrustes(seven, scan_seven, metric=metric).apply(vertices)
    from wholeface.core.nearest import Surface

    return np.linalg.norm(Surface(moved, triangles).nearest(scan[inside])[0] - scan[inside], axis=1)


@pytest.mark.parametrize(
    ("broken", "caught_by"),
    [
        (scale_not_removed, case_itself_elsewhere_and_of_another_size),
        (scale_always_removed, case_wrong_scale_is_reported_by_the_metric_variant),
        (nearest_vertex, case_tessellation),
        (mesh_to_scan, case_partial_scan),
        (everywhere, case_outside_the_region),
    ],
)
def test_broken_metrics_are_caught(broken: Metric, caught_by: Callable[[Metric], None]) -> None:
    with pytest.raises(AssertionError):
        caught_by(broken)


def test_the_refinement_repairs_badly_picked_landmarks() -> None:
    rng = np.random.default_rng(6)
    picked = FACE.seven + rng.normal(0, 4, (7, 3))
    rough = landmarks_only(FACE.vertices, FACE.triangles, picked, _points(), FACE.seven)
    fine = true_metric(FACE.vertices, FACE.triangles, picked, _points(), FACE.seven)
    assert np.median(rough) > 0.5
    assert fine.max() < 1e-3


# --------------------------------------------------------------------------------------------- details


def test_region_by_hand() -> None:
    seven = np.array(
        [[-45.0, 30, 0], [-15, 30, 0], [15, 30, 0], [45, 30, 0], [0, -20, 0], [-25, -50, 0], [25, -50, 0]]
    )
    centre, radius = face_region(seven)
    np.testing.assert_allclose(centre, [0, -5, 0])  # 0.3 of the 50 mm from the nose base up to the bridge
    assert radius == pytest.approx(0.7 * (90 + 50))
    assert face_region(seven, 95.0)[1] == 95.0
    assert SEVEN == (36, 39, 42, 45, 33, 48, 54)


def test_the_alignment_is_a_minimum() -> None:
    rng = np.random.default_rng(7)
    scan = _points() + rng.normal(0, 1.0, (len(_points()), 3))
    found = scan_distance(FACE.vertices, FACE.triangles, FACE.seven, scan, FACE.seven)
    assert found.converged
    cost = _cost(found, scan, found.alignment.apply(FACE.vertices))
    assert cost == pytest.approx((found.distances**2).sum(), rel=1e-9)
    middle = scan.mean(0)
    for k in range(20):
        turn = Rotation.from_rotvec(rng.normal(0, 1e-3, 3)).as_matrix()
        moved = found.alignment.apply(FACE.vertices) - middle
        moved = (1 + rng.normal(0, 1e-3)) * moved @ turn.T + middle + rng.normal(0, 0.03, 3)
        assert _cost(found, scan, moved) > cost * (1 - 1e-6), k


def _cost(found: ScanDistance, scan: np.ndarray, vertices: np.ndarray) -> float:
    from wholeface.core.nearest import Surface

    points = scan[found.inside]
    return float(((Surface(vertices, FACE.triangles).nearest(points)[0] - points) ** 2).sum())


def test_procrustes_finds_a_known_similarity_and_never_mirrors() -> None:
    rng = np.random.default_rng(8)
    source = rng.normal(size=(7, 3))
    turn = Rotation.from_rotvec([1.0, 0.2, -2.0]).as_matrix()
    found = procrustes(source, 2.5 * source @ turn.T + [1, 2, 3])
    assert found.scale == pytest.approx(2.5)
    np.testing.assert_allclose(found.rotation, turn, atol=1e-12)
    np.testing.assert_allclose(found.translation, [1, 2, 3], atol=1e-12)
    assert np.linalg.det(procrustes(source, source * [-1, 1, 1]).rotation) == pytest.approx(1)
    assert procrustes(source, 2.5 * source, metric=True).scale == 1


def test_points_are_carried_to_another_shape_of_the_mesh() -> None:
    rng = np.random.default_rng(9)
    moved = FACE.vertices + rng.normal(0, 1, FACE.vertices.shape)
    chosen = rng.integers(len(FACE.triangles), size=5)
    weights = rng.dirichlet([1, 1, 1], 5)[..., None]
    points = (FACE.vertices[FACE.triangles[chosen]] * weights).sum(1)
    expected = (moved[FACE.triangles[chosen]] * weights).sum(1)
    points = np.concatenate([points, [[np.nan] * 3]])
    found = carry_points(points, FACE.vertices, FACE.triangles, moved)
    np.testing.assert_allclose(found[:5], expected, atol=1e-9)
    assert np.isnan(found[5]).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vertices": FACE.vertices[:, :2]}, "vertices must have shape"),
        ({"vertices": np.where(np.arange(3) == 1, np.nan, FACE.vertices)}, "not finite"),
        ({"triangles": FACE.triangles[:0]}, "needs triangles"),
        ({"triangles": FACE.triangles + 5000}, "point outside"),
        ({"seven": FACE.seven[:6]}, "landmarks must have shape"),
        ({"seven": FACE.seven * [1, 0, 0]}, "one line"),
        ({"scan": FACE.vertices * 0.001 + 9e3}, "millimetres"),
        ({"scan": np.full((20, 3), np.inf)}, "scan's vertices"),
    ],
)
def test_wrong_input_is_refused(change: dict[str, np.ndarray], said: str) -> None:
    given = {
        "vertices": FACE.vertices,
        "triangles": FACE.triangles,
        "seven": FACE.seven,
        "scan": FACE.vertices,
        "scan_seven": FACE.seven,
    }
    with pytest.raises(UsageError, match=said):
        scan_distance(**{**given, **change})
