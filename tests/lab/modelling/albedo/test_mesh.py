"""Atlas, nearest points, extension over the mesh and finer maps."""

from __future__ import annotations

import numpy as np
import torch

from wholeface.lab.modelling.albedo.atlas import build_atlas, pad_texture, texture_at_vertices
from wholeface.lab.modelling.albedo.extend import cotangent_laplacian, extend_field
from wholeface.lab.modelling.albedo.skins.avatars import refined_map
from wholeface.lab.modelling.albedo.skins.closest import nearest_on_mesh
from wholeface.morphable import MorphableModel


def _grid(n: int = 12) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[0:n, 0:n]
    vertices = np.stack((x, y, 0 * x), axis=-1).reshape(-1, 3).astype(float)
    a = (y[:-1, :-1] * n + x[:-1, :-1]).ravel()
    triangles = np.concatenate((np.stack((a, a + 1, a + n), 1), np.stack((a + 1, a + n + 1, a + n), 1)))
    return vertices, triangles


def _model(n: int = 12) -> MorphableModel:
    vertices, triangles = _grid(n)
    uv = vertices[:, :2] / (n - 1) * 0.8 + 0.1
    t = torch.from_numpy
    return MorphableModel(
        "grid", "0", t(vertices * 10).float(), torch.zeros(1, n * n, 3), torch.zeros(1, n * n, 3), ("e",),
        t(triangles), t(uv).float(), t(triangles), None, {"skin": torch.ones(n * n, dtype=torch.bool)},
    )  # fmt: skip


def test_atlas_interpolates_linear_fields_exactly_and_knows_its_area() -> None:
    model = _model()
    atlas = build_atlas(model, 64)
    row, column = np.nonzero(atlas.covered)
    u, v = (column + 0.5) / 64, 1 - (row + 0.5) / 64
    position = atlas.texels(model.mean.double().numpy())[atlas.covered]
    np.testing.assert_allclose(position[:, 0], (u - 0.1) / 0.8 * 110, atol=5e-3)
    np.testing.assert_allclose(position[:, 1], (v - 0.1) / 0.8 * 110, atol=5e-3)
    assert np.isclose(atlas.area.sum(), 110**2, rtol=0.04)
    assert atlas.regions["skin"].sum() == atlas.covered.sum()


def test_texture_at_vertices_inverts_the_atlas() -> None:
    model = _model()
    atlas = build_atlas(model, 128)
    field = model.mean.double().numpy()[:, :2]
    back = texture_at_vertices(model, pad_texture(atlas.texels(field), atlas.covered))
    np.testing.assert_allclose(back, field, atol=1.0)


def test_nearest_points_lie_on_the_mesh_and_are_nearest() -> None:
    rng = np.random.default_rng(0)
    vertices, triangles = _grid()
    points = np.concatenate((rng.uniform(0, 11, (50, 2)), rng.normal(size=(50, 1))), axis=1)
    index, weights, distance = nearest_on_mesh(points, vertices, triangles)
    found = np.einsum("pk,pkc->pc", weights, vertices[triangles[index]])
    np.testing.assert_allclose(found[:, :2], points[:, :2], atol=1e-9)
    np.testing.assert_allclose(distance, np.abs(points[:, 2]), atol=1e-9)
    beyond, _, far = nearest_on_mesh(np.array([[-3.0, 5.0, 4.0]]), vertices, triangles)
    assert far[0] == 5
    assert beyond.shape == (1,)


def test_laplacian_annihilates_constants_and_extension_obeys_the_maximum_principle() -> None:
    vertices, triangles = _grid()
    laplacian, area = cotangent_laplacian(vertices, triangles)
    np.testing.assert_allclose(laplacian @ np.ones(144), 0, atol=1e-9)
    assert np.isclose(area.sum(), 121)
    confidence = (vertices[:, 0] < 3).astype(float)
    values = np.where(confidence[:, None] > 0, 5.0, 1e9)
    out = extend_field(values, confidence, np.array([1.0]), vertices, triangles, length=2.0)[:, 0]
    assert out.min() >= 1 - 1e-6
    assert out.max() <= 5 + 1e-6
    columns = out.reshape(12, 12).mean(0)
    assert (np.diff(columns) < 1e-9).all()
    assert columns[0] > 4.5
    assert columns[-1] < 1.2


def test_refined_map_is_linear_inside_islands_and_never_mixes_them() -> None:
    zone = np.ones((16, 16), dtype=bool)
    row, column = np.mgrid[0:16, 0:16]
    where = np.stack((column / 2000.0, row / 2000.0), axis=-1)
    where[:, 8:] += 0.5  # another island
    fine = refined_map(where[zone], zone, np.ones((32, 32), dtype=bool)).reshape(32, 32, 2)
    island = fine[..., 0] > 0.25
    assert island[:, 16:].all()
    assert not island[:, :16].any()
    position = (np.arange(32) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(fine[2:-2, 4, 1], position[2:-2] / 2000, atol=1e-9)
