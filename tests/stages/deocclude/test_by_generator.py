"""The stage: from faces to generated ones, the same one by one and together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wholeface.core.errors import ModelFileError
from wholeface.morphable import MorphableModel
from wholeface.perceive import FaceLandmarks
from wholeface.photo import read_photo
from wholeface.stages import FaceFit, FaceState, MaskEstimate, Networks, Tools
from wholeface.stages.deocclude.by_generator import DeoccludeByGenerator, something_hidden


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
        _face(small_model, scene_of, box) for box in ((170, 215, 60, 190), (100, 150, 150, 280), (0, 2, 0, 2))
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


def test_a_free_face_needs_no_network(small_model: MorphableModel, scene_of: Callable[..., Any]) -> None:
    assert something_hidden(_face(small_model, scene_of, (170, 215, 60, 190)))
    assert not something_hidden(_face(small_model, scene_of, (0, 2, 0, 2)))
