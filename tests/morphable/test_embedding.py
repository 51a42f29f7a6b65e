from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wholeface.morphable import Embedding, MorphableModel

VERTICES = torch.tensor([[0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 4]], dtype=torch.float64)
TRIANGLES = torch.tensor([[0, 1, 2], [3, 1, 0]])


def test_points_closed_form() -> None:
    weights = torch.tensor([[1.0, 0, 0], [0, 0.5, 0.5], [0.25, 0.75, 0], [0, 0, 1]], dtype=torch.float64)
    embedding = Embedding(torch.tensor([0, 0, 1, 1]), weights)
    expected = torch.tensor([[0, 0, 0], [1, 1, 0], [1.5, 0, 1], [0, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(embedding.points(VERTICES, TRIANGLES), expected, rtol=0, atol=0)
    assert len(embedding) == 4


def test_batches(small_model: MorphableModel, rng: torch.Generator) -> None:
    landmarks = small_model.landmarks_68
    assert landmarks is not None
    batch = small_model.vertices(torch.randn(2, 3, 6, generator=rng))
    points = landmarks.points(batch, small_model.triangles)
    assert points.shape == (2, 3, 68, 3)
    torch.testing.assert_close(points[1, 2], landmarks.points(batch[1, 2], small_model.triangles))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 10), st.floats(-100, 100))
def test_points_move_with_the_mesh(seed: int, scale: float, shift: float) -> None:
    """Weights sum to 1, so points follow every affine map of the vertices."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(5, 3, generator=generator, dtype=torch.float64) + 0.01
    embedding = Embedding(
        torch.randint(2, (5,), generator=generator), weights / weights.sum(-1, keepdim=True)
    )
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64)).Q
    moved = embedding.points(scale * VERTICES @ turn + shift, TRIANGLES)
    torch.testing.assert_close(moved, scale * embedding.points(VERTICES, TRIANGLES) @ turn + shift)


def test_gradient() -> None:
    embedding = Embedding(
        torch.tensor([1, 0]), torch.tensor([[0.2, 0.3, 0.5], [1.0, 0, 0]], dtype=torch.float64)
    )
    vertices = VERTICES.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: embedding.points(v, TRIANGLES), (vertices,))
    embedding.points(vertices, TRIANGLES).sum().backward()
    torch.testing.assert_close(vertices.grad.sum(0), torch.full((3,), 2.0, dtype=torch.float64))  # type: ignore[union-attr]


def test_points_without_a_place_are_nan(small_model: MorphableModel) -> None:
    landmarks = small_model.landmarks_478
    assert landmarks is not None
    missing = landmarks.points(small_model.mean, small_model.triangles).isnan().all(dim=-1)
    assert missing.nonzero()[:, 0].tolist() == [10, 200, 477]


def test_dtype_follows_the_vertices() -> None:
    embedding = Embedding(torch.tensor([0]), torch.tensor([[1.0, 0, 0]]))
    assert embedding.points(VERTICES, TRIANGLES).dtype == torch.float64
    assert embedding.points(VERTICES.float(), TRIANGLES).dtype == torch.float32
    moved = embedding.to(dtype=torch.float64)
    assert (moved.triangle.dtype, moved.barycentric.dtype) == (torch.int64, torch.float64)
