"""Taking the light out of a photograph of a face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....core.spherical_harmonics import sh_basis_array

__all__ = ["LightFit", "fit_light"]

Array = NDArray[Any]
# Ridge per coefficient, relative to the data's information: the ambient term is free, higher bands cost more.
_RIDGE = np.array([0.0, *[0.001] * 3, *[0.01] * 5])
_TINT_RIDGE = np.array([0.0, *[0.01] * 3, *[0.1] * 5])


@dataclass(frozen=True)
class LightFit:
    """A fitted light.

    Args:
        light: (9, 3) spherical-harmonics coefficients; the weighted mean irradiance over the fitted points is
            ``level``.
        level: (3,) mean irradiance times the unknown overall brightness of the skin.
        inlier: (P,) final robust weight of each point in [0, 1].
    """

    light: Array
    level: Array
    inlier: Array

    def relative(self, normals: Array, floor: float = 0.3) -> Array:
        """(…, 3) irradiance relative to the face's mean, not below ``floor``."""
        return np.maximum(sh_basis_array(normals) @ self.light / self.level, floor)


def fit_light(
    colour: Array,
    normals: Array,
    reference: Array,
    weight: Array,
    *,
    iterations: int = 12,
    scale: float = 0.08,
) -> LightFit:
    r"""Light of one face by robust least squares in linear light.

    .. math:: \min_\gamma \sum_p w_p\, \rho\big(I_p / a_p - \Phi(n_p) \gamma\big) + \gamma^\top R\, \gamma

    with Cauchy's :math:`\rho`, solved by iterated reweighting: first one light for the sum of the channels,
    then one per channel, drawn by a ridge towards the common one. Beards, brows, eyes, hair and highlights
    differ from the reference albedo by more than ``scale`` and lose their say.

    Args:
        colour: (P, 3) linear light ≥ 0.
        normals: (P, 3) unit, camera space.
        reference: (P, 3) expected albedo, up to a factor per channel.
        weight: (P,) ≥ 0, confidence in each point; 0 = unseen.
        iterations: of reweighting.
        scale: of the Cauchy weight, relative to the face's mean brightness.

    Returns:
        A light whose level carries the product of brightness of light and skin: the two cannot be told
        apart here.

    Source: Ramamoorthi & Hanrahan 2001 for the basis; iterated reweighting as in Holland & Welsch 1977.
    """
    ratio = colour / np.maximum(reference, 1e-4)
    phi = sh_basis_array(normals)
    used = weight > 0
    phi_u, w_u = phi[used], weight[used]
    grey = ratio[used].mean(-1)
    robust = np.ones_like(w_u)
    level = float(np.median(grey)) + 1e-9
    common = np.zeros(9)
    for _ in range(iterations):
        common = _ridge_solve(phi_u, grey / level, w_u * robust, _RIDGE, np.zeros(9))
        error = grey / level - phi_u @ common
        spread = max(scale, 1.2 * _median(np.abs(error), w_u))
        robust = 1 / (1 + (error / spread) ** 2) ** 2
    light = np.empty((9, 3))
    levels = np.empty(3)
    for c in range(3):
        value = ratio[used, c]
        levels[c] = np.median(value) + 1e-9
        strength = robust
        for _ in range(3):
            light[:, c] = _ridge_solve(phi_u, value / levels[c], w_u * strength, _TINT_RIDGE, common)
            error = value / levels[c] - phi_u @ light[:, c]
            strength = robust / (1 + (error / scale) ** 2)
        light[:, c] *= levels[c]
    mean = ((phi_u @ light) * w_u[:, None]).sum(0) / max(float(w_u.sum()), 1e-9)
    inlier = np.zeros(len(weight))
    inlier[used] = robust
    return LightFit(light, np.maximum(mean, 1e-6), inlier)


def _ridge_solve(phi: Array, value: Array, weight: Array, ridge: Array, towards: Array) -> Array:
    total = max(float(weight.sum()), 1e-9)
    normal = phi.T @ (phi * weight[:, None]) / total + np.diag(ridge + 1e-9)
    right = phi.T @ (value * weight) / total + ridge * towards
    solution: Array = np.linalg.solve(normal, right)
    return solution


def _median(values: Array, weight: Array) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])
