"""The texture takes from the picture without occluders what the photo does not show, and says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wholeface.core.provenance import Provenance
from wholeface.perceive import FaceLandmarks
from wholeface.photo import read_photo
from wholeface.stages import DeoccludedImage, FaceState, Tools
from wholeface.stages.state import FaceFit, MaskEstimate
from wholeface.stages.texture import CompletedTexture, CompleteSettings
from wholeface.stages.texture.completion import TextureCompletion
from wholeface.stages.texture.from_image import TextureFromImage

_BOX = (150, 210, 90, 270)


def _texture(stage: Any, face: FaceState, tools: Tools) -> CompletedTexture:
    (done,) = stage([face], tools)
    assert done.texture is not None
    return done.texture


def test_generated_pixels_become_generated_texels(head: Any, scene_of: Any) -> None:
    scene = scene_of(head, boxes=(_BOX,))
    tools = Tools(model=scene.model)
    face = FaceState(
        read_photo(scene.photo),
        FaceLandmarks.from_points(np.zeros((68, 2)), "ibug68"),
        fit=FaceFit(scene.model, scene.parameters, scene.camera),
        mask=MaskEstimate(scene.mask, scene.mask > -1),
    )
    codes = np.where(scene.mask > 0, np.uint8(Provenance.GENERATED), np.uint8(Provenance.OBSERVED))
    face = face.with_(image=DeoccludedImage(scene.clean, codes))
    settings = CompleteSettings(refine_light=False, grain=0.0)
    free = face.with_(photo=read_photo(scene.clean), mask=MaskEstimate(0 * scene.mask, scene.mask > -1))
    truth = _texture(TextureCompletion(128, settings), free, tools)
    plain = _texture(TextureCompletion(128, settings), face, tools)
    found = _texture(TextureFromImage(128, settings), face, tools)
    made = found.provenance == Provenance.GENERATED
    # All that a free face shows is observed or generated; what is generated was hidden.
    seen = truth.provenance == Provenance.OBSERVED
    assert made.sum() > 200
    assert (seen[made]).all()
    assert (plain.provenance[made] != Provenance.OBSERVED).all()
    assert np.isin(found.provenance[seen], (Provenance.OBSERVED, Provenance.GENERATED)).all()
    assert np.abs(found.texture.astype(int) - truth.texture)[made].max() <= 1
    np.testing.assert_allclose(found.confidence[made], 0.5 * truth.confidence[made])
    assert found.observed_fraction == plain.observed_fraction


def test_without_generated_pixels_nothing_differs(head: Any, scene_of: Any) -> None:
    scene = scene_of(head, boxes=(_BOX,))
    tools = Tools(model=scene.model)
    face = FaceState(
        read_photo(scene.photo),
        FaceLandmarks.from_points(np.zeros((68, 2)), "ibug68"),
        fit=FaceFit(scene.model, scene.parameters, scene.camera),
        mask=MaskEstimate(scene.mask, scene.mask > -1),
        image=DeoccludedImage(scene.photo, np.full(scene.mask.shape, Provenance.OBSERVED, np.uint8)),
    )
    plain, found = (_texture(kind(96), face, tools) for kind in (TextureCompletion, TextureFromImage))
    assert (plain.texture == found.texture).all()
    assert (plain.provenance == found.provenance).all()
    assert found.observed_fraction == pytest.approx(plain.observed_fraction)
