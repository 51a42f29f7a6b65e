"""What is the person's, and what is not: the tone of unseen skin, hair at the rim, the colour of the eyes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.morphable import MorphableModel, Parameters, linear_to_srgb, load_model
from wholeface.render import Camera, ambient_light, rasterize, render_parameters, to_camera
from wholeface.stages.texture import OBSERVED, CompleteSettings, complete_texture
from wholeface.stages.texture.uv.atlas import EYEBALL, FACE, HIDDEN, atlas_of, surface_of
from wholeface.stages.texture.uv.membrane import mesh_membrane

SIZE = 256
HAIR = (44, 32, 26)


def _complete(scene: Any, model: MorphableModel, photo: np.ndarray) -> Any:
    settings = CompleteSettings(refine_light=False, grain=0.0)
    return complete_texture(
        model, photo, scene.parameters, scene.camera, scene.mask, size=SIZE, settings=settings
    )


def _of_texels(model: MorphableModel, values: np.ndarray) -> np.ndarray:
    atlas, triangles = atlas_of(model, SIZE), model.triangles.numpy()
    return np.asarray(np.einsum("tj,tj->t", atlas.barycentric, values[triangles[atlas.triangle]]))


def test_the_scalp_takes_the_tone_of_the_seen_forehead(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    """The fitted model believes in a scalp that is darker and redder than the face; the photo shows none."""
    scene = scene_of(head)
    surface = surface_of(head)
    assert head.albedo is not None
    face = np.zeros(head.vertex_count, bool)
    face[surface.triangles[surface.kind == FACE]] = True
    mean = head.albedo.mean.clone()
    mean[torch.from_numpy(~face)] *= torch.tensor([0.8, 0.6, 0.55])
    model = replace(head, albedo=replace(head.albedo, mean=mean, mean_texture=None, basis_texture=None))
    result = _complete(scene, model, scene.photo)
    atlas = atlas_of(model, SIZE)
    colours = result.texture.reshape(-1, 3)[atlas.texel].astype(float)
    height = _of_texels(model, model.mean[:, 1].numpy())
    seen = result.provenance.ravel()[atlas.texel] == OBSERVED
    scalp = (surface_of(model).kind[atlas.triangle] == HIDDEN) & (height > np.quantile(height, 0.8))
    forehead = seen & (height > np.quantile(height[seen], 0.8))
    assert scalp.sum() > 100
    assert forehead.sum() > 100
    step = np.median(colours[scalp], axis=0) - np.median(colours[forehead], axis=0)
    assert np.abs(step).max() < 10  # without the anchor: about 50


def test_hair_at_the_rim_is_not_skin_and_brows_and_beards_are(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head)
    surface, atlas = surface_of(head), atlas_of(head, SIZE)
    heights = head.mean[:, 1].numpy()
    fragments = rasterize(scene.points, head.triangles, scene.camera)
    triangle = fragments.triangle[0].numpy()
    corners = head.triangles.numpy()[np.maximum(triangle, 0)]
    rim, height = (values[corners].mean(axis=2) for values in (surface.rim, heights))
    middle = float(np.median(heights))
    hair = (triangle >= 0) & (rim < 14) & (height > middle)
    # A beard is dark skin: same colour, less light.
    low = (triangle >= 0) & (rim > 25) & (height < middle - 15)
    photo = scene.photo.copy()
    photo[hair] = HAIR
    photo[low] = (0.75 * photo[low]).astype(np.uint8)
    result = _complete(scene, head, photo)
    codes = result.provenance.ravel()[atlas.texel]
    colours = result.texture.reshape(-1, 3)[atlas.texel].astype(float)
    texel_rim, texel_height = _of_texels(head, surface.rim), _of_texels(head, heights)
    own = surface.kind[atlas.triangle] == FACE
    behind = own & (texel_rim < 12) & (texel_height > middle)
    assert behind.sum() > 100
    assert not (codes[behind] == OBSERVED).any()
    plain = _complete(scene, head, scene.photo).texture.reshape(-1, 3)[atlas.texel].astype(float)
    assert np.median(np.abs(colours - plain)[behind].max(axis=1)) < 12
    beard = own & (texel_rim > 30) & (texel_height < middle - 20)
    was_seen = _complete(scene, head, scene.photo).provenance.ravel()[atlas.texel] == OBSERVED
    assert (codes[beard & was_seen] == OBSERVED).mean() > 0.95


@pytest.fixture(scope="module")
def portrait() -> tuple[MorphableModel, Parameters, Camera, np.ndarray, np.ndarray]:
    """The shipped mean face, and where its irises are in the photo."""
    model = load_model()
    assert model.albedo is not None
    parameters = Parameters(
        identity=torch.zeros(len(model.identity)),
        expression=torch.zeros(len(model.expression)),
        albedo=torch.zeros(len(model.albedo.basis)),
        light=ambient_light(),
        rotation=torch.zeros(3),
        translation=torch.tensor([0.0, 0.0, -900.0]),
    )
    camera = Camera.of_photo(480, 480, 1800.0)
    image = render_parameters(model, parameters, camera).image[0].permute(1, 2, 0)
    photo = (255 * linear_to_srgb(image.clamp(0, 1))).round().to(torch.uint8).numpy()
    points = to_camera(model.mean, parameters.rotation, parameters.translation)
    fragments = rasterize(points, model.triangles, camera)
    kind = surface_of(model).kind[np.maximum(fragments.triangle[0].numpy(), 0)]
    assert model.landmarks_478 is not None
    pixels = camera.project(model.landmarks_478.points(points, model.triangles)).numpy()
    y, x = np.mgrid[:480, :480]
    iris = np.zeros((480, 480), bool)
    for centre in (468, 473):
        radius = np.linalg.norm(pixels[centre + 1 : centre + 5] - pixels[centre], axis=1).mean()
        iris |= np.hypot(x - pixels[centre, 0], y - pixels[centre, 1]) < radius
    photo[kind == EYEBALL] = (225, 220, 215)
    photo[iris & (kind == EYEBALL)] = (70, 95, 140)
    return model, parameters, camera, photo, pixels


def _iris_colour(portrait: Any, hidden: bool) -> np.ndarray:
    model, parameters, camera, photo, pixels = portrait
    mask = np.zeros(photo.shape[:2], np.float32)
    if hidden:
        low, high = pixels[468:478].min(axis=0).astype(int) - 30, pixels[468:478].max(axis=0).astype(int) + 30
        mask[low[1] : high[1], low[0] : high[0]] = 1
    result = complete_texture(model, photo, parameters, camera, mask, size=512)
    atlas = atlas_of(model, 512)
    rest = model.landmarks_478.points(model.mean, model.triangles).numpy()
    corners = model.triangles.numpy()[atlas.triangle]
    points = np.einsum("tj,tjc->tc", atlas.barycentric, model.mean.numpy()[corners])
    radius = np.linalg.norm(rest[469:473] - rest[468], axis=1).mean()
    ring = np.linalg.norm(points - rest[468], axis=1) / radius
    ring = (ring > 0.5) & (ring < 0.85) & (surface_of(model).kind[atlas.triangle] == EYEBALL)
    assert ring.sum() > 20
    assert (result.provenance.ravel()[atlas.texel][ring] != OBSERVED).all()
    return np.asarray(np.median(result.texture.reshape(-1, 3)[atlas.texel][ring].astype(float), axis=0))


def test_irises_take_the_photo_s_colour_where_they_are_seen(portrait: Any) -> None:
    seen, hidden = _iris_colour(portrait, False), _iris_colour(portrait, True)
    assert hidden[2] < hidden[0]  # the model's are brown
    assert seen[2] > seen[0] + 10  # the photo's are blue


def _white_level(portrait: Any, level: int | None) -> float:
    """Median linear brightness of the front of the whites; the photo's have that sRGB level, or are hidden."""
    model, parameters, camera, photo, pixels = portrait
    points = to_camera(model.mean, parameters.rotation, parameters.translation)
    triangle = rasterize(points, model.triangles, camera).triangle[0].numpy()
    white = (surface_of(model).kind[np.maximum(triangle, 0)] == EYEBALL) & (photo[..., 0] > 200)
    photo, mask = photo.copy(), np.zeros(photo.shape[:2], np.float32)
    if level is None:
        low, high = pixels[468:478].min(axis=0).astype(int) - 30, pixels[468:478].max(axis=0).astype(int) + 30
        mask[low[1] : high[1], low[0] : high[0]] = 1
    else:
        photo[white] = level
    result = complete_texture(model, photo, parameters, camera, mask, size=512)
    atlas = atlas_of(model, 512)
    corners = model.triangles.numpy()[atlas.triangle]
    rest = np.einsum("tj,tjc->tc", atlas.barycentric, model.mean.numpy()[corners])
    iris = model.landmarks_478.points(model.mean, model.triangles).numpy()[[468, 473]]
    away = np.linalg.norm(rest[:, None] - iris, axis=2).min(axis=1)
    front = (surface_of(model).kind[atlas.triangle] == EYEBALL) & (away > 7.5) & (away < 9.5)
    assert front.sum() > 20
    return float(np.median((result.texture.reshape(-1, 3)[atlas.texel][front] / 255.0) ** 2.2))


def test_whites_are_as_dark_as_the_photo_shows_them(portrait: Any) -> None:
    light, shaded = _white_level(portrait, 180), _white_level(portrait, 140)
    assert shaded / light == pytest.approx((140 / 180) ** 2.2, rel=0.15)


def test_unseen_whites_do_not_stare(portrait: Any) -> None:
    assert _white_level(portrait, None) < 0.75 * _white_level(portrait, 225)


def test_a_membrane_with_two_parts_leaves_the_part_without_data_at_zero() -> None:
    rows, columns = np.array([0, 1, 2, 3, 4], np.int32), np.array([1, 0, 3, 2], np.int32)
    found = mesh_membrane(rows, columns, np.array([1.0, 0, 0, 0]), np.full((4, 1), 2.0), stiffness=3.0)
    np.testing.assert_allclose(found[:, 0], (2, 2, 0, 0), atol=1e-6)
