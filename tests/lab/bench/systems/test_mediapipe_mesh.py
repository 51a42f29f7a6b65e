"""MediaPipe's points as a mesh: frame, triangles, landmarks, with made-up detections."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wholeface.core.errors import NoFaceError, UsageError
from wholeface.lab.bench.systems.mediapipe_mesh import MediapipeMesh, closed_triangles
from wholeface.lab.bench.systems.own import Shared
from wholeface.morphable import load_model
from wholeface.perceive import FaceLandmarks

PIXELS = np.zeros((300, 300, 3), np.uint8)


def test_a_ring_around_three_triangles_is_no_triangle():
    # K4: 4 three-cycles; three of them meet at vertex 3, the fourth only surrounds them. Around it, neighbours.
    inner = np.array([[0, 1, 3], [1, 2, 3], [2, 0, 3]])
    outer = np.array([[1, 0, 4], [2, 1, 5], [0, 2, 6]])
    cycles = np.concatenate([inner, outer, [[0, 1, 2]]])
    np.testing.assert_array_equal(closed_triangles(cycles), np.concatenate([inner, outer]))


@pytest.fixture(scope="module")
def shared():
    pytest.importorskip("mediapipe")
    return Shared(load_model())


def _system(shared, *faces):
    return MediapipeMesh(shared, SimpleNamespace(detect=lambda pixels: faces))


def test_the_mean_face_turned_and_scaled_comes_back(shared):
    model = shared.model
    mean = model.landmarks_478.points(model.mean.double(), model.triangles).numpy()
    angle = 0.4
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    seen = 0.7 * mean @ turn.T + [150, -120, 0]
    face = FaceLandmarks(
        points=np.column_stack([seen[:, 0], -seen[:, 1]]),
        scheme="mediapipe478",
        box=np.array([0.0, 0, 1, 1]),
        score=1.0,
        visibility=np.ones(478),
        sigma=np.ones(478),
        depth=seen[:, 2],
    )
    head = _system(shared, face).predict(PIXELS)
    assert head.vertices.shape == (468, 3)
    assert not head.metric
    np.testing.assert_allclose(head.vertices, mean[:468], atol=1e-6)
    true = model.landmarks_68.points(model.mean.double(), model.triangles).numpy()
    assert np.linalg.norm(head.landmarks - true, axis=1).max() < 6
    assert np.median(np.linalg.norm(head.landmarks - true, axis=1)) < 1
    assert head.landmarks_2d.shape == (68, 2)


def test_triangles_form_the_tessellation_and_face_outwards(shared):
    triangles = _system(shared)._triangles
    assert len(np.unique(triangles)) == 468
    _, counts = np.unique(
        np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2), axis=0, return_counts=True
    )
    assert set(counts) == {1, 2}  # a manifold with borders
    assert (counts == 1).sum() == 36 + 20 + 2 * 16  # oval, mouth and both eyes
    assert len(triangles) == 852
    mean = torch.from_numpy(_system(shared)._mean)
    a, b, c = (mean[triangles[:, k]] for k in range(3))
    area = torch.linalg.cross(b - a, c - a)[:, 2]
    assert (area > 0).double().mean() > 0.9


def test_no_face_and_other_landmarks(shared):
    with pytest.raises(NoFaceError):
        _system(shared).predict(PIXELS)
    other = FaceLandmarks.from_points(np.random.default_rng(0).normal(size=(68, 2)), "ibug68")
    with pytest.raises(UsageError, match="ibug68 landmarks without depth"):
        _system(shared, other).predict(PIXELS)
