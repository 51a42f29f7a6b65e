"""What a relief network is given of a face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.core.spherical_harmonics import sh_basis_array
from wholeface.core.srgb import decode_srgb
from wholeface.morphable import MorphableModel
from wholeface.perceive import FaceLandmarks
from wholeface.photo import read_photo, warp
from wholeface.stages import FaceFit, FaceState, MaskEstimate
from wholeface.stages.relief import RELIEF_CHANNELS, network_input, relief_input, shading_slopes

BOX = (170, 215, 60, 190)


def _face(model: MorphableModel, scene_of: Callable[..., Any]) -> tuple[FaceState, Any]:
    scene = scene_of(model, boxes=(BOX,))
    fit = FaceFit(model, scene.parameters, scene.camera)
    marks = model.landmarks_68.points(fit.posed.points, model.triangles)
    points = scene.camera.project(marks).numpy().astype(np.float64)
    state = FaceState(read_photo(scene.photo), FaceLandmarks.from_points(points, "ibug68"), fit=fit)
    return state.with_(mask=MaskEstimate(scene.mask, np.ones(scene.mask.shape, bool))), scene


def test_hidden_skin_is_not_visible_and_bare_skin_is(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    face, scene = _face(head, scene_of)
    maps, where = relief_input(face, 128)
    mask = warp(scene.mask, where.crop, (128, 128))
    assert (maps.visible[mask > 0.99] == 0).all()
    assert (maps.visible[~maps.face] == 0).all()
    assert (maps.visible[(mask == 0) & maps.face] == 255).mean() > 0.5


def test_normals_are_unit_and_face_the_camera_and_places_mirror(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    maps, _ = relief_input(_face(head, scene_of)[0], 128)
    normals = maps.normals[maps.face].astype(float) / 127
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=0.012)
    assert (normals[:, 2] > -0.05).mean() > 0.99
    across = maps.place[..., 0].astype(float)
    rows = np.flatnonzero(maps.face.sum(axis=1) > 60)
    for row in rows[:: len(rows) // 5]:  # the head's own left lies to the right of a frontal picture
        line = across[row][maps.face[row]]
        assert line[-1] - line[0] > 60


def test_the_log_ratio_compares_photo_and_foundation(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    face, _ = _face(head, scene_of)
    maps, _ = relief_input(face, 128)
    given = network_input({name: field[None] for name, field in maps.maps().items()})[0]
    assert given.shape == (RELIEF_CHANNELS, 128, 128)
    row, column = np.argwhere(maps.visible == 255)[200]
    photo, fitted = (decode_srgb(m[row, column] / 255) for m in (maps.image, maps.rendering))
    np.testing.assert_allclose(given[3:6, row, column], np.log((photo + 0.01) / (fitted + 0.01)), atol=1e-3)
    assert (given[3:6, ~maps.face] == 0).all()
    assert (given[12, maps.visible == 255] == 1).all()


def test_it_needs_a_fit(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    face, _ = _face(head, scene_of)
    with pytest.raises(UsageError, match="'fit' and 'mask'"):
        relief_input(face.with_(fit=None), 64)


def test_slopes_foretell_how_brightness_changes_with_tilt() -> None:
    """Against the brightness of tilted normals, by finite differences."""
    rng = np.random.default_rng(0)
    light = np.zeros((9, 3))
    light[:4] = rng.normal(0, 0.4, (4, 3)) + np.array([3.0, 0.5, 0.8, -0.6])[:, None]
    light[4:] = rng.normal(0, 0.05, (5, 3))
    towards = rng.normal(0, 0.4, (6, 6, 2))
    normals = np.concatenate([towards, np.ones((6, 6, 1))], axis=2)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    coded = np.round(normals * 127).astype(np.int8)
    slopes = shading_slopes(coded, light) / 40

    def brightness(n: np.ndarray) -> np.ndarray:
        n = n / np.linalg.norm(n, axis=2, keepdims=True)
        return np.log(sh_basis_array(n.reshape(-1, 3)) @ light.mean(axis=1)).reshape(6, 6)

    for axis, step in enumerate(((1e-3, 0, 0), (0, -1e-3, 0))):  # to the right; downwards
        change = brightness(normals + step) - brightness(normals)
        np.testing.assert_allclose(slopes[..., axis], change / 1e-3, atol=0.03)


def test_even_light_answers_to_nothing() -> None:
    light = np.zeros((9, 3))
    light[0] = 2.0
    normals = np.zeros((4, 4, 3), np.int8)
    normals[1:, :, 2] = 127
    assert (shading_slopes(normals, light) == 0).all()
