"""How far colours at vertices are from those that the whole photo shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.cielab import lab_from_linear
from ....core.srgb import encode_srgb

__all__ = ["ColourError", "colour_error"]


@dataclass(frozen=True)
class ColourError:
    """Weighted over vertices.

    Args:
        delta_e: mean CIE 1976 colour difference.
        rmse: root mean square difference of sRGB codes, 0 to 255.
        delta_e_mean: colour difference of the mean colours.
    """

    delta_e: float
    rmse: float
    delta_e_mean: float


def colour_error(found: NDArray[Any], wanted: NDArray[Any], weight: NDArray[Any]) -> ColourError:
    """Compare log linear-light colours.

    Args:
        found: (M, 3).
        wanted: (M, 3).
        weight: (M,) ≥ 0.

    Returns:
        Numbers that are NaN where nothing has weight.
    """
    total = float(weight.sum())
    if total <= 0:
        return ColourError(float("nan"), float("nan"), float("nan"))
    share = np.asarray(weight, np.float64) / total
    a, b = (np.clip(np.exp(colours.astype(np.float64)), 0, 1) for colours in (found, wanted))
    distance = np.linalg.norm(lab_from_linear(a) - lab_from_linear(b), axis=1)
    squares = np.square(255 * (encode_srgb(a) - encode_srgb(b))).mean(axis=1)
    mean = np.linalg.norm(lab_from_linear(share @ a) - lab_from_linear(share @ b))
    return ColourError(float(share @ distance), float(np.sqrt(share @ squares)), float(mean))
