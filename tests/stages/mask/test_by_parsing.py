"""The mask that the parsing network sees, within the fitted face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from wholeface.morphable import Parameters, load_model
from wholeface.perceive import FaceLandmarks, OccluderKind, ParsingClass
from wholeface.perceive.face_parser import FaceParsing
from wholeface.photo import Photo, Similarity
from wholeface.render import Camera, ambient_light, to_camera
from wholeface.stages import FaceFit, FaceState, Tools
from wholeface.stages.mask.by_parsing import MaskByParsing

SIZE = 160


def _state() -> tuple[FaceState, Tools]:
    """A frontal mean face in a grey photo, and a network that sees an object in the photo's left half."""
    model = load_model("wholeface")
    parameters = Parameters(
        torch.zeros(model.identity_size), torch.zeros(model.expression_size), torch.zeros(model.albedo_size),
        ambient_light(0.5), torch.zeros(3), torch.tensor([0.0, 0.0, -1000.0]),
    )  # fmt: skip
    camera = Camera.of_photo(SIZE, SIZE, 450.0)
    shape = to_camera(model.mean, parameters.rotation, parameters.translation)
    assert model.landmarks_68 is not None
    points = camera.project(model.landmarks_68.points(shape, model.triangles)).double().numpy()
    left = np.zeros((SIZE, SIZE), bool)
    left[:, : SIZE // 2] = True
    parsing = np.zeros((len(ParsingClass), SIZE, SIZE), np.float32)
    parsing[ParsingClass.OBJECT][left] = 1
    parsing[ParsingClass.SKIN][~left] = 1
    kind = np.zeros((len(OccluderKind), SIZE, SIZE), np.float32)
    kind[OccluderKind.NONE][~left] = 1
    kind[OccluderKind.HAND][left] = 1
    face = np.zeros((SIZE, SIZE), np.float32)
    seen = FaceParsing(Similarity(), parsing, kind, face)
    photo = Photo(np.full((SIZE, SIZE, 3), 120, np.uint8), None, None, "grey", "array", ())
    landmarks = FaceLandmarks.from_points(points, "ibug68")
    fit = FaceFit(model, parameters, camera)
    return FaceState(photo, landmarks, parsing=seen, fit=fit), Tools(model=model)


def test_the_network_decides_within_the_face() -> None:
    state, tools = _state()
    (done,) = MaskByParsing()([state], tools)
    assert done.mask is not None
    region = done.mask.face_region
    assert 0.05 < region.mean() < 0.7
    columns = np.flatnonzero(region.any(axis=0))
    assert abs((columns[0] + columns[-1]) / 2 - (SIZE - 1) / 2) < 3  # a frontal face in the middle
    left = np.zeros_like(region)
    left[:, : SIZE // 2] = True
    np.testing.assert_allclose(done.mask.occluder[region & left], 1.0, atol=1e-6)
    np.testing.assert_allclose(done.mask.occluder[region & ~left], 0.0, atol=1e-6)
    assert not done.mask.occluder[~region].any()
    assert done.mask.hidden_fraction == ((region & left).sum() / region.sum())


def test_it_goes_on_where_the_network_sees_the_face_go_on() -> None:
    state, tools = _state()
    assert state.parsing is not None
    everywhere = replace(state.parsing, face=np.ones((SIZE, SIZE), np.float32))
    (done,) = MaskByParsing()([state.with_(parsing=everywhere)], tools)
    assert done.mask is not None
    assert done.mask.occluder[5, 5] == 1.0
    assert done.mask.occluder[5, SIZE - 5] == 0.0


def test_without_a_network_the_model_decides() -> None:
    state, tools = _state()
    (done,) = MaskByParsing()([state.with_(parsing=None)], tools)
    assert done.mask is not None
    assert done.mask.face_region.any()
