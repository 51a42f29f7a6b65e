"""The stage: from faces to generated ones, the same one by one and together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wholeface.core.errors import ModelFileError
from wholeface.morphable import MorphableModel
from wholeface.perceive import FaceLandmarks, OccluderKind, ParsingClass
from wholeface.perceive.face_parser import FaceParsing
from wholeface.photo import Similarity, read_photo
from wholeface.stages import FaceFit, FaceState, MaskEstimate, Networks, Tools
from wholeface.stages.deocclude.by_generator import DeoccludeByGenerator, something_hidden
from wholeface.stages.deocclude.generator.compose import compose


def _face(model: MorphableModel, scene_of: Callable[..., Any], box: tuple[int, int, int, int]) -> FaceState:
    scene = scene_of(model, boxes=(box,))
    fit = FaceFit(model, scene.parameters, scene.camera)
    points = (
        scene.camera.project(model.landmarks_68.points(fit.posed.points, model.triangles)).double().numpy()
    )
    region = np.zeros(scene.mask.shape, bool)
    region[60:300, 60:300] = True
    state = FaceState(read_photo(scene.photo), FaceLandmarks.from_points(points, "ibug68"), fit=fit)
    return state.with_(mask=MaskEstimate(scene.mask, region))


def test_faces_are_made_alike_alone_and_in_a_batch(
    small_model: MorphableModel, scene_of: Callable[..., Any], weights_folder: Path
) -> None:
    tools = Tools(model=small_model, networks=Networks(weights=weights_folder))
    faces = [
        _face(small_model, scene_of, box)
        for box in ((170, 215, 60, 190), (100, 150, 150, 280), (60, 99, 90, 250))
    ]
    together = DeoccludeByGenerator(batch=2)(faces, tools)
    for face, found in zip(faces, together):
        alone = DeoccludeByGenerator()([face], tools)[0]
        assert found.generated is not None
        assert found.generated.pixels.shape == (64, 64, 3)
        np.testing.assert_allclose(alone.generated.matte, found.generated.matte, atol=1e-5)
        assert np.abs(alone.generated.pixels.astype(int) - found.generated.pixels).max() <= 1
        assert (found.generated.removed <= found.generated.matte).all()
        assert (found.generated.error > 0).all()
        assert found.with_(generated=None).mask is face.mask


def test_weights_of_ones_own_and_missing_ones(
    small_model: MorphableModel, scene_of: Callable[..., Any], weights_folder: Path, tmp_path: Path
) -> None:
    face = _face(small_model, scene_of, (170, 215, 60, 190))
    tools = Tools(model=small_model)
    stage = DeoccludeByGenerator(weights=str(weights_folder / "deocclusion.safetensors"))
    assert stage([face], tools)[0].generated.pixels.shape == (64, 64, 3)
    with pytest.raises(ModelFileError, match="nowhere"):
        DeoccludeByGenerator(weights=str(tmp_path / "nowhere.safetensors"))([face], tools)
    # A folder of other weights that has none of this network: the shipped one is taken.
    (weights_folder / "deocclusion.safetensors").unlink()
    found = DeoccludeByGenerator()(
        [face], Tools(model=small_model, networks=Networks(weights=weights_folder))
    )
    assert found[0].generated.pixels.shape == (192, 192, 3)


def test_a_free_face_needs_no_network(
    small_model: MorphableModel, scene_of: Callable[..., Any], tmp_path: Path
) -> None:
    free = _face(small_model, scene_of, (0, 2, 0, 2))
    stage = DeoccludeByGenerator(weights=str(tmp_path / "nowhere.safetensors"))
    found = stage([free], Tools(model=small_model))[0].generated
    assert found.is_nothing
    np.testing.assert_array_equal(compose(free.photo.pixels, found).pixels, free.photo.pixels)
    assert something_hidden(_face(small_model, scene_of, (170, 215, 60, 190)))
    assert not something_hidden(_face(small_model, scene_of, (0, 2, 0, 2)))


def test_hair_alone_is_no_work_unless_it_is_to_go(
    small_model: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    face = _face(small_model, scene_of, (100, 150, 120, 240))
    kind = np.zeros((len(OccluderKind), 90, 90), np.float32)
    kind[OccluderKind.HAIR] = 1
    parsing = np.zeros((len(ParsingClass), 90, 90), np.float32)
    parsing[ParsingClass.SKIN] = 1
    seen = FaceParsing(Similarity(0.25), parsing, kind, np.ones((90, 90), np.float32))
    haired = face.with_(parsing=seen)
    assert not something_hidden(haired, "auto")
    assert something_hidden(haired, "all")
    hand = np.roll(kind, int(OccluderKind.HAND - OccluderKind.HAIR), axis=0)
    assert something_hidden(
        face.with_(parsing=FaceParsing(Similarity(0.25), parsing, hand, seen.face)), "auto"
    )
