"""The height whose shading explains what a photo shows beyond its fitted rendering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.spherical_harmonics import sh_basis_array
from ._kernels import conjugate_gradients, linearise
from .geometry import Array, Ground

__all__ = ["ShadingSettings", "shape_from_shading"]

_PAD = 1


@dataclass(frozen=True)
class ShadingSettings:
    """How shape from shading weighs what it sees.

    Args:
        high_pass_mm: standard deviation of the blur whose result is taken from the log ratio: what is wider is
            albedo, light or the foundation's.
        noise: standard deviation of the log luminance that is not shading.
        slope: standard deviation of the relief's slope, a prior.
        height_mm: standard deviation of the relief's height, a prior.
        robust: residuals of so many ``noise`` count a quarter (Cauchy's weight, squared).
        bound_mm: largest height.
        rounds: of Gauss–Newton.
        iterations: of conjugate gradients in each.
    """

    high_pass_mm: float = 3.0
    noise: float = 0.1
    slope: float = 0.2
    height_mm: float = 0.3
    robust: float = 10.0
    bound_mm: float = 2.5
    rounds: int = 2
    iterations: int = 30


def shape_from_shading(
    log_ratio: Array,
    weight: Array,
    surface: Ground,
    light: NDArray[np.floating[Any]],
    settings: ShadingSettings | None = None,
) -> Array:
    r"""Relief from shading.

    .. math::
        E(h) = \sum_p \frac{w_p}{\sigma^2} \rho\Bigl(r_p - \log\frac{\Phi(n_p(h))\,\gamma}{\Phi(n_p)\,\gamma}\Bigr)
            + \frac{\|\nabla h\|^2}{\sigma_s^2} + \frac{h^2}{\sigma_h^2}

    by Gauss–Newton with reweighting, each round solved by conjugate gradients; h is 0 where the weight is.

    Args:
        log_ratio: (H, W) float32, log luminance of the photo over that of the foundation's rendering, high-passed.
        weight: (H, W) float32 in [0, 1], how far a pixel is skin whose brightness tells of its slope.
        surface: of the foundation.
        light: (9,) the light's luminance, camera space.
        settings: see :class:`ShadingSettings`.

    Returns:
        (H, W) float32 mm along the normal, at most ``bound_mm`` in size.

    Raises:
        UsageError: shapes that do not fit.

    Source: Or-El et al. 2015, "RGBD-Fusion: real-time high precision depth recovery", for the shading of
    second-order harmonics over a smooth base; Tran et al. 2018 take such estimates as their targets.
    """
    settings = settings or ShadingSettings()
    if log_ratio.shape != weight.shape or surface.facing.shape != weight.shape or np.shape(light) != (9,):
        raise UsageError(
            f"shading needs maps of one size and a light (9,), got {log_ratio.shape}, {weight.shape}, "
            f"{surface.facing.shape} and {np.shape(light)}"
        )
    result = np.zeros(weight.shape, np.float32)
    tangible = (surface.along != 0).any(axis=2)
    rows, columns = np.nonzero((weight > 0) & tangible)
    if len(rows) == 0:
        return result
    part = (
        slice(max(rows.min() - _PAD, 0), rows.max() + _PAD + 1),
        slice(max(columns.min() - _PAD, 0), columns.max() + _PAD + 1),
    )

    def cut(values: NDArray[Any]) -> NDArray[Any]:
        around = [(_PAD, _PAD), (_PAD, _PAD)] + [(0, 0)] * (values.ndim - 2)
        return np.ascontiguousarray(np.pad(values[part], around))

    gamma = np.ascontiguousarray(np.asarray(light, np.float32)[:, None])
    normals, along, across = (
        cut(v.astype(np.float32, copy=False)) for v in (surface.normals, surface.along, surface.across)
    )
    base = sh_basis_array(normals) @ gamma[:, 0]
    trusted = cut(weight.astype(np.float32, copy=False))
    inside = (trusted > 0) & cut(tangible) & (base > 1e-3)
    trusted = np.where(inside, trusted, np.float32(0))
    data = np.where(inside, cut(log_ratio.astype(np.float32, copy=False)), np.float32(0))
    log_base = np.log(np.maximum(base, 1e-3)).astype(np.float32)
    right = _stiffness((along * along).sum(axis=2), inside, 1) / np.float32(settings.slope**2)
    below = _stiffness((across * across).sum(axis=2), inside, 0) / np.float32(settings.slope**2)
    pull = np.full(base.shape, 1 / settings.height_mm**2, np.float32)
    height, nothing = np.zeros_like(data), np.zeros_like(data)
    value, by_column, by_row = np.zeros_like(data), np.zeros_like(data), np.zeros_like(data)
    for _ in range(settings.rounds):
        linearise(height, inside, normals, along, across, gamma, log_base, value, by_column, by_row)
        residual = data - value
        doubt = 1 / (1 + (residual / np.float32(settings.robust * settings.noise)) ** 2)
        certain = (trusted * doubt * doubt / np.float32(settings.noise**2)).astype(np.float32)
        slope_u, slope_v = np.zeros_like(height), np.zeros_like(height)
        slope_u[:, 1:-1] = 0.5 * (height[:, 2:] - height[:, :-2])
        slope_v[1:-1] = 0.5 * (height[2:] - height[:-2])
        target = (residual + by_column * slope_u + by_row * slope_v).astype(np.float32)
        conjugate_gradients(
            height, target, inside, certain, by_column, by_row, right, below, pull, nothing,
            settings.iterations,
        )  # fmt: skip
    height = np.clip(height, -settings.bound_mm, settings.bound_mm)
    result[part] = height[_PAD:-_PAD, _PAD:-_PAD]
    return result


def _stiffness(metric: Array, inside: NDArray[np.bool_], axis: int) -> Array:
    """Squared slope of a step of one mm from each pixel to the next along an axis, 0 beside the surface.

    The last pixel inside is held to the 0 beside it: relief fades towards its edge.
    """
    most = np.float32(25 * np.median(metric[inside])) if inside.any() else np.float32(0)
    metric = np.where(inside, np.minimum(metric, most), 0)
    following = np.zeros_like(metric)
    if axis == 1:
        following[:, :-1] = metric[:, 1:]
    else:
        following[:-1] = metric[1:]
    return np.maximum(metric, following).astype(np.float32)
