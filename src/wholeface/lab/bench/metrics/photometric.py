"""How far colours lie apart: in sRGB codes, and as people see it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.cielab import lab_from_linear
from ....core.errors import UsageError
from ....core.srgb import decode_srgb

__all__ = ["delta_e", "lab_from_srgb", "visible_mae", "visible_rmse"]

Array = NDArray[np.float64]


def _difference(photo: NDArray[Any], rendered: NDArray[Any], visible: NDArray[np.bool_], name: str) -> Array:
    """(P, 3) sRGB codes."""
    if photo.shape != rendered.shape or photo.ndim != 3 or photo.shape[2] != 3:
        raise UsageError(f"{name}: photo {photo.shape} and rendering {rendered.shape} must both be (H, W, 3)")
    if visible.shape != photo.shape[:2] or visible.dtype != np.bool_:
        raise UsageError(
            f"{name}: the mask must be bool {photo.shape[:2]}, got {visible.dtype} {visible.shape}"
        )
    if not visible.any():
        raise UsageError(f"{name}: no visible pixels to compare colours on")
    off = photo[visible].astype(np.float64) - rendered[visible].astype(np.float64)
    if not np.isfinite(off).all():
        raise UsageError(f"{name}: a colour is not finite")
    return off


def visible_rmse(
    photo: NDArray[Any], rendered: NDArray[Any], visible: NDArray[np.bool_], name: str = "photo"
) -> float:
    r"""Root mean square error of the rendering over the visible face, sRGB codes 0 to 255.

    .. math:: \sqrt{\tfrac{1}{3|V|} \sum_{p \in V} \sum_c (I_{pc} - R_{pc})^2}

    Args:
        photo: (H, W, 3) sRGB codes, uint8 or float in [0, 255].
        rendered: (H, W, 3) likewise.
        visible: (H, W) bool, V.
        name: of the photo, for errors.

    Raises:
        UsageError: shapes that do not fit, no visible pixels, or colours that are not finite.

    Source: Li et al. 2021 (FOCUS), section 4.3: between input and reconstruction inside the true visible face.
    """
    return float(np.sqrt((_difference(photo, rendered, visible, name) ** 2).mean()))


def visible_mae(
    photo: NDArray[Any], rendered: NDArray[Any], visible: NDArray[np.bool_], name: str = "photo"
) -> float:
    """Mean absolute error over the visible face and channels, sRGB codes 0 to 255.

    What the published evaluation code of FOCUS computes (``pixel_valid_MAE``); arguments and errors as
    :func:`visible_rmse`.
    """
    return float(np.abs(_difference(photo, rendered, visible, name)).mean())


def lab_from_srgb(colours: NDArray[Any]) -> Array:
    """CIE L*a*b* (D65, 2°) of sRGB codes.

    Args:
        colours: (..., 3) codes, uint8 or float in [0, 255].

    Returns:
        (..., 3) float64: L* in [0, 100], a*, b*.

    Source: IEC 61966-2-1 and CIE 15:2004.
    """
    return lab_from_linear(decode_srgb(np.asarray(colours, dtype=np.float64) / 255))


def delta_e(one: NDArray[Any], other: NDArray[Any]) -> Array:
    r"""CIE 1976 colour difference :math:`\Delta E^*_{ab}`, the distance in L*a*b*; about 2.3 is just noticeable.

    Args:
        one: (..., 3) sRGB codes.
        other: (..., 3) sRGB codes.

    Returns:
        (...) float64.
    """
    apart: Array = np.linalg.norm(lab_from_srgb(one) - lab_from_srgb(other), axis=-1)
    return apart
