"""The texture without the shading of folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from wholeface.core.provenance import Provenance
from wholeface.core.spherical_harmonics import sh_basis_array
from wholeface.morphable import MorphableModel
from wholeface.render import directional_light
from wholeface.stages import FaceFit, ReliefMap
from wholeface.stages.posed import PosedFace
from wholeface.stages.relief.albedo import fold_shading, without_fold_shading
from wholeface.stages.texture import CompletedTexture
from wholeface.stages.texture.uv.atlas import FACE, atlas_of, surface_of

SIZE = 256


def _relief(model: MorphableModel) -> tuple[ReliefMap, np.ndarray]:
    """Waves across the face, and the places of the atlas's texels on the mean head (S, S, 3), NaN outside."""
    atlas, surface = atlas_of(model, SIZE), surface_of(model)
    points = np.einsum("tk,tkc->tc", atlas.barycentric, model.mean.numpy()[surface.triangles[atlas.triangle]])
    on_face = surface.kind[atlas.triangle] == FACE
    heights = np.zeros(SIZE * SIZE, np.float32)
    wave = 0.5 * np.sin(points[:, 0] / 4) * np.sin(points[:, 1] / 5 + 1)
    heights[atlas.texel[on_face]] = wave[on_face]
    where = np.full((SIZE * SIZE, 3), np.nan)
    where[atlas.texel[on_face]] = points[on_face]
    shape = (SIZE, SIZE)
    relief = ReliefMap(
        heights.reshape(shape), np.full(shape, Provenance.OBSERVED, np.uint8), np.ones(shape, np.float32)
    )
    return relief, where.reshape(SIZE, SIZE, 3)


@pytest.fixture
def fit(head: MorphableModel, scene_of: Callable[..., Any]) -> FaceFit:
    scene = scene_of(head)
    return FaceFit(head, scene.parameters, scene.camera)


def _texture(provenance: Provenance) -> CompletedTexture:
    shape = (SIZE, SIZE)
    return CompletedTexture(
        np.full((*shape, 3), 150, np.uint8), np.full(shape, provenance, np.uint8), np.ones(shape, np.float32),
        directional_light((0.7, 0.5, 1.0), 1.0).numpy(), np.full(3, 0.05, np.float32),
        np.zeros((1, 3), np.float32), np.ones(3, np.float32), False, 1.0,
    )  # fmt: skip


def test_the_shading_is_that_of_the_displaced_surface(head: MorphableModel, fit: FaceFit) -> None:
    relief, _ = _relief(head)
    texture = _texture(Provenance.OBSERVED)
    ratio = fold_shading(head, fit.posed, texture, relief)
    # The same by brute force: the surface point of each texel, moved, and the normals of what comes of it.
    atlas, surface = atlas_of(head, SIZE), surface_of(head)
    posed: PosedFace = fit.posed

    def spread(values: np.ndarray) -> np.ndarray:
        mixed = np.einsum("tk,tkc->tc", atlas.barycentric, values[surface.triangles[atlas.triangle]])
        out = np.full((SIZE * SIZE, 3), np.nan)
        out[atlas.texel] = mixed
        return out.reshape(SIZE, SIZE, 3)

    points, normals = spread(posed.points.numpy()), spread(posed.normals.numpy())
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)

    def turned(height: np.ndarray) -> np.ndarray:
        moved = points + height[..., None] * normals
        found = np.cross(np.gradient(moved, axis=1), np.gradient(moved, axis=0))
        found /= np.linalg.norm(found, axis=2, keepdims=True)
        return np.where((found * normals).sum(axis=2, keepdims=True) < 0, -found, found)

    def shading(n: np.ndarray) -> np.ndarray:
        return np.maximum(sh_basis_array(n.reshape(-1, 3)) @ texture.light, 0.05).reshape(SIZE, SIZE, 3)

    flat = np.zeros((SIZE, SIZE), np.float32)
    expected = np.log(shading(turned(relief.displacement)) / shading(turned(flat)))
    clear = (
        np.isfinite(expected[..., 0]) & (np.abs(expected[..., 0]) < 0.4) & (shading(normals)[..., 0] > 0.3)
    )
    inner = clear & (np.abs(relief.displacement) > 1e-6)
    assert inner.sum() > 3000
    found = np.log(ratio)[inner]
    assert np.corrcoef(found[:, 1], expected[inner][:, 1])[0, 1] > 0.93
    assert found[:, 1].std() == pytest.approx(expected[inner][:, 1].std(), rel=0.15)


def test_observed_texels_become_even_and_others_stay(head: MorphableModel, fit: FaceFit) -> None:
    relief, _ = _relief(head)
    even = _texture(Provenance.OBSERVED)
    ratio = fold_shading(head, fit.posed, even, relief)
    lit = np.clip(150 * ratio ** (1 / 2.2), 0, 255).round().astype(np.uint8)  # the folds' shading painted on
    photo = replace(even, texture=lit)
    cleaned = without_fold_shading(head, fit.posed, photo, relief)
    changed = np.abs(ratio[..., 1] - 1) > 0.1
    before, after = (np.abs(t.astype(float) - 150)[changed].mean() for t in (lit, cleaned.texture))
    assert before > 5
    assert after < 0.25 * before
    made_up = replace(photo, provenance=np.full_like(photo.provenance, Provenance.GENERATED))
    np.testing.assert_array_equal(without_fold_shading(head, fit.posed, made_up, relief).texture, lit)
    assert without_fold_shading(head, fit.posed, photo, relief, 0.0) is photo


def test_mirrored_texels_lose_what_they_were_taken_with(head: MorphableModel, fit: FaceFit) -> None:
    relief, where = _relief(head)
    right = np.nan_to_num(where[..., 0], nan=1.0) < 0
    half = replace(relief, displacement=np.where(right, relief.displacement, 0).astype(np.float32))
    photo = replace(
        _texture(Provenance.OBSERVED),
        provenance=np.where(right, Provenance.OBSERVED, Provenance.MIRRORED).astype(np.uint8),
    )
    cleaned = without_fold_shading(head, fit.posed, photo, half).texture
    left = ~right & np.isfinite(where[..., 0])
    assert (cleaned[left] != 150).any(axis=1).mean() > 0.3
