from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.morphable import MorphableModel
from wholeface.morphable.model import REGION_NAMES


def test_sizes(small_model: MorphableModel) -> None:
    sizes = (
        small_model.vertex_count,
        small_model.identity_size,
        small_model.expression_size,
        small_model.albedo_size,
    )
    assert sizes == (290, 6, 5, 4)
    assert replace(small_model, albedo=None).albedo_size == 0


def test_vertices_closed_form(small_model: MorphableModel) -> None:
    model = small_model.to(dtype=torch.float64)
    assert torch.equal(model.vertices(), model.mean)
    assert torch.equal(model.vertices(torch.zeros(6, dtype=torch.float64)), model.mean)
    identity = torch.tensor([1.0, -2.0, 0.5, 0, 0, 3.0], dtype=torch.float64)
    expression = torch.tensor([0.5, 1, 0, 0, 0.25], dtype=torch.float64)
    expected = model.mean.clone()
    for k in range(6):
        expected += identity[k] * model.identity[k]
    for e in range(5):
        expected += expression[e] * model.expression[e]
    torch.testing.assert_close(model.vertices(identity, expression), expected, rtol=0, atol=1e-12)


def test_vertices_is_affine(small_model: MorphableModel, rng: torch.Generator) -> None:
    model = small_model.to(dtype=torch.float64)
    a, b = torch.randn(2, 7, 6, generator=rng, dtype=torch.float64)
    middle = model.vertices((a + b) / 2)
    torch.testing.assert_close(middle, (model.vertices(a) + model.vertices(b)) / 2)


def test_batches_and_short_vectors(small_model: MorphableModel, rng: torch.Generator) -> None:
    identity, expression = torch.randn(2, 3, 6, generator=rng), torch.rand(2, 3, 5, generator=rng)
    batch = small_model.vertices(identity, expression)
    assert batch.shape == (2, 3, 290, 3)
    torch.testing.assert_close(batch[1, 2], small_model.vertices(identity[1, 2], expression[1, 2]))
    padded = torch.nn.functional.pad(identity[..., :2], (0, 4))
    torch.testing.assert_close(small_model.vertices(identity[..., :2]), small_model.vertices(padded))
    # One face with a batch of expressions.
    broadcast = small_model.vertices(identity[0, 0], expression)
    torch.testing.assert_close(broadcast[1, 0], small_model.vertices(identity[0, 0], expression[1, 0]))


def test_gradients(small_model: MorphableModel) -> None:
    model = small_model.to(dtype=torch.float64)
    identity = torch.tensor([0.1, -0.5], dtype=torch.float64, requires_grad=True)
    expression = torch.tensor([0.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i, e: model.vertices(i, e)[::29], (identity, expression))


def test_too_many_coefficients(small_model: MorphableModel) -> None:
    with pytest.raises(UsageError, match="7 identity coefficients for the model 'egg' with 6 modes"):
        small_model.vertices(torch.zeros(7))
    with pytest.raises(UsageError, match="6 expression coefficients"):
        small_model.vertices(None, torch.zeros(2, 6))


def test_expression_vector(small_model: MorphableModel) -> None:
    vector = small_model.expression_vector({"jawOpen": 0.5, "eyeBlink_R": 1})
    assert vector.tolist() == [0.5, 0, 0, 0, 1]
    assert torch.equal(small_model.expression_vector([0.5, 0, 0, 0, 1]), vector)
    assert small_model.expression_vector({}).tolist() == [0] * 5
    with pytest.raises(UsageError, match=r"unknown expression 'grin'; this model has: jawOpen, mouthSmile_L"):
        small_model.expression_vector({"grin": 1})
    with pytest.raises(UsageError, match=r"expected 5 expression weights, got shape \(2,\)"):
        small_model.expression_vector([1, 2])


def test_region(small_model: MorphableModel) -> None:
    assert set(small_model.regions) == set(REGION_NAMES)
    union = small_model.region("eyeballs", "teeth")
    assert torch.equal(union, small_model.regions["eyeballs"] | small_model.regions["teeth"])
    assert not small_model.region().any()
    assert not (small_model.region("skin") & union).any()
    with pytest.raises(UsageError, match="'egg' has no region 'tail'; it has: brows, ears"):
        small_model.region("tail")


def test_region_does_not_change_the_model(small_model: MorphableModel) -> None:
    before = small_model.regions["teeth"].clone()
    small_model.region("teeth", "skin")[:] = True
    assert torch.equal(small_model.regions["teeth"], before)


def test_to(small_model: MorphableModel) -> None:
    model = replace(small_model, extras={"index": torch.arange(3), "weight": torch.ones(2)}).to(
        dtype=torch.float64
    )
    assert model.mean.dtype == model.identity.dtype == torch.float64
    assert model.triangles.dtype == torch.int64
    assert model.regions["skin"].dtype == torch.bool
    assert (model.extras["index"].dtype, model.extras["weight"].dtype) == (torch.int64, torch.float64)
    assert model.albedo is not None
    assert model.landmarks_68 is not None
    assert model.albedo.mean.dtype == model.landmarks_68.barycentric.dtype == torch.float64
    assert (model.name, model.version, model.expression_names) == ("egg", "1", small_model.expression_names)
    bare = replace(small_model, uv=None, albedo=None, mirror=None, landmarks_68=None).to(dtype=torch.float64)
    assert bare.uv is bare.albedo is bare.mirror is bare.landmarks_68 is None


def test_the_small_model_keeps_our_conventions(small_model: MorphableModel) -> None:
    """Other tests lean on the fixture: closed, outward, mirror-symmetric, UV without flips."""
    model = small_model.to(dtype=torch.float64)
    a, b, c = (model.mean[model.triangles[:, corner]] for corner in range(3))
    assert (a * torch.linalg.cross(b, c)).sum() / 6 > 1e6  # counter-clockwise from outside; mm³
    edges = torch.cat([model.triangles[:, [i, (i + 1) % 3]] for i in range(3)])
    directed = set(map(tuple, edges.tolist()))
    assert len(directed) == len(edges)  # each edge once in each direction: closed and consistent
    assert all((end, start) in directed for start, end in directed)
    assert model.mirror is not None
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    assert torch.equal(model.mean[model.mirror] * flip, model.mean)
    assert torch.equal(model.mirror[model.mirror], torch.arange(290))
    left, right = (model.expression[model.expression_names.index(f"mouthSmile_{s}")] for s in "LR")
    assert torch.equal(left[model.mirror] * flip, right)
    assert model.mean[left.norm(dim=-1).argmax(), 0] > 0  # +x is the face's own left
    assert model.uv is not None
    assert model.uv_triangles is not None
    p, q, r = (model.uv[model.uv_triangles[:, corner]] for corner in range(3))
    area = (q - p)[:, 0] * (r - p)[:, 1] - (q - p)[:, 1] * (r - p)[:, 0]
    assert (area > 0).all()
    assert len(model.uv) > model.vertex_count
    assert ((model.uv >= 0) & (model.uv <= 1)).all()
    assert all(mask.any() for mask in model.regions.values())
    for embedding, size in ((model.landmarks_68, 68), (model.landmarks_478, 478)):
        assert embedding is not None
        assert len(embedding) == size
