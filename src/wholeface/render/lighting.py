"""Second-order spherical-harmonics lighting."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..core.spherical_harmonics import C0, C1, C2, C20, C22

__all__ = ["ambient_light", "directional_light", "rotate_light", "sh_basis", "shade"]

# Clamped cosine in bands 0, 1, 2 (Ramamoorthi & Hanrahan 2001, eq. 8)
_COSINE = (math.pi,) + (2 * math.pi / 3,) * 3 + (math.pi / 4,) * 5


def sh_basis(normals: Tensor) -> Tensor:
    """The nine orthonormal real spherical harmonics of bands 0 to 2.

    Order: 1, y, z, x, xy, yz, 3z² − 1, xz, x² − y².

    Args:
        normals: (..., 3) unit normals, camera space.

    Returns:
        (..., 9).

    Source: Ramamoorthi & Hanrahan, "An Efficient Representation for Irradiance Environment Maps", 2001.
    """
    x, y, z = normals.unbind(-1)
    return torch.stack(
        (
            torch.full_like(x, C0),
            C1 * y,
            C1 * z,
            C1 * x,
            C2 * x * y,
            C2 * y * z,
            C20 * (3 * z * z - 1),
            C2 * x * z,
            C22 * (x * x - y * y),
        ),
        dim=-1,
    )


def shade(albedo: Tensor, normals: Tensor, light: Tensor) -> Tensor:
    r"""Lambertian colour: :math:`c = a \cdot \sum_b \Phi_b(n)\, \gamma_b` per channel.

    Args:
        albedo: (N, ..., 3) or (..., 3) linear-light albedo.
        normals: (N, ..., 3) or (..., 3) unit normals, camera space.
        light: (9, 3), or (N, 9, 3) with one light per image of the batch.

    Returns:
        Shape of ``albedo`` and ``normals`` broadcast: linear-light colour. Not clamped: a light with negative
        lobes can give values below 0.
    """
    if light.ndim == 3 and normals.ndim > 2:
        light = light.reshape(light.shape[0], *([1] * (normals.ndim - 3)), 9, 3)
    # s_c = sum_b Phi_b gamma_bc
    return albedo * (sh_basis(normals) @ light)


def rotate_light(light: Tensor, rotation: Tensor) -> Tensor:
    r"""The same light, turned: :math:`f'(R\,n) = f(n)` for every direction n.

    The bands of the harmonics are closed under rotation, so the coefficients of :math:`f'` follow exactly from its
    values in a few fixed directions m, which are those of f at :math:`R^\top m`.

    Args:
        light: (..., 9, C).
        rotation: (..., 3, 3).

    Returns:
        (..., 9, C); differentiable with respect to both.
    """
    directions = _directions().to(light)
    fit = torch.linalg.pinv(sh_basis(_directions())).to(light)  # (9, P)
    # m'_p = R^T m_p, as rows: m_p R
    turned: Tensor = fit @ (sh_basis(directions @ rotation) @ light)
    return turned


def _directions() -> Tensor:
    """(16, 3) unit vectors, float64, spread evenly over the sphere (a Fibonacci lattice)."""
    count = 16
    number = torch.arange(count, dtype=torch.float64)
    z = 1 - (2 * number + 1) / count
    angle = number * math.pi * (3 - math.sqrt(5))
    ring = (1 - z * z).sqrt()
    return torch.stack((ring * angle.cos(), ring * angle.sin(), z), dim=-1)


def ambient_light(
    level: float = 1.0, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Tensor:
    """White light (9, 3) from everywhere: the shading is ``level`` for every normal."""
    light = torch.zeros(9, 3, dtype=dtype, device=device)
    light[0] = level / C0
    return light


def directional_light(
    direction: Sequence[float] | Tensor,
    level: float | Sequence[float] = 1.0,
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    r"""Light (9, 3) of a distant lamp: the second-order approximation of :math:`\max(0, n \cdot d)`.

    It errs by at most 0.1 of ``level`` (the peak is 1.06) and dips slightly below zero behind the terminator.

    Args:
        direction: (3,) from the surface to the lamp, camera space, any length.
        level: shading where the normal points at the lamp; a number or one per colour channel.
        dtype: of the result.

    Source: Ramamoorthi & Hanrahan 2001, eq. 8.
    """
    towards = torch.as_tensor(direction, dtype=torch.float64)
    basis = sh_basis(towards / towards.norm()) * torch.tensor(_COSINE, dtype=torch.float64)
    colour = torch.as_tensor(level, dtype=torch.float64).expand(3)
    return (basis[:, None] * colour).to(dtype)
