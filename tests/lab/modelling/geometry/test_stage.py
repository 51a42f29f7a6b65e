"""Pieces of the geometry stage on small meshes, and the stage's inputs where the source material is there."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.errors import ModelFileError, UsageError
from wholeface.lab.modelling.geometry.decimate import CollapseProblem, collapse
from wholeface.lab.modelling.geometry.eye import gaze_offsets
from wholeface.lab.modelling.geometry.slim import border_loop, signed_areas, slim, tutte
from wholeface.lab.modelling.geometry.source import half_mesh, mirrored_name, read_ict
from wholeface.lab.modelling.geometry.statistics import vertex_areas


def _grid(n: int, bump: float = 0.0):
    x, y = np.meshgrid(np.arange(n, dtype=float), np.arange(n, dtype=float))
    points = np.stack([x.ravel(), y.ravel(), bump * np.sin(x.ravel()) * np.cos(y.ravel())], axis=1)
    i = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)[None]).ravel()
    quads = np.stack([i, i + 1, i + n + 1, i + n], axis=1)
    return points, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _problem(points, triangles, **changes):
    n = len(points)
    fields = {
        "samples": points[None],
        "triangles": triangles,
        "label": np.zeros(len(triangles), dtype=np.int64),
        "midline": points[:, 0] == 0,
        "locked": np.zeros(n, dtype=bool),
        "weight": np.ones(n),
    }
    return CollapseProblem(**(fields | changes))


def test_collapse_keeps_outline_midline_and_orientation():
    points, triangles = _grid(9, bump=0.3)
    kept, small, origin = collapse(_problem(points, triangles), target=50)
    assert (np.where(points[kept, 0] == 0, 1, 2)).sum() <= 50
    flat = points[kept][:, :2]
    areas = signed_areas(flat, small)
    assert areas.min() > 0
    assert areas.sum() == pytest.approx(64.0)  # the square's outline is untouched
    assert len(origin) == len(small)
    assert (points[kept[small], 0] == 0).all(axis=1).sum() == 0


def test_collapse_keeps_locked_points_and_borders_of_labels():
    points, triangles = _grid(9)
    label = (points[triangles][:, :, 1].mean(axis=1) > 4).astype(np.int64)
    locked = np.zeros(len(points), dtype=bool)
    locked[[40, 50]] = True
    kept, small, origin = collapse(_problem(points, triangles, label=label, locked=locked), target=40)
    assert {40, 50} <= set(kept.tolist())
    area = signed_areas(points[kept][:, :2], small)
    for side in (0, 1):
        assert area[label[origin] == side].sum() == pytest.approx(32.0)


def test_collapse_prefers_flat_places():
    points, triangles = _grid(13)
    points[:, 2] = np.where(points[:, 0] > 8, np.sin(2.5 * points[:, 1]), 0.0)
    kept, _, _ = collapse(_problem(points, triangles, midline=np.zeros(len(points), dtype=bool)), target=140)
    inner = kept[(points[kept, 1] > 0) & (points[kept, 1] < 12)]
    rough, flat = (points[inner, 0] > 8).sum() / 4, (points[inner, 0] <= 8).sum() / 9
    assert rough > 1.3 * flat


def test_tutte_and_slim_recover_a_flat_mesh():
    points, triangles = _grid(6)
    loop = border_loop(triangles)
    angle = np.linspace(0, 2 * np.pi, len(loop), endpoint=False)
    start = tutte(len(points), triangles, loop, np.stack([np.cos(angle), np.sin(angle)], axis=1))
    assert signed_areas(start, triangles).min() > 0
    ones = np.ones(len(triangles))
    flat = slim(points, triangles, ones, ones, start * 3, np.zeros(len(points), dtype=bool), 200)
    centred, truth = flat - flat.mean(axis=0), points[:, :2] - points[:, :2].mean(axis=0)
    u, _, vt = np.linalg.svd(centred.T @ truth)
    assert np.abs(centred @ (u @ vt) - truth).max() < 0.05


def test_border_loop_refuses_other_topologies():
    points, triangles = _grid(6)
    centre = [t for t in triangles.tolist() if not {14, 21} <= set(t)]
    with pytest.raises(UsageError, match="one open border"):
        border_loop(np.array(centre))
    del points
    closed = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    with pytest.raises(UsageError, match="closed"):
        border_loop(closed)


def test_gaze_offsets_turn_about_the_centre():
    rng = np.random.default_rng(0)
    direction = rng.standard_normal((200, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    points = np.array([32.0, 36.0, 80.0]) + 12.0 * direction
    for name, axis, sign in (
        ("eyeLookUp_L", 1, 1),
        ("eyeLookDown_R", 1, -1),
        ("eyeLookOut_L", 0, 1),
        ("eyeLookIn_L", 0, -1),
        ("eyeLookOut_R", 0, -1),
    ):
        moved = points + gaze_offsets(name, points)
        np.testing.assert_allclose(np.linalg.norm(moved - [32.0, 36.0, 80.0], axis=1), 12.0, atol=1e-9)
        front = points[:, 2].argmax()
        assert sign * (moved - points)[front, axis] > 4.0


def test_vertex_areas():
    points, triangles = _grid(5)
    assert vertex_areas(points, triangles).sum() == pytest.approx(16.0)


def test_mirrored_names():
    assert mirrored_name("eyeBlink_L") == "eyeBlink_R"
    assert mirrored_name("jawRight") == "jawLeft"
    assert mirrored_name("jawOpen") == "jawOpen"


def test_missing_source_is_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"ict_facekit\.npz"):
        read_ict(tmp_path)


@pytest.mark.shared
def test_half_of_the_source(shared):
    source = read_ict(shared / "data" / "ict_facekit")
    assert len(source.expression_names) == 55
    assert (source.mirror[source.mirror] == np.arange(len(source.mirror))).mean() > 0.999
    half = half_mesh(source)
    weights = half.combine
    np.testing.assert_allclose(np.asarray(weights.sum(axis=1)).ravel(), 1.0, atol=1e-12)
    assert weights.data.min() >= 0
    points = weights @ source.mean
    assert points[:, 0].min() > -1e-3
    assert np.abs(points[half.midline, 0]).max() < 1e-3
    skin = half.triangles[half.part <= 1]
    assert (points[skin] @ [0.0, 1.0, 0.35]).min() > -107.0 - 1e-6
