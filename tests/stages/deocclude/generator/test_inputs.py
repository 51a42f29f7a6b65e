"""What the generator is given of a face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.morphable import MorphableModel
from wholeface.perceive import FaceLandmarks, ParsingClass
from wholeface.photo import Patch, read_photo, warp
from wholeface.stages import FaceFit, FaceState, MaskEstimate, Spectacles
from wholeface.stages.deocclude.generator import (
    LABEL_GROUPS,
    MAPS,
    generator_input,
    near_occluder,
    network_input,
)

BOX = (170, 215, 60, 190)


def _face(model: MorphableModel, scene_of: Callable[..., Any], **changes: Any) -> tuple[FaceState, Any]:
    scene = scene_of(model, boxes=(BOX,))
    fit = FaceFit(model, scene.parameters, scene.camera)
    marks = model.landmarks_68.points(fit.posed.points, model.triangles)
    points = scene.camera.project(marks).numpy().astype(np.float64)
    face = np.zeros(scene.mask.shape, bool)
    face[60:300, 60:300] = True
    state = FaceState(read_photo(scene.photo), FaceLandmarks.from_points(points, "ibug68"), fit=fit)
    return state.with_(mask=MaskEstimate(scene.mask, face, **changes)), scene


def test_the_maps_lie_where_the_crop_says(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    face, scene = _face(head, scene_of)
    maps, where = generator_input(face, 96)
    np.testing.assert_array_equal(maps.image, warp(scene.photo, where.crop, (96, 96), fill="edge"))
    hidden = maps.occluder > 200
    assert (warp(scene.mask, where.crop, (96, 96))[hidden] > 0.7).all()
    assert hidden.sum() > 200
    # The base shows the face where the photo shows the occluder, and the photo elsewhere.
    clean = warp(scene.clean, where.crop, (96, 96), fill="edge").astype(float)
    inside = hidden & (maps.region == 1)
    assert np.abs(maps.base[inside] - clean[inside]).mean() < 12
    assert np.abs(maps.image[inside] - clean[inside]).mean() > 80
    far = (maps.occluder == 0) & (warp(scene.mask, where.crop, (96, 96)) == 0)
    assert (maps.base[far] == maps.image[far]).all(axis=1).mean() > 0.9


def test_the_rendering_covers_the_head_and_nothing_else(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    maps, _ = generator_input(_face(head, scene_of)[0], 96)
    assert (maps.rendering[maps.region == 0] == 0).all()
    assert (maps.rendering[maps.region == 1].max(axis=1) > 20).mean() > 0.95
    assert set(np.unique(maps.region)) <= {0, 1, 2, 3, 4}


def test_spectacles_have_maps_of_their_own(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    parts = [np.zeros((360, 360), np.float32) for _ in range(3)]
    for part, row in zip(parts, (100, 130, 160)):
        part[row : row + 25, 120:240] = 1
    maps, where = generator_input(
        _face(head, scene_of, spectacles=Spectacles(*(Patch(p, 0, 0) for p in parts), 360, 360, 1.0))[0], 96
    )
    for found, part in zip((maps.frame, maps.clear, maps.dark), parts):
        np.testing.assert_allclose(found / 255, warp(part, where.crop, (96, 96)), atol=0.003)


def test_the_network_reads_colours_maps_and_groups_of_labels(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    maps, _ = generator_input(_face(head, scene_of)[0], 96)
    stacked = network_input({name: values[None] for name, values in maps.maps().items()})
    assert stacked.shape == (1, 9 + MAPS + LABEL_GROUPS, 96, 96)
    assert stacked.dtype == np.float32
    np.testing.assert_allclose(stacked[0, 3:6].transpose(1, 2, 0) * 255, maps.base, atol=1e-3)
    np.testing.assert_allclose(stacked[0, 13] * 255, maps.occluder, atol=1e-3)
    assert (stacked[0, 9 + MAPS :].sum(axis=0) == 1).all()  # every class is in one group
    labels = np.arange(len(ParsingClass), dtype=np.uint8).reshape(1, 4, 5)
    every = {
        name: np.zeros((1, 4, 5, 3) if values.ndim == 3 else (1, 4, 5), np.uint8)
        for name, values in maps.maps().items()
    }
    groups = network_input({**every, "whole": labels})[0, 9 + MAPS :].reshape(LABEL_GROUPS, -1).argmax(axis=0)
    assert groups[ParsingClass.LEFT_EYE] == groups[ParsingClass.RIGHT_EYE] != groups[ParsingClass.LEFT_BROW]


def test_a_face_without_fit_or_mask_is_refused(face: Callable[..., FaceState]) -> None:
    with pytest.raises(UsageError, match="'fit' and 'mask'"):
        generator_input(face(), 96)


def test_only_the_neighbourhood_of_an_occluder_may_change(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    maps, _ = generator_input(_face(head, scene_of)[0], 96)
    near = near_occluder(maps)
    assert near.dtype == np.float32
    assert (near[maps.occluder > 200] == 1).all()
    rows, columns = np.nonzero(maps.occluder > 76)
    box = (slice(max(0, rows.min() - 7), rows.max() + 8), slice(max(0, columns.min() - 7), columns.max() + 8))
    away = np.ones_like(near, bool)
    away[box] = False
    assert away.any()
    assert (near[away] == 0).all()
