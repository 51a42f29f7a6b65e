"""Gloss and cast shadow: what of a photograph's light no smooth diffuse light explains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .....core.luminance import LUMINANCE
from ..atlas import to_grid

__all__ = ["gloss_of", "shadow_weight"]

Array = NDArray[Any]
Bools = NDArray[np.bool_]
_SHADOW_FROM, _SHADOW_SCALE = 0.16, 0.14


def gloss_of(colour: Array, diffuse: Array, weight: Array, where: Bools, zone: Bools) -> Array:
    r"""White light mirrored by the skin's surface, per texel.

    Skin reflects in two ways (Shafer 1985): :math:`I = \alpha\, d + g\, (1, 1, 1)` with the diffuse colour
    :math:`d` that the light fit expects. Both factors follow from the three channels; as pigment varies too, only
    what exceeds the usual scatter, is brighter than expected and hangs together over some millimetres counts.

    Args:
        colour: (T, 3) linear light.
        diffuse: (T, 3) expected diffuse colour.
        weight: (T,) confidence in each texel.
        where: (T,) bool, where skin may shine: no brows, eyes, lips, beard.
        zone: (S, S) bool, the T texels.

    Returns:
        (T,) g ≥ 0, at most three quarters of the texel's darkest channel.

    Source: Shafer, "Using color to separate reflection components", 1985.
    """
    ee, e1 = (diffuse**2).sum(1), diffuse.sum(1)
    ce, c1 = (colour * diffuse).sum(1), colour.sum(1)
    relative = (ee * c1 - e1 * ce) / np.maximum(3 * ee - e1**2, 1e-9) / np.maximum(diffuse @ LUMINANCE, 1e-4)
    known = where & (weight > 0.3)
    if known.sum() < 50:
        return np.zeros(len(colour))
    middle = float(np.median(relative[known]))
    below = middle - relative[known & (relative < middle)]
    scatter = 1.4826 * float(np.median(below)) if below.size else 0.0
    seen = to_grid(np.where(where, np.minimum(weight, 1), 0.0).astype(np.float64), zone)
    excess = to_grid(np.maximum(relative - middle - 0.25 * scatter, 0.0), zone)
    brighter = to_grid(
        np.log(np.maximum(colour @ LUMINANCE, 1e-4) / np.maximum(diffuse @ LUMINANCE, 1e-4)), zone
    )
    brighter = _smooth(brighter, seen, 2.0)
    excess = _smooth(excess, seen, 1.0) * np.clip((brighter + 0.06) / 0.12, 0, 1) * (seen > 0)
    gloss: Array = excess[zone] * np.maximum(diffuse @ LUMINANCE, 1e-4)
    return np.minimum(gloss, 0.75 * colour.min(1))


def shadow_weight(log_ratio: Array, weight: Array, where: Bools, zone: Bools) -> Array:
    """How far texels are from cast shadow, (T,) in [0, 1].

    Args:
        log_ratio: (T,) logarithm of seen over expected brightness.
        weight: (T,) confidence in each texel.
        where: (T,) bool, plain skin: elsewhere dark means brow, beard or lash, and the weight is 1.
        zone: (S, S) bool.
    """
    seen = to_grid((weight * where).astype(np.float64), zone)
    deep = _smooth(to_grid(log_ratio, zone), seen, 2.0)[zone]
    excess = np.maximum(-deep - _SHADOW_FROM, 0) / _SHADOW_SCALE
    result: Array = np.where(where, 1 / (1 + excess**2), 1.0)
    return result


def _smooth(grid: Array, seen: Array, sigma: float) -> Array:
    """Gaussian mean over what is seen."""
    total = ndimage.gaussian_filter(grid * seen, sigma)
    result: Array = total / np.maximum(ndimage.gaussian_filter(seen, sigma), 1e-3)
    return result
