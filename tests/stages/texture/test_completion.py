"""The stage leaves one light behind: that of the texture."""

from __future__ import annotations

from typing import Any

import torch

from wholeface.perceive import FaceLandmarks
from wholeface.photo import read_photo
from wholeface.stages import FaceState, Tools
from wholeface.stages.state import FaceFit, MaskEstimate
from wholeface.stages.texture.completion import TextureCompletion


def test_the_fit_takes_the_light_that_was_divided_out(head: Any, scene_of: Any) -> None:
    scene = scene_of(head)
    wrong = scene.parameters.with_(light=scene.parameters.light * 0.7)
    fit = FaceFit(scene.model, wrong, scene.camera)
    points = torch.zeros(68, 2).numpy()
    face = FaceState(
        read_photo(scene.photo),
        FaceLandmarks.from_points(points, "ibug68"),
        fit=fit,
        mask=MaskEstimate(scene.mask, scene.mask > -1),
    )
    posed = fit.posed
    (done,) = TextureCompletion(size=128)([face], Tools(model=scene.model))
    assert done.fit is not None
    assert done.texture is not None
    light = done.fit.parameters.light
    assert torch.equal(light, torch.from_numpy(done.texture.light))
    assert not torch.equal(light, wrong.light)
    assert done.fit.posed is posed
    assert done.fit.parameters.with_(light=wrong.light).flat().equal(wrong.flat())
