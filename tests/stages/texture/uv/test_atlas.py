from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.morphable import MorphableModel
from wholeface.stages.texture.uv.atlas import EYEBALL, FACE, HIDDEN, OUTER, atlas_of, surface_of


def _positions(model: MorphableModel, triangle: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
    corners = model.triangles.numpy()[triangle]
    return np.einsum("tj,tjc->tc", barycentric, model.mean.numpy()[corners])


def test_texels_lie_where_their_uv_says(head: MorphableModel) -> None:
    atlas = atlas_of(head, 128)
    corners = head.uv_triangles.numpy()[atlas.triangle]
    uv = np.einsum("tj,tjc->tc", atlas.barycentric, head.uv.numpy()[corners])
    row, column = np.divmod(atlas.texel, 128)
    # The rasteriser snaps corners to 1/256 texel.
    np.testing.assert_allclose(uv * 128, np.stack([column + 0.5, 128 - row - 0.5], 1), atol=0.02)
    np.testing.assert_allclose(atlas.barycentric.sum(1), 1, atol=1e-5)


def test_the_mirrored_point_of_each_texel_is_its_reflection(head: MorphableModel) -> None:
    atlas = atlas_of(head, 128)
    assert (atlas.mirror_triangle >= 0).all()
    own = _positions(head, atlas.triangle, atlas.barycentric)
    image = _positions(head, atlas.mirror_triangle, atlas.mirror_barycentric)
    # The egg's diagonals are not mirrored, so the two triangulations of a quad differ by its bend.
    np.testing.assert_allclose(image * [-1, 1, 1], own, atol=0.8)


def test_symmetric_triangles_mirror_exactly(head: MorphableModel) -> None:
    half = head.triangles[(head.mean[head.triangles][..., 0] >= 0).all(1)]
    uv_half = head.uv_triangles[(head.mean[head.triangles][..., 0] >= 0).all(1)]
    image = head.mirror[half][:, [0, 2, 1]]
    model = replace(
        head,
        triangles=torch.cat([half, image]),
        uv_triangles=torch.cat([uv_half, uv_half]),
        landmarks_68=None,
    )
    surface = surface_of(model)
    assert (surface.mirror_triangle == np.roll(np.arange(2 * len(half)), len(half))).all()
    atlas = atlas_of(model, 64)
    own = _positions(model, atlas.triangle, atlas.barycentric)
    image_points = _positions(model, atlas.mirror_triangle, atlas.mirror_barycentric)
    np.testing.assert_allclose(image_points * [-1, 1, 1], own, atol=1e-3)


def test_a_model_without_mirror_index_finds_its_own(head: MorphableModel) -> None:
    model = replace(head, mirror=None, triangles=head.triangles.clone())
    np.testing.assert_array_equal(surface_of(model).mirror, head.mirror.numpy())


def test_a_lopsided_model_has_no_mirror(head: MorphableModel) -> None:
    bent = head.mean.clone()
    bent[head.mean[:, 0] > 5] *= 1.6
    model = replace(head, mean=bent, mirror=None, triangles=head.triangles.clone())
    surface = surface_of(model)
    assert surface.mirror is None
    assert (surface.mirror_triangle == -1).all()


def test_kinds_follow_the_regions(small_model: MorphableModel) -> None:
    kind = surface_of(small_model).kind
    triangles = small_model.triangles
    eyes = small_model.regions["eyeballs"][triangles].all(1).numpy()
    face = small_model.regions["face"][triangles].all(1).numpy()
    scalp = small_model.regions["scalp"][triangles].all(1).numpy()
    assert eyes.any()
    assert face.any()
    assert (kind[eyes] == EYEBALL).all()
    assert (kind[face & ~eyes] == FACE).all()
    assert (kind[scalp & ~face] == HIDDEN).all()
    assert (kind == OUTER).any()


def test_the_rim_distance_grows_from_the_rim_to_the_middle(head: MorphableModel) -> None:
    rim = surface_of(head).rim
    face = head.regions["face"].numpy()
    assert (rim[~face] == 0).all()
    assert rim[face].min() == 0
    middle = int(torch.cdist(head.mean, torch.tensor([[0.0, 0.0, 100.0]])).argmin())
    assert rim[middle] > 0.8 * rim.max() > 30


def test_nearest_fills_every_texel_from_a_chart(small_model: MorphableModel) -> None:
    atlas = atlas_of(small_model, 64)
    assert atlas.nearest.shape == (64, 64)
    np.testing.assert_array_equal(atlas.nearest.ravel()[atlas.texel], np.arange(len(atlas.texel)))
    assert atlas.nearest.min() >= 0


def test_atlases_are_computed_once(head: MorphableModel) -> None:
    assert atlas_of(head, 64) is atlas_of(head, 64)
    assert atlas_of(head, 64) is not atlas_of(head, 32)


def test_many_models_do_not_confuse_the_cache(egg: Callable[[int, int], MorphableModel]) -> None:
    for rings in (4, 6, 8, 10, 12, 14):
        model = egg(rings, 12)
        assert len(surface_of(model).triangles) == len(model.triangles)
        assert atlas_of(model, 32).triangle.max() < len(model.triangles)


def test_a_model_with_a_replaced_mean_has_a_surface_of_its_own(head: MorphableModel) -> None:
    """Same triangles, same UV, another mean: the tables of the first model are millimetres off."""
    before = surface_of(head)
    wider = replace(head, mean=head.mean * torch.tensor([1.4, 1.0, 1.0]))
    np.testing.assert_allclose(surface_of(wider).side, wider.mean[:, 0].numpy(), rtol=1e-6)
    assert np.abs(surface_of(wider).side - before.side).max() > 20  # mm
    assert surface_of(head) is before
    mirrorless = replace(head, mirror=None)
    assert atlas_of(mirrorless, 64) is not atlas_of(head, 64)


def test_tables_are_made_once_for_all_threads(head: MorphableModel) -> None:
    model = replace(head)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: atlas_of(model, 64), range(16)))
    assert all(atlas is made[0] for atlas in made)


def test_texels_of_a_model_without_uv_are_its_vertices(head: MorphableModel) -> None:
    bare = replace(head, uv=None, uv_triangles=None)
    atlas, triangles = atlas_of(bare, 64), head.triangles.numpy()
    assert atlas.size == 0
    np.testing.assert_array_equal(atlas.texel, np.arange(head.vertex_count))
    at = np.einsum("tj,tjc->tc", atlas.barycentric, head.mean.numpy()[triangles[atlas.triangle]])
    np.testing.assert_allclose(at, head.mean.numpy(), atol=1e-4)
    twin = np.einsum(
        "tj,tjc->tc", atlas.mirror_barycentric, head.mean.numpy()[triangles[atlas.mirror_triangle]]
    )
    np.testing.assert_allclose(twin, head.mean.numpy() * [-1, 1, 1], atol=1e-3)


def test_errors_name_the_model(head: MorphableModel) -> None:
    with pytest.raises(UsageError, match=r"no UV coordinate .* lies inside"):
        atlas_of(replace(head, uv=head.uv + 3), 64)
