"""Mean face, our own systems and their names, on the small model with a made-up detector."""

import numpy as np
import pytest
import torch

from wholeface.core.errors import NoFaceError, UsageError
from wholeface.lab.bench.systems import load_systems, split_names
from wholeface.perceive import FaceLandmarks
from wholeface.render import Camera, rotation_matrix, to_camera


class Found:
    """Says what it was told."""

    def __init__(self, *faces):
        self.faces = faces

    def detect(self, pixels):
        return self.faces


PIXELS = np.zeros((200, 240, 3), np.uint8)


@pytest.fixture
def photo(small_model):
    """A pose, and the landmarks that the mean face shows in it."""
    camera = Camera(300.0, 119.5, 99.5, 240, 200)
    rotation, translation = torch.tensor([0.05, 0.2, 0.02]), torch.tensor([5.0, -3.0, -700.0])
    points = small_model.landmarks_68.points(small_model.mean.double(), small_model.triangles)
    seen = camera.project(to_camera(points, rotation_matrix(rotation.double()), translation.double()))
    return Found(FaceLandmarks.from_points(seen.numpy(), "ibug68", sigma=0.5)), seen.numpy()


def test_mean_face_is_the_mean_whatever_the_photo(small_model):
    (system,) = load_systems(["mean face"], model=small_model, detector=Found())
    head = system.predict(PIXELS)
    np.testing.assert_allclose(head.vertices, small_model.mean.numpy(), atol=1e-5)
    np.testing.assert_array_equal(head.vertices, head.neutral)
    np.testing.assert_array_equal(head.identity, np.zeros(6))
    expected = small_model.landmarks_68.points(small_model.mean.double(), small_model.triangles).numpy()
    np.testing.assert_allclose(head.landmarks, expected, atol=1e-9)
    assert head.metric
    assert head.landmarks_2d is None
    assert small_model.regions["face"].numpy()[head.face_vertices].all()


def test_placed_mean_face_lies_where_the_face_is(small_model, photo):
    detector, seen = photo
    (system,) = load_systems(["mean face"], model=small_model, detector=detector, placed=True)
    head = system.predict(PIXELS)
    np.testing.assert_allclose(head.vertices, small_model.mean.numpy(), atol=1e-5)
    assert np.abs(head.landmarks_2d - seen).max() < 2.0
    with pytest.raises(NoFaceError):
        load_systems(["mean face"], model=small_model, detector=Found(), placed=True)[0].predict(PIXELS)


def test_landmark_fit_is_the_fits_own_head(small_model, photo):
    from wholeface.stages.shape import fit_landmarks

    detector, _ = photo
    (system,) = load_systems(["wholeface landmarks"], model=small_model, detector=detector)
    head = system.predict(PIXELS)
    fit = fit_landmarks(small_model, detector.faces[0], 240, 200)
    expected = small_model.vertices(fit.parameters.identity, fit.parameters.expression).numpy()
    np.testing.assert_allclose(head.vertices, expected, atol=1e-4)
    np.testing.assert_allclose(head.neutral, small_model.vertices(fit.parameters.identity).numpy(), atol=1e-4)
    # the first 17 slide along the silhouette in the fit
    np.testing.assert_allclose(head.landmarks_2d[17:], fit.predicted[17:], atol=0.5)


def test_wholeface_is_what_the_reconstructor_answers(small_model, photo, monkeypatch):
    from wholeface import reconstructor
    from wholeface.stages.shape import fit_landmarks

    fit = fit_landmarks(small_model, photo[0].faces[0], 240, 200)
    identity = torch.linspace(-1, 1, 6)

    class Head:
        model = small_model
        parameters = fit.parameters.with_(identity=identity)
        camera = fit.camera

    monkeypatch.setattr(reconstructor.Reconstructor, "__call__", lambda self, pixels: Head)
    (system,) = load_systems(["wholeface"], model=small_model, detector=Found())
    head = system.predict(PIXELS)
    expected = small_model.vertices(identity, fit.parameters.expression).numpy()
    np.testing.assert_allclose(head.vertices, expected, atol=1e-4)
    np.testing.assert_allclose(head.identity, identity.numpy(), atol=1e-6)


def test_methods_are_systems_by_name(small_model, photo, monkeypatch):
    from wholeface import reconstructor
    from wholeface.stages.shape import fit_landmarks

    fit = fit_landmarks(small_model, photo[0].faces[0], 240, 200)

    class Head:
        def __init__(self, method):
            self.parameters = fit.parameters.with_(identity=torch.full((6,), float(len(method))))
            self.model, self.camera = small_model, fit.camera

    monkeypatch.setattr(reconstructor.Reconstructor, "__call__", lambda self, pixels: Head(self.method))
    names = ["parsing_guided", "eyeglasses", "analysis"]
    systems = load_systems(names, model=small_model, detector=Found())
    assert [s.name for s in systems] == names
    for system in systems:
        np.testing.assert_allclose(system.predict(PIXELS).identity, len(system.name))


def test_no_face_is_said(small_model):
    for name in ("wholeface", "wholeface landmarks"):
        (system,) = load_systems([name], model=small_model, detector=Found())
        with pytest.raises(NoFaceError, match="no face"):
            system.predict(PIXELS)


def test_order_and_names_are_kept(small_model):
    names = ["wholeface", "mean face", "wholeface landmarks"]
    assert [s.name for s in load_systems(names, model=small_model, detector=Found())] == names
    assert split_names(" mean face, wholeface,mean face,,") == ["mean face", "wholeface"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no system is named"),
        (["mean face", "mean face"], "mean face named twice"),
        (["deca"], "no system 'deca'; there are: mean face"),
        (["folder:DECA"], "folder:NAME=PATH"),
        (["folder:PRNet=results"], "DECA, Deep3DFaceRecon"),
        (["folder:DECA=nowhere/at/all"], "nowhere/at/all is not a folder"),
    ],
)
def test_wrong_names_are_refused(names, message):
    with pytest.raises(UsageError, match=message):
        load_systems(names)


def test_no_name_is_refused():
    with pytest.raises(UsageError, match="no system is named"):
        split_names(" , ")


def test_a_system_of_somebodys_own_module(tmp_path, monkeypatch):
    (tmp_path / "my_heads.py").write_text(
        "class Mine:\n    name = 'mine'\n    def predict(self, pixels, path=None):\n        return 'a head'\n"
        "class Nameless:\n    def predict(self, pixels, path=None): ...\n"
        "class Needy:\n    def __init__(self, weights): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    (system,) = load_systems(["my_heads:Mine"])
    assert (system.name, system.predict(PIXELS)) == ("mine", "a head")
    for name, message in (
        ("my_heads:Nameless", "lacks a name or a method predict"),
        ("my_heads:Needy", "takes nothing and gives a system"),
        ("my_heads:Other", "no attribute 'Other'"),
        ("no_such_module:Mine", "No module named 'no_such_module'"),
    ):
        with pytest.raises(UsageError, match=message):
            load_systems([name])
