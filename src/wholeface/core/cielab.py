"""Colours as people see their differences: CIE L*a*b*."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["lab_from_linear"]

# Linear sRGB to XYZ, and the white of D65 (IEC 61966-2-1)
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _XYZ.sum(axis=1)


def lab_from_linear(colours: NDArray[Any]) -> NDArray[np.float64]:
    """CIE L*a*b* (D65, 2°) of linear-light sRGB colours.

    Args:
        colours: (..., 3) in [0, 1].

    Returns:
        (..., 3) float64: L* in [0, 100], a*, b*; two colours a distance of about 2.3 apart are just told apart.

    Source: IEC 61966-2-1 and CIE 15:2004.
    """
    ratio = np.asarray(colours, dtype=np.float64) @ _XYZ.T / _WHITE
    limit = 6 / 29
    f = np.where(ratio > limit**3, np.cbrt(ratio), ratio / (3 * limit**2) + 4 / 29)
    return np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1
    )
