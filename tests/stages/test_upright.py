"""The frame of an upright crop shows the same face as the photo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from wholeface.core.spherical_harmonics import sh_basis_array
from wholeface.morphable import MorphableModel
from wholeface.photo import Similarity
from wholeface.stages.state import FaceFit
from wholeface.stages.upright import upright

CROP = Similarity(0.4, -0.35, 12.0, 80.0)


def _fit(model: MorphableModel, scene_of: Callable[..., Any]) -> FaceFit:
    scene = scene_of(model, yaw=20)
    return FaceFit(model, scene.parameters, scene.camera)


def test_points_project_to_where_the_crop_puts_them(
    small_model: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    fit = _fit(small_model, scene_of)
    there = upright(fit, CROP, 96)
    expected = CROP.apply(fit.camera.project(fit.posed.points).numpy())
    np.testing.assert_allclose(there.camera.project(there.posed.points).numpy(), expected, atol=2e-3)
    assert (there.camera.width, there.camera.height) == (96, 96)


def test_its_parameters_pose_the_same_points(
    small_model: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    there = upright(_fit(small_model, scene_of), CROP, 96)
    from wholeface.stages.posed import PosedFace

    again = PosedFace.of(small_model, there.parameters)
    torch.testing.assert_close(again.points, there.posed.points, atol=1e-3, rtol=0)


def test_the_light_turns_with_the_face(small_model: MorphableModel, scene_of: Callable[..., Any]) -> None:
    fit = _fit(small_model, scene_of)
    there = upright(fit, CROP, 96)
    before = sh_basis_array(fit.posed.normals.numpy()) @ fit.parameters.light.numpy()
    after = sh_basis_array(there.posed.normals.numpy()) @ there.parameters.light.numpy()
    np.testing.assert_allclose(after, before, atol=2e-5)


def test_crops_of_one_roll_share_the_turned_face(
    small_model: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    fit = _fit(small_model, scene_of)
    first = upright(fit, CROP, 96)
    lit = fit.with_(parameters=fit.parameters.with_(light=2 * fit.parameters.light))
    again = upright(lit, Similarity(2.0, CROP.rotation, 3.0, 4.0), 50)
    assert again.posed is first.posed
    assert again.posed.is_of(small_model, again.parameters)
    torch.testing.assert_close(again.parameters.light, 2 * first.parameters.light)
    assert upright(fit, Similarity(0.4, 0.1, 0.0, 0.0), 96).posed is not first.posed
