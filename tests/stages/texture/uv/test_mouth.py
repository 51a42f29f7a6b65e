"""Teeth have the tone in which the photo shows them, and stand in the shade where it shows none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.morphable import MorphableModel
from wholeface.render import rasterize
from wholeface.stages.texture import CompleteSettings, complete_texture
from wholeface.stages.texture.uv.atlas import TEETH, atlas_of, surface_of

SIZE = 128
SETTINGS = CompleteSettings(refine_light=False, grain=0.0)
LUMA = np.array([0.2126, 0.7152, 0.0722])


def _linear(codes: np.ndarray) -> np.ndarray:
    share = codes / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def _codes(linear: np.ndarray) -> np.ndarray:
    share = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    )
    return np.round(255 * np.clip(share, 0, 1)).astype(np.uint8)


def _ratio(scene: Any, factor: tuple[float, float, float], *, hidden: bool = False) -> np.ndarray:
    """(3,) teeth of the texture over those of the model, where the photo's are the model's times a factor."""
    model = scene.model
    triangle = rasterize(scene.points, model.triangles, scene.camera).triangle[0].numpy()
    teeth = (triangle >= 0) & (surface_of(model).kind[np.maximum(triangle, 0)] == TEETH)
    assert teeth.sum() > 100
    photo, mask = scene.photo.copy(), scene.mask.copy()
    photo[teeth] = _codes(_linear(photo[teeth].astype(float)) * factor)
    if hidden:
        rows, columns = np.nonzero(teeth)
        mask[rows.min() - 8 : rows.max() + 9, columns.min() - 8 : columns.max() + 9] = 1
    result = complete_texture(
        model, photo, scene.parameters, scene.camera, mask, size=SIZE, settings=SETTINGS
    )
    atlas = atlas_of(model, SIZE)
    place = atlas.texel[surface_of(model).kind[atlas.triangle] == TEETH]
    assert model.albedo is not None
    own = model.albedo.texture(scene.parameters.albedo, SIZE).reshape(3, -1).T[torch.from_numpy(place).long()]
    found = _linear(result.texture.reshape(-1, 3)[place].astype(float))
    return np.asarray(np.median(found / own.numpy(), axis=0))


@pytest.fixture(scope="module")
def scene(egg: Callable[[int, int], MorphableModel], scene_of: Callable[..., Any]) -> Any:
    return scene_of(egg(40, 80))


def test_teeth_are_as_bright_as_the_photo_shows_them(scene: Any) -> None:
    bright, half = _ratio(scene, (1.0, 1.0, 1.0)), _ratio(scene, (0.5, 0.5, 0.5))
    np.testing.assert_allclose(half / bright, 0.5, rtol=0.08)


def test_lips_that_a_fit_has_parted_are_not_painted_on_the_teeth(scene: Any) -> None:
    red = _ratio(scene, (0.5, 0.12, 0.14))
    level = float(LUMA @ red)
    assert 0.25 < level < 0.5
    assert np.abs(np.log(red / level)).max() < 0.25


def test_nothing_makes_them_brighter_than_teeth(scene: Any) -> None:
    assert _ratio(scene, (1.9, 1.9, 1.9)).max() < 1.25


def test_unseen_teeth_stand_in_the_shade_of_the_lips(scene: Any) -> None:
    hidden = _ratio(scene, (1.0, 1.0, 1.0), hidden=True)
    np.testing.assert_allclose(hidden, np.exp(-0.6), rtol=0.06)
    np.testing.assert_array_equal(hidden, _ratio(scene, (0.3, 0.3, 0.3), hidden=True))
