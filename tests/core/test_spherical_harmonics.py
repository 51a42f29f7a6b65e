"""Three twins of one basis, and that it is orthonormal."""

from __future__ import annotations

import numpy as np
import torch

from wholeface.core.kernels import shading_at
from wholeface.core.spherical_harmonics import rotated_about_z, sh_basis_array
from wholeface.render import sh_basis


def _normals(count: int) -> np.ndarray:
    normals = np.random.default_rng(0).normal(size=(count, 3))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_twins_agree() -> None:
    normals = _normals(50)
    basis = sh_basis_array(normals)
    np.testing.assert_allclose(sh_basis(torch.from_numpy(normals)).numpy(), basis, rtol=1e-12, atol=1e-14)
    light = np.random.default_rng(1).normal(size=(9, 3))
    compiled = [[shading_at(*normal, light, channel) for channel in range(3)] for normal in normals]
    np.testing.assert_allclose(compiled, basis @ light, rtol=1e-9, atol=1e-12)


def test_orthonormal_over_the_sphere() -> None:
    # Gauss-Legendre in z times the trapezoidal rule in the angle: exact for products of these polynomials
    z, weight = np.polynomial.legendre.leggauss(8)
    angle = 2 * np.pi * np.arange(16) / 16
    radius = np.sqrt(1 - z**2)[:, None]
    height = np.broadcast_to(z[:, None], (8, 16))
    basis = sh_basis_array(np.stack([radius * np.cos(angle), radius * np.sin(angle), height], -1))
    gram = np.einsum("ijk,ijl,i->kl", basis, basis, weight) * 2 * np.pi / 16
    np.testing.assert_allclose(gram, np.eye(9), atol=1e-12)


def test_keeps_the_dtype_and_any_leading_shape() -> None:
    basis = sh_basis_array(_normals(6).reshape(2, 3, 3).astype(np.float32))
    assert (basis.shape, basis.dtype) == ((2, 3, 9), np.float32)


def test_a_turned_function_has_its_values_at_turned_points() -> None:
    normals, light = _normals(40), np.random.default_rng(2).normal(size=(9, 3))
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    turned = sh_basis_array(normals @ turn.T) @ rotated_about_z(light, angle)
    np.testing.assert_allclose(turned, sh_basis_array(normals) @ light, rtol=1e-10, atol=1e-12)
    assert rotated_about_z(light.astype(np.float32), angle).dtype == np.float32
