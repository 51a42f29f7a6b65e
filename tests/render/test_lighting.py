import math

import numpy as np
import pytest
import torch

from wholeface.core.spherical_harmonics import rotated_about_z
from wholeface.render import (
    ambient_light,
    directional_light,
    rotate_light,
    rotation_matrix,
    sh_basis,
    shade,
)


def _quadrature(size: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions and weights that integrate polynomials of low degree over the sphere exactly."""
    z, weight = np.polynomial.legendre.leggauss(size)
    angle = 2 * math.pi * np.arange(2 * size) / (2 * size)
    radius = np.sqrt(1 - z * z)[:, None]
    directions = np.stack(
        (radius * np.cos(angle), radius * np.sin(angle), np.broadcast_to(z[:, None], (size, 2 * size))), -1
    )
    weights = np.broadcast_to(weight[:, None] * math.pi / size, (size, 2 * size))
    return torch.from_numpy(directions.reshape(-1, 3)), torch.from_numpy(weights.reshape(-1).copy())


def test_basis_is_orthonormal():
    directions, weights = _quadrature()
    basis = sh_basis(directions)
    gram = basis.T @ (basis * weights[:, None])
    torch.testing.assert_close(gram, torch.eye(9, dtype=torch.float64), rtol=0, atol=1e-12)


def test_order_and_constants():
    x, y, z = 0.48, 0.60, 0.64
    expected = [
        0.282095,
        0.488603 * y,
        0.488603 * z,
        0.488603 * x,
        1.092548 * x * y,
        1.092548 * y * z,
        0.315392 * (3 * z * z - 1),
        1.092548 * x * z,
        0.546274 * (x * x - y * y),
    ]
    assert sh_basis(torch.tensor([x, y, z])).tolist() == pytest.approx(expected, abs=1e-6)


def test_ambient_light_is_the_same_for_every_normal():
    normals, _ = _quadrature(6)
    image = shade(torch.full_like(normals, 0.4), normals, ambient_light(1.5, dtype=torch.float64))
    torch.testing.assert_close(image, torch.full_like(image, 0.6), rtol=0, atol=1e-14)


def test_directional_light_is_the_best_fit_to_a_clamped_cosine():
    directions, weights = _quadrature(400)
    towards = torch.tensor([0.3, -0.5, 0.8], dtype=torch.float64)
    cosine = (directions @ (towards / towards.norm())).clamp(min=0)
    coefficients = sh_basis(directions).T @ (weights * cosine)
    light = directional_light(towards, (1.0, 2.0, 0.0), dtype=torch.float64)
    torch.testing.assert_close(light[:, 0], coefficients, rtol=0, atol=1e-5)
    torch.testing.assert_close(light[:, 1], 2 * light[:, 0])
    assert (light[:, 2] == 0).all()
    assert (sh_basis(directions) @ light[:, 0] - cosine).abs().max() < 0.1


def test_shade_takes_one_light_per_image():
    generator = torch.Generator().manual_seed(0)
    albedo, normals = (
        torch.rand(2, 4, 5, 3, generator=generator),
        torch.randn(2, 4, 5, 3, generator=generator),
    )
    lights = torch.randn(2, 9, 3, generator=generator)
    both = shade(albedo, normals, lights)
    for n in range(2):
        torch.testing.assert_close(both[n], shade(albedo[n], normals[n], lights[n]))


def test_shade_gradients():
    generator = torch.Generator().manual_seed(1)
    inputs = [
        torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((4, 3), (4, 3), (9, 3))
    ]
    assert torch.autograd.gradcheck(shade, inputs)


def test_turned_light_shines_from_the_turned_side(rng):
    light = torch.randn(2, 9, 3, generator=rng, dtype=torch.float64)
    rotation = rotation_matrix(torch.randn(2, 3, generator=rng, dtype=torch.float64))
    normals = torch.nn.functional.normalize(torch.randn(2, 50, 3, generator=rng, dtype=torch.float64), dim=-1)
    turned = rotate_light(light, rotation)
    torch.testing.assert_close(
        sh_basis(normals @ rotation.mT) @ turned, sh_basis(normals) @ light, rtol=0, atol=1e-12
    )
    about_z = rotation_matrix(torch.tensor([0.0, 0.0, 0.8], dtype=torch.float64))
    expected = rotated_about_z(light[0].numpy(), 0.8)
    torch.testing.assert_close(
        rotate_light(light[0], about_z), torch.from_numpy(expected), rtol=0, atol=1e-12
    )
