"""The landmark type, the mirror table, visibility, and the log filter."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.perceive import FaceLandmarks, LandmarkDetector
from wholeface.perceive.mediapipe._native_logs import keep, quiet_native_logs
from wholeface.perceive.mediapipe.mirror import MIRROR_478
from wholeface.perceive.mediapipe.normals import oriented_triangles, self_visibility


def test_from_points_fills_in_plain_values():
    points = np.random.default_rng(0).uniform(10, 90, (68, 2))
    landmarks = FaceLandmarks.from_points(points, "ibug68")
    np.testing.assert_array_equal(landmarks.box, [*points.min(0), *points.max(0)])
    assert landmarks.visibility.tolist() == [1.0] * 68
    assert landmarks.sigma.shape == (68,)
    assert landmarks.depth is None


def test_wrong_shapes_and_values_are_refused():
    points = np.zeros((68, 2))
    with pytest.raises(UsageError, match="mediapipe478 landmarks must have shape"):
        FaceLandmarks.from_points(points, "mediapipe478")
    with pytest.raises(UsageError, match="not finite"):
        FaceLandmarks.from_points(points + np.nan, "ibug68")
    with pytest.raises(UsageError, match="scheme"):
        FaceLandmarks(points, "aflw", np.zeros(4), 1.0, np.ones(68), np.ones(68))


def test_mirror_table_is_an_involution_that_swaps_known_pairs():
    np.testing.assert_array_equal(MIRROR_478[MIRROR_478], np.arange(478))
    for right, left in ((33, 263), (133, 362), (61, 291), (234, 454), (468, 473), (159, 386), (105, 334)):
        assert MIRROR_478[right] == left
    for middle in (1, 4, 10, 152, 0, 17, 168):
        assert MIRROR_478[middle] == middle


def test_protocol_is_met_by_anything_that_detects():
    class Nothing:
        def detect(self, pixels):
            return ()

    assert isinstance(Nothing(), LandmarkDetector)


def test_orientation_is_consistent_over_a_mesh():
    # A 4 × 4 grid with diagonals: every triangle must turn the same way round.
    edges = set()
    for r in range(4):
        for c in range(4):
            i = 4 * r + c
            if c < 3:
                edges.add((i, i + 1))
            if r < 3:
                edges.add((i + 4, i))
            if c < 3 and r < 3:
                edges.add((i, i + 5))
    triangles = oriented_triangles(edges)
    assert len(triangles) == 18
    x, y = np.arange(16) % 4, np.arange(16) // 4
    a, b, c = triangles.T
    area = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])
    assert len(set(np.sign(area))) == 1


def test_visibility_of_a_turned_shell():
    """Points on a half-cylinder: those that face away are hidden, a shut eye hides its iris."""
    angles = np.linspace(-1.4, 1.4, 26)
    heights = np.linspace(-1, 1, 18)
    grid = np.array([(np.sin(a), h, np.cos(a)) for h in heights for a in angles])  # 468
    turn = np.deg2rad(50.0)
    rotated = grid * 100
    rotated = np.stack(
        [np.cos(turn) * rotated[:, 0] + np.sin(turn) * rotated[:, 2], rotated[:, 1],
         -np.sin(turn) * rotated[:, 0] + np.cos(turn) * rotated[:, 2]], axis=1
    )  # fmt: skip
    triangles = []
    for r in range(17):
        for c in range(25):
            i = 26 * r + c
            triangles += [(i, i + 1, i + 26), (i + 1, i + 27, i + 26)]
    points = np.concatenate([rotated, rotated[:10]])
    visibility = self_visibility(points, np.array(triangles))
    normal_z = np.cos(np.tile(angles, 18) + turn)
    inner = (normal_z > 0.35) | (normal_z < -0.2)
    np.testing.assert_array_equal(visibility[:468][inner] > 0.5, (normal_z > 0)[inner])
    points[[159, 386]] = points[[145, 374]]  # lids together
    shut = self_visibility(points, np.array(triangles))
    assert shut[468:].max() == 0.0


def test_only_known_chatter_is_dropped():
    chatter = (
        b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
        b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
        b"W0000 00:00:1795220504.045389    5862"
        b" inference_feedback_manager.cc:114] Feedback manager requires a model\n"
        b"I0000 00:00:1795220504.045389    5862 gl_context.cc:357] GL version: 3.1\n"
    )
    mine = b"E0000 00:00:1795220504.045389    5862 file.cc:1] an error\nwarning: mine\nno newline"
    assert keep(chatter) == b""
    assert keep(chatter + mine) == mine


def test_other_output_to_stderr_survives(capfd):
    with quiet_native_logs():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"from C\n")
        print("from Python", file=sys.stderr)
    os.write(2, b"after\n")
    captured = capfd.readouterr().err
    assert "TensorFlow" not in captured
    assert all(text in captured for text in ("from C", "from Python", "after"))


def _of_668() -> FaceLandmarks:
    rng = np.random.default_rng(3)
    return FaceLandmarks(
        points=rng.uniform(0, 100, (668, 2)),
        scheme="wholeface668",
        box=np.array([1.0, 2.0, 90.0, 95.0]),
        score=0.7,
        visibility=rng.random(668),
        sigma=rng.random(668),
        depth=rng.random(668),
        occluded=rng.random(668),
        modes=rng.normal(size=(4, 668, 2)),
    )


@pytest.mark.parametrize(
    ("scheme", "part"), [("ibug68", slice(0, 68)), ("mediapipe478", slice(68, 546))], ids=["68", "478"]
)
def test_smaller_schemes_are_parts_of_the_668_points(scheme, part):
    whole = _of_668()
    smaller = whole.as_scheme(scheme)
    assert smaller.scheme == scheme
    assert (smaller.score, smaller.box.tolist()) == (whole.score, whole.box.tolist())
    for name in ("points", "visibility", "sigma", "depth", "occluded", "total_sigma"):
        np.testing.assert_array_equal(getattr(smaller, name), getattr(whole, name)[part])
    np.testing.assert_array_equal(smaller.modes, whole.modes[:, part])
    assert whole.as_scheme("wholeface668") is whole
    assert smaller.as_scheme(scheme) is smaller
    with pytest.raises(UsageError, match=f"{scheme} landmarks do not contain the wholeface668 points"):
        smaller.as_scheme("wholeface668")


def test_what_each_scheme_contains():
    whole = _of_668()
    np.testing.assert_array_equal(whole.points_68, whole.points[:68])
    np.testing.assert_array_equal(whole.points_478, whole.points[68:546])
    dense, sparse = whole.as_scheme("mediapipe478"), whole.as_scheme("ibug68")
    assert dense.points_68 is None
    assert sparse.points_478 is None
    np.testing.assert_array_equal(dense.points_478, dense.points)
    np.testing.assert_array_equal(sparse.points_68, sparse.points)
    for missing in (dense, sparse):
        with pytest.raises(UsageError, match="do not contain"):
            missing.as_scheme("ibug68" if missing is dense else "mediapipe478")


def test_optional_parts_may_be_missing():
    bare = FaceLandmarks.from_points(np.random.default_rng(0).uniform(0, 9, (668, 2)), "wholeface668")
    smaller = bare.as_scheme("ibug68")
    assert smaller.depth is smaller.occluded is smaller.modes is None
    assert bare.total_sigma is bare.sigma


def test_total_sigma_is_that_of_samples():
    whole = _of_668()
    rng = np.random.default_rng(1)
    common = np.einsum("sq,qlx->slx", rng.normal(size=(4000, 4)), whole.modes)
    errors = common + whole.sigma[:, None] * rng.normal(size=(4000, 668, 2))
    measured = np.sqrt(np.square(errors).mean(axis=(0, 2)))
    np.testing.assert_allclose(whole.total_sigma, measured, rtol=0.1)


def test_wrong_shapes_of_the_optional_parts():
    whole = _of_668()
    for name, wrong in (("modes", np.zeros((4, 667, 2))), ("occluded", np.zeros(3)), ("depth", np.zeros(2))):
        with pytest.raises(UsageError, match=f"{name} of wholeface668 landmarks must have shape"):
            FaceLandmarks(**(vars(whole) | {name: wrong}))
