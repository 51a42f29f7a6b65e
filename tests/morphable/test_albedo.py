from __future__ import annotations

import math

import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.morphable import AlbedoModel, MorphableModel, linear_to_srgb, srgb_to_linear


def model(space: str, *, textures: bool = False) -> AlbedoModel:
    mean = torch.tensor([[0.5, 0.2, 0.1], [0.25, 0.02, 0.6]], dtype=torch.float64)
    basis = torch.tensor(
        [[[0.1, 0.0, 0.0], [0.2, 0.1, 0.0]], [[0.0, 0.3, 0.0], [0.0, 0.0, -2.0]]], dtype=torch.float64
    )
    mean_texture = torch.arange(48, dtype=torch.float64).reshape(3, 4, 4) / 100
    basis_texture = torch.stack([torch.ones(3, 2, 2), torch.eye(2).expand(3, 2, 2)]).double() / 10
    return AlbedoModel(space, mean, basis, *((mean_texture, basis_texture) if textures else ()))  # type: ignore[arg-type]


def test_srgb_known_values() -> None:
    # IEC 61966-2-1: middle grey, the knee, and 188/255 ≈ half the light.
    encoded = torch.tensor([0.0, 0.04045, 0.5, 1.0, 188 / 255], dtype=torch.float64)
    linear = torch.tensor(
        [0.0, 0.04045 / 12.92, 0.21404114048223255, 1.0, 0.5028864580325687], dtype=torch.float64
    )
    torch.testing.assert_close(srgb_to_linear(encoded), linear, rtol=0, atol=1e-12)
    torch.testing.assert_close(linear_to_srgb(linear), encoded, rtol=0, atol=1e-6)
    assert srgb_to_linear(torch.tensor(-1.0)) == 0
    assert linear_to_srgb(torch.tensor(-1.0)) == 0


def test_srgb_round_trip_monotone_and_differentiable() -> None:
    values = torch.linspace(0, 1, 4001, dtype=torch.float64)
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(values)), values, rtol=0, atol=2e-7)
    assert (srgb_to_linear(values).diff() > 0).all()
    inside = torch.tensor([0.01, 0.039, 0.042, 0.3, 0.99], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(srgb_to_linear, (inside,))
    assert torch.autograd.gradcheck(linear_to_srgb, (inside,))
    zero = torch.zeros(3, requires_grad=True)
    (srgb_to_linear(zero) + linear_to_srgb(zero)).sum().backward()
    assert torch.isfinite(zero.grad).all()  # type: ignore[arg-type]


def test_vertices_closed_form() -> None:
    coefficients = torch.tensor([2.0, -1.0], dtype=torch.float64)
    sums = torch.tensor([[0.7, -0.1, 0.1], [0.65, 0.22, 2.6]], dtype=torch.float64)
    expected = {"log": sums.exp(), "srgb": srgb_to_linear(sums), "linear": sums.clamp(min=0)}
    for space, values in expected.items():
        torch.testing.assert_close(model(space).vertices(coefficients), values)


@pytest.mark.parametrize("space", ["log", "srgb", "linear"])
def test_vertices_batches_and_short_vectors(space: str) -> None:
    albedo = model(space)
    batch = torch.randn(4, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = albedo.vertices(batch)
    assert together.shape == (4, 3, 2, 3)
    assert (together >= 0).all()
    torch.testing.assert_close(together[2, 1], albedo.vertices(batch[2, 1]))
    padded = torch.nn.functional.pad(batch[..., :1], (0, 1))
    torch.testing.assert_close(albedo.vertices(batch[..., :1]), albedo.vertices(padded))
    torch.testing.assert_close(albedo.vertices(batch.new_zeros(0)), albedo.to_linear(albedo.mean))


def test_gradients() -> None:
    coefficients = torch.tensor([0.3, -0.2], dtype=torch.float64, requires_grad=True)
    for space in ("log", "srgb", "linear"):
        assert torch.autograd.gradcheck(model(space).vertices, (coefficients,))
        assert torch.autograd.gradcheck(
            lambda c, space=space: model(space, textures=True).texture(c, 4), (coefficients,)
        )


def test_texture_closed_form() -> None:
    albedo = model("linear", textures=True)
    assert albedo.mean_texture is not None
    # At the mean's own size the mean is exact; the constant mode adds 0.1 everywhere.
    torch.testing.assert_close(
        albedo.texture(torch.tensor([1.0], dtype=torch.float64), 4), albedo.mean_texture + 0.1
    )
    # Texel centres at (i + ½)/S: halving the size averages 2 × 2 texels.
    halved = albedo.texture(torch.zeros(2, dtype=torch.float64), 2)
    torch.testing.assert_close(
        halved, albedo.mean_texture.unflatten(1, (2, 2)).unflatten(3, (2, 2)).mean((2, 4))
    )
    # The second mode, doubled in size, keeps its corners.
    second = albedo.texture(torch.tensor([0.0, 1.0], dtype=torch.float64), 4) - albedo.mean_texture
    torch.testing.assert_close(second[:, 0, 0], torch.full((3,), 0.1, dtype=torch.float64))
    torch.testing.assert_close(second[:, 0, 3], torch.zeros(3, dtype=torch.float64))


def test_texture_and_vertices_agree_on_flat_statistics(small_model: MorphableModel) -> None:
    albedo = small_model.albedo
    assert albedo is not None
    first = torch.tensor([1.5])  # uniform over the face
    ratio = albedo.texture(first, 32) / albedo.texture(torch.zeros(1), 32)
    torch.testing.assert_close(ratio, torch.full_like(ratio, math.exp(0.3)))
    ratio = albedo.vertices(first) / albedo.vertices(torch.zeros(1))
    torch.testing.assert_close(ratio, torch.full_like(ratio, math.exp(0.3)))


def test_errors() -> None:
    with pytest.raises(UsageError, match="3 albedo coefficients for a model with 2 modes"):
        model("log").vertices(torch.zeros(3))
    with pytest.raises(UsageError, match=r"no albedo in UV space.*\.vertices\(\)"):
        model("log").texture(torch.zeros(2), 4)


def test_to_moves_everything() -> None:
    moved = model("srgb", textures=True).to(dtype=torch.float32)
    assert moved.space == "srgb"
    tensors = (moved.mean, moved.basis, moved.mean_texture, moved.basis_texture)
    assert all(t is not None and t.dtype == torch.float32 for t in tensors)
    assert model("srgb").to(dtype=torch.float32).mean_texture is None
    assert moved.size == 2
