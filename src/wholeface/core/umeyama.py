"""The similarity that brings points onto points best."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["rotations_onto", "umeyama"]

Array = NDArray[np.float64]


def rotations_onto(source: NDArray[Any], target: NDArray[Any]) -> tuple[Array, Array]:
    r"""Rotations that turn centred points onto centred points best in the least-squares sense.

    Args:
        source: (…, P, 3), mean 0.
        target: (…, P, 3), mean 0; the shapes are broadcast.

    Returns:
        (…, 3, 3) rotations R with target ≈ source · Rᵀ, never reflections, and (…, 3) the singular values of the
        covariance, the last one with the sign of its determinant.

    Source: Umeyama 1991, "Least-squares estimation of transformation parameters between two point patterns".
    """
    u, s, vt = np.linalg.svd(np.einsum("...pi,...pj->...ij", target, source))
    sign = np.ones(s.shape)
    sign[..., 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign[..., None, :]) @ vt, s * sign


def umeyama(source: NDArray[Any], target: NDArray[Any], *, scaled: bool = True) -> tuple[float, Array, Array]:
    """Scale s, rotation R (3, 3) and translation t (3,) with target ≈ s · source · Rᵀ + t, least squares.

    Args:
        source: (P, 3).
        target: (P, 3).
        scaled: False keeps the scale at 1.

    Source: Umeyama 1991.
    """
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    rotation, values = rotations_onto(a, b)
    scale = float(values.sum() / (a * a).sum()) if scaled else 1.0
    return scale, rotation, target.mean(axis=0) - scale * rotation @ source.mean(axis=0)
