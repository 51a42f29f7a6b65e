"""eos beside us: what it refuses, and, where eos-py is installed, a fit with a model made from the small head."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.lab.bench.systems import load_systems
from wholeface.lab.bench.systems.eos_fit import _project, _vertex_of_landmark
from wholeface.perceive import FaceLandmarks
from wholeface.render import Camera, rotation_matrix, to_camera

PIXELS = np.zeros((200, 240, 3), np.uint8)


def test_without_a_model_or_the_package(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="eos needs its model: write eos=FOLDER"):
        load_systems(["eos"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install eos-py"):
        load_systems([f"eos={tmp_path}"])


def test_missing_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: SimpleNamespace())
    monkeypatch.setitem(sys.modules, "eos", SimpleNamespace())
    (tmp_path / "ibug_to_sfm.txt").write_text("")
    with pytest.raises(UsageError, match=r"no sfm_shape_3448.bin, expression_blendshapes_3448.bin; expected"):
        load_systems([f"eos={tmp_path}"])


def test_mapping_counts_from_one():
    vertices = _vertex_of_landmark({"9": "33", "68": "7", "69": "1", "nose": "2", "1": "x"})
    assert vertices[8] == 33
    assert vertices[67] == 7
    assert (vertices >= 0).sum() == 2


def test_projection_by_hand():
    pose = SimpleNamespace(
        get_projection=lambda: np.diag([0.5, 0.25, -1, 1]), get_modelview=lambda: np.eye(4)
    )
    seen = _project(np.array([[0.0, 0, 0], [1, 2, 3], [np.nan, 0, 0]]), pose, 200, 100)
    np.testing.assert_allclose(seen[:2], [[100, 50], [150, 25]])
    assert np.isnan(seen[2]).any()


def test_fit_with_a_model_made_here(tmp_path, small_model):
    eos = pytest.importorskip("eos")
    identity = small_model.identity.double().numpy().reshape(6, -1)  # (6, 3V)
    lengths = np.linalg.norm(identity, axis=1)
    basis, _ = np.linalg.qr(identity.T)  # the small model's modes are nearly, not quite orthogonal
    mean = small_model.mean.numpy().reshape(-1, 1)
    triangles = small_model.triangles.numpy().tolist()
    shape = eos.morphablemodel.PcaModel(mean, basis.astype(np.float32), (lengths**2)[:, None], triangles)
    model = eos.morphablemodel.MorphableModel(shape, eos.morphablemodel.PcaModel())
    eos.morphablemodel.save_model(model, str(tmp_path / "sfm_shape_3448.bin"))
    smile = eos.morphablemodel.Blendshape("smile", small_model.expression[1].numpy().reshape(-1, 1))
    eos.morphablemodel.save_blendshapes([smile], str(tmp_path / "expression_blendshapes_3448.bin"))
    front = np.flatnonzero(small_model.mean[:, 2].numpy() > 30)
    chosen = front[np.linspace(0, len(front) - 1, 60).astype(int)]
    lines = "\n".join(f'"{i + 1}" = {v}' for i, v in enumerate(chosen))
    (tmp_path / "ibug_to_sfm.txt").write_text(f"[landmark_mappings]\n{lines}\n")

    true = (small_model.mean.double().numpy().ravel() + 1.5 * lengths[2] * basis[:, 2]).reshape(-1, 3)
    points = np.zeros((68, 2))
    camera = Camera(2000.0, 119.5, 99.5, 240, 200)
    cam = to_camera(
        torch.from_numpy(true),
        rotation_matrix(torch.tensor([0.1, 0.3, 0.0]).double()),
        torch.tensor([0.0, 0, -4000]).double(),
    )
    points[:60] = camera.project(cam).numpy()[chosen]
    face = FaceLandmarks.from_points(points, "ibug68")
    (system,) = load_systems(
        [f"eos={tmp_path}"], model=small_model, detector=SimpleNamespace(detect=lambda pixels: (face,))
    )
    head = system.predict(PIXELS)
    assert head.vertices.shape == (290, 3)
    assert head.triangles.shape == (576, 3)
    assert np.isnan(head.landmarks[60:]).all()
    assert np.abs(head.landmarks_2d[:60] - points[:60]).max() < 3.0
    assert 0.1 < head.identity[2] < 1.6  # its prior draws hard towards the mean
    assert np.argmax(np.abs(head.identity)) == 2
    np.testing.assert_allclose(head.landmarks[:60], head.vertices[chosen])
