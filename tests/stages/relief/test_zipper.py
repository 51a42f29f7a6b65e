from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.core.nearest import Surface
from wholeface.core.provenance import Provenance
from wholeface.morphable import MorphableModel, Parameters
from wholeface.render import Camera, ambient_light, vertex_normals
from wholeface.stages import FaceFit, FaceState, ReliefMap
from wholeface.stages.relief.dense.subdivision import curved_points
from wholeface.stages.relief.zipper import dense_mesh, zippered_mesh
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


def _edges(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    directed = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return directed, np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)[1]


def _ripples(model: MorphableModel) -> np.ndarray:
    """(V,) mm, their own mirror image."""
    mean = model.mean.double().numpy()
    return 0.5 * np.cos(mean[:, 0] / 8) * np.cos(mean[:, 1] / 10)


@pytest.mark.parametrize("yaw", [0, 45])
def test_zippered_pixels_close_the_head(
    seen_face: Callable[..., FaceState], head: MorphableModel, yaw: float
) -> None:
    face = seen_face(_ripples(head), yaw=yaw)
    assert face.fit is not None
    assert face.bump is not None
    mesh = zippered_mesh(face.fit, face.bump)
    directed, uses = _edges(mesh.triangles)
    assert (uses == 2).all()
    keys = directed[:, 0] * len(mesh.vertices) + directed[:, 1]
    assert len(np.unique(keys)) == len(keys)  # neighbours agree on what is outside
    pixels = int((face.bump.provenance == Provenance.OBSERVED).sum())
    assert len(mesh.vertices) - head.vertex_count > 0.3 * pixels - head.vertex_count * 0.6
    np.testing.assert_array_equal(np.unique(mesh.triangles), np.arange(len(mesh.vertices)))


@pytest.mark.parametrize("yaw", [0, 45])
def test_zippered_vertices_lie_on_the_detailed_face(
    seen_face: Callable[..., FaceState], head: MorphableModel, yaw: float
) -> None:
    """Foundation and heights, both as smooth as the mesh: what each vertex says of its place is its place."""
    heights = _ripples(head)
    face = seen_face(heights, yaw=yaw)
    assert face.fit is not None
    assert face.bump is not None
    mesh = zippered_mesh(face.fit, face.bump)
    triangles = surface_of(head).triangles
    shape = face.fit.posed.shape
    normals = vertex_normals(shape, head.triangles).numpy()
    corners = triangles[mesh.source]
    rounded = curved_points(shape.numpy()[corners], normals[corners], mesh.barycentric)
    place = rounded + mesh.spread(heights[:, None] * normals, triangles)
    inner = mesh.spread(surface_of(head).rim, triangles) > 12
    # Along the ray, not the normal: beside it by as much as the surface turns away, but on the same surface.
    along = mesh.spread(normals, triangles)
    off = np.abs(((mesh.vertices - place) * along).sum(axis=1))[inner]
    bare = np.abs(((mesh.vertices - rounded) * along).sum(axis=1))[inner]
    assert np.median(off) < 0.25 * np.median(bare)
    assert np.quantile(off, 0.9) < 0.15


def test_the_half_that_turns_away_is_as_dense(
    seen_face: Callable[..., FaceState], even_head: MorphableModel
) -> None:
    face = seen_face(_ripples(even_head), yaw=40, model=even_head)
    assert face.fit is not None
    assert face.bump is not None
    mesh = zippered_mesh(face.fit, face.bump)
    assert (_edges(mesh.triangles)[1] == 2).all()
    middle = (mesh.vertices[:, 2] > 20) & (np.abs(mesh.vertices[:, 1]) < 50)
    near, far = ((middle & (sign * mesh.vertices[:, 0] > 30)).sum() for sign in (-1, 1))
    sparse = (even_head.mean[:, 0] > 30) & (even_head.mean[:, 2] > 20) & (even_head.mean[:, 1].abs() < 50)
    assert far > 0.7 * near > 2.5 * int(sparse.sum())
    # The ripples are their own mirror image, and so is the mesh, where one half comes from the other.
    inner = mesh.spread(surface_of(even_head).rim, surface_of(even_head).triangles) > 12
    reflected = mesh.vertices[inner & middle & (mesh.vertices[:, 0] > 40)] * np.array([-1, 1, 1], np.float32)
    nearest, _, _ = Surface(mesh.vertices.astype(np.float64), mesh.triangles).nearest(reflected)
    assert np.quantile(np.linalg.norm(nearest - reflected, axis=1), 0.9) < 0.12


def test_uv_of_zippered_vertices_lies_in_their_triangles(
    seen_face: Callable[..., FaceState], head: MorphableModel
) -> None:
    face = seen_face(_ripples(head), yaw=45)
    assert face.fit is not None
    assert face.bump is not None
    mesh = zippered_mesh(face.fit, face.bump)
    assert mesh.uv is not None
    assert mesh.uv_triangles is not None
    assert mesh.uv_triangles.shape == mesh.triangles.shape
    corners = head.uv.numpy()[head.uv_triangles.numpy()[mesh.source]]
    place = np.einsum("vk,vkc->vc", mesh.barycentric, corners)
    own = np.full((len(mesh.vertices), 2), np.nan)
    own[mesh.triangles.ravel()] = mesh.uv[mesh.uv_triangles.ravel()]
    inner = mesh.spread(surface_of(head).rim, surface_of(head).triangles) > 6
    np.testing.assert_allclose(own[inner], place[inner], atol=1e-5)
    assert mesh.parent.min() >= 0
    assert mesh.parent.max() < len(head.triangles)


def test_without_relief_the_subdivided_mesh_remains(
    seen_face: Callable[..., FaceState], head: MorphableModel
) -> None:
    face = seen_face(_ripples(head), hidden=np.ones((128, 128), bool))
    assert face.fit is not None
    assert face.bump is not None
    mesh = zippered_mesh(face.fit, face.bump)
    flat = dense_mesh(face.fit, _relief(head, 0.0))
    np.testing.assert_array_equal(mesh.triangles, flat.triangles)
    np.testing.assert_allclose(mesh.vertices, flat.vertices, atol=1e-3)
