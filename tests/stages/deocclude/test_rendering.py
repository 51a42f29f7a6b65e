from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.morphable import MorphableModel
from wholeface.render import rasterize
from wholeface.stages.deocclude import deocclude
from wholeface.stages.texture import CompleteSettings, complete_texture

BOX = (170, 215, 60, 190)  # from the background over the cheek to the nose
EXACT = CompleteSettings(refine_light=False, grain=0.0)


def _run(scene: Any, occluder: Any = None, **changes: Any) -> np.ndarray:
    completed = complete_texture(
        scene.model, scene.photo, scene.parameters, scene.camera, scene.mask, size=512, settings=EXACT
    )
    mask = scene.mask if occluder is None else occluder
    arguments = {"photo": scene.photo, "completed": completed, **changes}
    return deocclude(
        arguments["photo"], scene.model, scene.parameters, scene.camera, mask, arguments["completed"]
    )


def _face(scene: Any) -> np.ndarray:
    triangle = rasterize(scene.points, scene.model.triangles, scene.camera).triangle[0].numpy()
    face = scene.model.regions["face"][scene.model.triangles].all(1).numpy()
    return (triangle >= 0) & face[np.maximum(triangle, 0)]


def _near(mask: np.ndarray, radius: int) -> np.ndarray:
    grown = torch.nn.functional.max_pool2d(torch.from_numpy(mask)[None, None], 2 * radius + 1, 1, radius)
    return grown[0, 0].numpy() > 0


@pytest.mark.parametrize("yaw", [0, 25])
def test_pixels_away_from_the_occluder_and_outside_the_face_are_untouched(
    head: MorphableModel, scene_of: Callable[..., Any], yaw: float
) -> None:
    scene = scene_of(head, yaw=yaw, boxes=(BOX,))
    result = _run(scene)
    assert result.dtype == np.uint8
    same = (result == scene.photo).all(axis=2)
    pixels_per_mm = 360 / 270
    assert same[~_near(scene.mask, int(np.ceil(5.0 * pixels_per_mm)))].all()
    assert same[~_face(scene)].all()
    assert not same[(scene.mask > 0) & _face(scene)].all()


@pytest.mark.parametrize("yaw", [0, 25])
def test_what_was_hidden_looks_as_it_does_without_the_occluder(
    head: MorphableModel, scene_of: Callable[..., Any], yaw: float
) -> None:
    scene = scene_of(head, yaw=yaw, boxes=(BOX,))
    result = _run(scene)
    triangle = rasterize(scene.points, head.triangles, scene.camera).triangle[0].numpy()
    head_only = torch.nn.functional.max_pool2d(
        torch.from_numpy((~_face(scene)).astype(np.float32))[None], 9, 1, 4
    )
    inside = (scene.mask > 0) & (head_only[0].numpy() == 0) & (triangle >= 0)
    error = np.abs(result[inside].astype(float) - scene.clean[inside])
    assert inside.sum() > 1500
    assert np.median(error) < 4
    assert np.quantile(error, 0.95) < 16
    assert np.abs(scene.photo[inside].astype(float) - scene.clean[inside]).mean() > 80  # it was magenta


def test_there_is_no_seam(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head, boxes=((150, 190, 150, 215),))
    fitted = replace(scene.parameters, albedo=torch.tensor([1.5, -0.3, 0.4, 0.2]))  # e^0.2 too bright
    completed = complete_texture(
        head, scene.photo, fitted, scene.camera, scene.mask, size=512, settings=EXACT
    )
    result = deocclude(scene.photo, head, fitted, scene.camera, scene.mask, completed).astype(float)
    clean = scene.clean.astype(float)
    window = (slice(140, 200), slice(140, 225))
    for axis in (0, 1):
        step = np.abs(np.diff(result[window], axis=axis)).max(axis=2)
        true_step = np.abs(np.diff(clean[window], axis=axis)).max(axis=2)
        assert np.quantile(step, 0.999) < np.quantile(true_step, 0.999) + 5


def test_nothing_hidden_returns_the_photo(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head)
    result = _run(scene)
    np.testing.assert_array_equal(result, scene.photo)
    assert result is not scene.photo
    aside = scene_of(head, boxes=((0, 30, 0, 30),))
    np.testing.assert_array_equal(_run(aside), aside.photo)


def test_a_fully_hidden_face_is_the_rendered_model(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head, boxes=((0, 360, 0, 360),))
    result = _run(scene)
    assert (result[~_face(scene)] == (255, 0, 255)).all()
    middle = (slice(160, 200), slice(165, 195))
    assert np.abs(result[middle].astype(float) - scene.clean[middle]).mean() < 6
    assert np.isfinite(result).all()


def test_it_is_deterministic_and_does_not_change_its_input(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head, boxes=(BOX,))
    before = scene.photo.copy()
    np.testing.assert_array_equal(_run(scene), _run(scene))
    np.testing.assert_array_equal(scene.photo, before)


def test_eyes_behind_glasses_are_drawn(small_model: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(small_model, boxes=((110, 170, 90, 270),))
    result = _run(scene)
    triangle = rasterize(scene.points, small_model.triangles, scene.camera).triangle[0].numpy()
    eyes = small_model.regions["eyeballs"][small_model.triangles].all(1).numpy()
    seen = (triangle >= 0) & eyes[np.maximum(triangle, 0)] & (scene.mask > 0)
    seen = (
        torch.nn.functional.avg_pool2d(torch.from_numpy(seen.astype(np.float32))[None], 7, 1, 3)[0].numpy()
        > 0.99
    )
    assert seen.sum() > 30
    assert (result[seen, 1] > 40).all()  # neither black nor magenta


def test_grey_stays_grey(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head, grey=True)
    mask = np.zeros_like(scene.mask)
    mask[150:205, 130:230] = 1
    photo = scene.photo.copy()
    photo[mask > 0] = 20
    completed = complete_texture(head, photo, scene.parameters, scene.camera, mask, size=512, settings=EXACT)
    result = deocclude(photo, head, scene.parameters, scene.camera, mask, completed)
    assert np.ptp(result.astype(int), axis=2).max() <= 3


def test_wrong_inputs_are_named(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head, boxes=(BOX,))
    with pytest.raises(UsageError, match="occluder mask has the shape"):
        _run(scene, occluder=np.zeros((3, 3)))
