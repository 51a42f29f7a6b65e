"""The nine orthonormal real spherical harmonics of bands 0 to 2, on arrays.

Order: 1, y, z, x, xy, yz, 3z² − 1, xz, x² − y². The differentiable twin is :func:`wholeface.render.sh_basis`, the one
for compiled loops :func:`wholeface.core.kernels.shading_at`.

Source: Ramamoorthi & Hanrahan, "An Efficient Representation for Irradiance Environment Maps", 2001.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["C0", "C1", "C2", "C20", "C22", "rotated_about_z", "sh_basis_array"]

C0 = 0.5 * math.sqrt(1 / math.pi)  # 0.282095
C1 = math.sqrt(3 / (4 * math.pi))  # 0.488603
C2 = 0.5 * math.sqrt(15 / math.pi)  # 1.092548
C20 = 0.25 * math.sqrt(5 / math.pi)  # 0.315392
C22 = 0.25 * math.sqrt(15 / math.pi)  # 0.546274


def sh_basis_array(normals: NDArray[Any]) -> NDArray[Any]:
    """(…, 9) of unit normals (…, 3), in the normals' dtype."""
    x, y, z = np.moveaxis(normals, -1, 0)
    parts = (
        np.full_like(x, C0), C1 * y, C1 * z, C1 * x, C2 * x * y, C2 * y * z,
        C20 * (3 * z * z - 1), C2 * x * z, C22 * (x * x - y * y),
    )  # fmt: skip
    return np.stack(parts, axis=-1)


def rotated_about_z(coefficients: NDArray[Any], angle: float) -> NDArray[Any]:
    r"""Coefficients of the same function on the sphere, turned about the z axis.

    .. math:: f'(R_z(\alpha)\,n) = f(n)

    The harmonics of order ±m turn like a vector of the plane by :math:`m\alpha`.

    Args:
        coefficients: (9, …).
        angle: α in radians, from x towards y.

    Returns:
        (9, …), in the coefficients' dtype.
    """
    turned = np.array(coefficients)
    # Pairs (order +m, order −m): x and y, xz and yz turn once, x² − y² and xy twice.
    for even, odd, order in ((3, 1, 1), (7, 5, 1), (8, 4, 2)):
        cos, sin = math.cos(order * angle), math.sin(order * angle)
        turned[even] = cos * coefficients[even] - sin * coefficients[odd]
        turned[odd] = sin * coefficients[even] + cos * coefficients[odd]
    return turned
