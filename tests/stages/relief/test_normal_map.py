from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.morphable import MorphableModel
from wholeface.render import vertex_normals
from wholeface.stages.relief.normal_map import frames_of, normal_map, split_of
from wholeface.stages.texture.uv.atlas import atlas_of

_SIZE = 512
Array = np.ndarray


@pytest.fixture(scope="module")
def model(egg: Callable[[int, int], MorphableModel]) -> MorphableModel:
    return egg(30, 60)


def _surface(model: MorphableModel, size: int) -> tuple[Array, Array, Array]:
    """Points and unit normals of each texel of the atlas, (S, S, 3), NaN outside the charts; and which are inside."""
    atlas, triangles = atlas_of(model, size), model.triangles.numpy()
    vertices, normals = _shape(model)
    maps = []
    for values in (vertices, normals):
        spread = (values.astype(np.float64)[triangles[atlas.triangle]] * atlas.barycentric[..., None]).sum(
            axis=1
        )
        image = np.full((size * size, 3), np.nan)
        image[atlas.texel] = spread
        maps.append(image.reshape(size, size, 3))
    points, normal = maps
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    return points, normal, np.isfinite(points[..., 0])


def _shape(model: MorphableModel) -> tuple[Array, Array]:
    mean = model.mean.float()
    return mean.numpy(), vertex_normals(mean, model.triangles).numpy()


def _shown(model: MorphableModel, colours: Array) -> Array:
    """(S, S, 3) normals as a renderer makes them of a normal map: glTF 2.0, 3.9.3, and the appendix on tangents."""
    atlas, split = atlas_of(model, len(colours)), split_of(model)
    vertices, normals = _shape(model)
    tangents = frames_of(model, vertices, normals).tangents
    corners, share = split.triangles[atlas.triangle], atlas.barycentric[..., None]
    n = (normals[split.vertex][corners] * share).sum(axis=1)
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    t = (tangents[corners] * share).sum(axis=1)
    b = np.cross(n, t[:, :3]) * t[:, 3:]
    told = colours.reshape(-1, 3)[atlas.texel] / 255.0 * 2 - 1
    image = np.full((colours.shape[0] * colours.shape[1], 3), np.nan)
    shown = told[:, :1] * t[:, :3] + told[:, 1:2] * b + told[:, 2:] * n
    image[atlas.texel] = shown / np.linalg.norm(shown, axis=1, keepdims=True)
    return image.reshape(colours.shape)


def _folds(points: Array) -> Array:
    """Grooves along and across the egg, and oblique ones, on both of its halves; mm."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    front = 1 / (1 + np.exp(-(z - 30) / 5))
    return (front * (0.5 * np.sin(x / 3) + 0.6 * np.sin(y / 4) + 0.4 * np.sin((x + y) / 5))).astype(
        np.float32
    )


def _displaced(points: Array, normal: Array, folds: Array) -> Array:
    """(S, S, 3) unit normals of the displaced surface, of differences between the texels' places in space."""
    moved = points + folds[..., None] * normal
    right, up = np.full_like(moved, np.nan), np.full_like(moved, np.nan)
    right[:, 1:-1] = moved[:, 2:] - moved[:, :-2]
    up[1:-1] = moved[:-2] - moved[2:]
    across = np.cross(right, up)
    across *= np.sign((across * normal).sum(axis=2, keepdims=True))
    return across / np.linalg.norm(across, axis=2, keepdims=True)


def _degrees(a: Array, b: Array) -> Array:
    return np.degrees(np.arccos(np.clip((a * b).sum(axis=-1), -1, 1)))


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_normals_shown_are_those_of_the_displaced_surface(model: MorphableModel, mirrored: bool) -> None:
    if mirrored:
        assert model.uv is not None
        model = replace(model, uv=model.uv * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0]))
    points, normal, inside = _surface(model, _SIZE)
    folds = np.where(inside, _folds(points), 0).astype(np.float32)
    frames = frames_of(model, *_shape(model))
    assert (frames.tangents[:, 3] == (-1 if mirrored else 1)).all()
    colours = normal_map(model, folds, frames)
    assert colours is not None
    flat = _displaced(points, normal, 0 * folds)
    true = _displaced(points, normal, folds)
    shown = _shown(model, colours)
    # The facets of the egg itself are not the relief's: what counts is how the relief turns the normals.
    turned = np.isfinite(true).all(axis=2) & (points[..., 2] > 40)
    bent = (true - flat)[turned]
    seen = (shown - normal)[turned]
    assert turned.mean() > 0.1
    assert _degrees(true, flat)[turned].mean() > 7  # else nothing was tested
    assert np.linalg.norm(bent - seen, axis=1).mean() < 0.12 * np.linalg.norm(bent, axis=1).mean()
    for axis in range(3):  # x is across the face, y along it
        for half in (points[turned][:, 0] < 0, points[turned][:, 0] > 0):
            assert np.corrcoef(bent[half, axis], seen[half, axis])[0, 1] > 0.97
    assert _degrees(shown, normal)[~turned & inside & (points[..., 2] < -20)].max() < 0.4


def test_only_relief_is_coloured_and_charts_have_a_margin(small_model: MorphableModel) -> None:
    """One texel of 6 mm: its neighbours slope towards it, and nothing else is anything but flat."""
    frames = frames_of(small_model, *_shape(small_model))
    relief = np.zeros((64, 64), np.float32)
    relief[30, 33] = 6.0
    colours = normal_map(small_model, relief, frames)
    assert colours is not None
    rows, columns = np.nonzero((colours != [128, 128, 255]).any(axis=2))
    assert set(zip(rows.tolist(), columns.tolist())) == {
        *((30 + step, 33) for step in (-2, -1, 1, 2)),
        *((30, 33 + step) for step in (-2, -1, 1, 2)),
    }
    # To the left of the height the surface looks to the left (red < 128), below it downwards (green < 128).
    assert colours[30, 32, 0] < 100 < 128 < 150 < colours[30, 34, 0]
    assert colours[31, 33, 1] < 100 < 128 < 150 < colours[29, 33, 1]
    edge = np.zeros((64, 64), np.float32)
    edge[:, 0] = 1.0  # the chart's first column
    beside = normal_map(small_model, edge, frames)
    assert beside is not None
    inside = np.zeros(64 * 64, bool)
    inside[atlas_of(small_model, 64).texel] = True
    inside = inside.reshape(64, 64)
    outside = np.argwhere(~inside[:, 0])
    assert len(outside) > 0
    assert (beside[outside[:, 0], 0] != [128, 128, 255]).any()  # the margin repeats the rim


def test_narrow_folds_keep_their_slope(small_model: MorphableModel) -> None:
    """Waves six texels long across the front: the steepest normals lean as the wave does, within 5 %."""
    size, height = 256, 0.5
    column = np.tile(np.arange(size), (size, 1))
    waves = (height * np.cos(2 * np.pi * column / 6)).astype(np.float32)
    frames = frames_of(small_model, *_shape(small_model))
    colours = normal_map(small_model, waves, frames)
    assert colours is not None
    told = colours[size // 2, 100:156].astype(float) - 127.5
    points, _, _ = _surface(small_model, size)
    per_texel = np.linalg.norm(np.diff(points[size // 2, 100:157], axis=0), axis=1)
    slope = np.abs(height * 2 * np.pi / 6 * np.sin(2 * np.pi * column[size // 2, 100:156] / 6)) / per_texel
    steep = slope > 0.5 * slope.max()
    ratio = np.abs(told[:, 0] / told[:, 2])[steep] / slope[steep]
    assert 0.93 < ratio.mean() < 1.02


def test_no_relief_no_map_and_no_uv_no_frames(small_model: MorphableModel) -> None:
    frames = frames_of(small_model, *_shape(small_model))
    assert normal_map(small_model, np.zeros((16, 16), np.float32), frames) is None
    bare = replace(small_model, uv=None, uv_triangles=None)
    with pytest.raises(UsageError, match="no UV"):
        split_of(bare)
