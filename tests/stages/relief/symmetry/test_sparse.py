from __future__ import annotations

import numpy as np

from wholeface.morphable import MorphableModel
from wholeface.stages.relief.symmetry import face_graph, recovered, register
from wholeface.stages.texture.uv.atlas import surface_of


def test_registration_by_hand() -> None:
    sparse = np.array([[0.0, 0, 0], [4, 0, 0], [0, 4, 0]])
    projected = np.array([[10.0, 10], [14, 10], [10, 14]])
    found = register(
        np.array([[1.0, 2, 0.5]]), np.array([[11.0, 12]]), np.array([[0, 1, 2]]), sparse, projected
    )
    np.testing.assert_allclose(found.weights, [[0.25, 0.25, 0.5]])
    np.testing.assert_allclose(found.residual, [[0, 0, 0.5]])
    np.testing.assert_allclose(found.points(sparse + np.array([0, 0, 1])), [[1, 2, 1.5]])


def test_points_come_back_and_turn_to_the_other_side() -> None:
    rng = np.random.default_rng(2)
    sparse, projected = rng.normal(size=(9, 3)), rng.normal(size=(9, 2)) * 10
    corners = rng.permuted(np.tile(np.arange(9), (40, 1)), axis=1)[:, :3]
    dense, pixels = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    found = register(dense, pixels, corners, sparse, projected)
    np.testing.assert_allclose(np.einsum("pk,pkc->pc", found.weights, projected[corners]), pixels, atol=1e-9)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1)
    np.testing.assert_allclose(found.points(sparse), dense)
    both = np.concatenate([sparse, sparse * [-1, 1, 1]])
    np.testing.assert_allclose(found.reflected(corners + 9, both), dense * [-1, 1, 1])


def _details(model: MorphableModel) -> np.ndarray:
    """(V, 3) offsets that are their own mirror image."""
    mean = model.mean.double().numpy()
    wave = np.cos(mean[:, 0] / 9) * np.sin(mean[:, 1] / 11)
    return np.stack([mean[:, 0] / 100 * wave, 0.3 * wave, 0.5 * wave], axis=1)


def test_details_of_the_hidden_half_are_those_of_the_seen_one(head: MorphableModel) -> None:
    graph, triangles = face_graph(head), surface_of(head).triangles.astype(np.int64)
    offsets = _details(head)
    visible = (head.mean[:, 0] < 3.0).numpy() & np.isin(np.arange(head.vertex_count), graph.vertices)
    found = recovered(graph, np.where(visible[:, None], offsets, 55.0), visible, triangles)
    face = graph.vertices
    np.testing.assert_allclose(found[visible], offsets[visible])
    np.testing.assert_allclose(found[face], offsets[face], atol=1e-4)
    assert (found[np.setdiff1d(np.arange(head.vertex_count), face)] == 0).all()


def test_seen_on_neither_side_they_join_their_neighbours_smoothly(head: MorphableModel) -> None:
    """A constant offset around a gap on both sides is constant in the gap: the Laplacian of nothing is nothing."""
    graph, triangles = face_graph(head), surface_of(head).triangles.astype(np.int64)
    mean = head.mean.double().numpy()
    visible = np.isin(np.arange(len(mean)), graph.vertices) & ~(np.abs(mean[:, 1] + 20) < 12)
    offsets = np.tile([0.0, 0.0, 0.7], (len(mean), 1))
    found = recovered(graph, offsets, visible, triangles)
    np.testing.assert_allclose(found[graph.vertices], offsets[graph.vertices], atol=1e-3)


def test_a_step_between_the_halves_is_blended(head: MorphableModel) -> None:
    """The seen half stands 1 mm out: its mirror image joins it without a step, and is as flat as it is."""
    graph, triangles = face_graph(head), surface_of(head).triangles.astype(np.int64)
    x = head.mean[:, 0].numpy()
    visible = (x < 0) & np.isin(np.arange(len(x)), graph.vertices)
    offsets = np.tile([0.0, 0.0, 1.0], (len(x), 1)) * visible[:, None]
    found = recovered(graph, offsets, visible, triangles)
    assert found[graph.vertices, 2].min() > 0.99
