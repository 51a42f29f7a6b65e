from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.core.provenance import Provenance
from wholeface.morphable import MorphableModel, Parameters
from wholeface.render import Camera, ambient_light, vertex_normals
from wholeface.stages import FaceFit, ReliefMap
from wholeface.stages.relief.zipper import dense_mesh
from wholeface.stages.texture.uv.atlas import FACE, atlas_of, surface_of

SIZE = 64


@pytest.fixture
def fit(small_model: MorphableModel) -> FaceFit:
    parameters = Parameters(
        torch.tensor([0.3, -0.5, 0.2, 0.1, 0.4, -0.2]), torch.zeros(5), torch.zeros(4), ambient_light(),
        torch.zeros(3), torch.tensor([0.0, 0.0, -600.0]),
    )  # fmt: skip
    return FaceFit(small_model, parameters, Camera.of_photo(100, 100))


def _relief(model: MorphableModel, value: float) -> ReliefMap:
    provenance = np.zeros(SIZE * SIZE, np.uint8)
    provenance[atlas_of(model, SIZE).texel] = Provenance.OBSERVED
    provenance = provenance.reshape(SIZE, SIZE)
    displacement = np.where(provenance > 0, np.float32(value), np.float32(0))
    return ReliefMap(displacement, provenance, np.ones((SIZE, SIZE), np.float32))


def _closed(triangles: np.ndarray) -> bool:
    edges = np.sort(np.concatenate([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]), axis=1)
    return bool((np.unique(edges, axis=0, return_counts=True)[1] == 2).all())


def test_a_constant_relief_moves_every_vertex_along_its_normal(fit: FaceFit) -> None:
    model = fit.model
    flat, raised = dense_mesh(fit, _relief(model, 0.0)), dense_mesh(fit, _relief(model, 2.0))
    assert _closed(raised.triangles)
    moved = raised.vertices - flat.vertices
    normals = vertex_normals(fit.posed.shape, model.triangles).numpy()
    np.testing.assert_allclose(moved[: model.vertex_count], 2 * normals, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 2, atol=1e-4)
    np.testing.assert_allclose(flat.vertices[: model.vertex_count], fit.posed.shape.numpy(), atol=1e-5)


def test_relief_is_read_where_its_uv_says(fit: FaceFit) -> None:
    """A ramp over v, away from the charts' borders, arrives as it was."""
    model = fit.model
    relief = _relief(model, 0.0)
    ramp = np.repeat(1 - (np.arange(SIZE, dtype=np.float32)[:, None] + 0.5) / SIZE, SIZE, axis=1)
    mesh = dense_mesh(fit, replace(relief, displacement=np.where(relief.provenance > 0, ramp, 0)))
    moved = np.linalg.norm(mesh.vertices - dense_mesh(fit, relief).vertices, axis=1)
    assert mesh.uv is not None
    assert mesh.uv_triangles is not None
    face = surface_of(model).kind[mesh.parent] == FACE
    np.testing.assert_allclose(
        moved[mesh.triangles[face]], mesh.uv[mesh.uv_triangles[face]][..., 1], atol=2e-3
    )


def test_values_spread_over_the_triangles(fit: FaceFit) -> None:
    mesh = dense_mesh(fit, _relief(fit.model, 0.0), levels=1)
    heights = fit.model.mean[:, 1].double().numpy()
    spread = mesh.spread(heights, fit.model.triangles.numpy())
    np.testing.assert_allclose(spread[: len(heights)], heights, rtol=1e-6)
    assert spread.min() >= heights.min() - 1e-6


def test_without_uv_the_relief_has_a_value_a_vertex(fit: FaceFit) -> None:
    model = replace(fit.model, uv=None, uv_triangles=None)
    count = model.vertex_count
    relief = ReliefMap(np.full(count, 1.5, np.float32), np.ones(count, np.uint8), np.ones(count, np.float32))
    mesh = dense_mesh(fit.with_(model=model), relief)
    flat = dense_mesh(fit.with_(model=model), replace(relief, displacement=np.zeros(count, np.float32)))
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices - flat.vertices, axis=1), 1.5, atol=1e-4)
    assert mesh.uv is None
    with pytest.raises(UsageError, match="does not fit a model of 290 vertices"):
        dense_mesh(fit, replace(relief, displacement=np.zeros(3, np.float32)))
