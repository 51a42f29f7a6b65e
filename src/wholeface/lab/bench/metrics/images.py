"""How near an image is to the true one inside a mask: PSNR, SSIM, colour difference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ....core.cielab import lab_from_linear
from ....core.errors import UsageError
from ....core.srgb import LINEAR_OF_BYTE

__all__ = ["delta_e", "delta_e_of_means", "psnr", "ssim"]

_Bytes = NDArray[np.uint8]
_Mask = NDArray[np.bool_]
_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(found: _Bytes, truth: _Bytes, mask: _Mask) -> float:
    r"""Peak signal-to-noise ratio inside a mask in dB, :math:`10 \log_{10} (255^2 / \text{MSE})`.

    Args:
        found, truth: (H, W, 3) uint8 sRGB.
        mask: (H, W).

    Returns:
        dB; 100 where the two are equal.

    Raises:
        UsageError: other shapes, or an empty mask.
    """
    _check(found, truth, mask)
    error = float(np.square(found[mask].astype(np.float64) - truth[mask]).mean())
    return 100.0 if error == 0 else float(10 * np.log10(255.0**2 / error))


def ssim(found: _Bytes, truth: _Bytes, mask: _Mask) -> float:
    """Structural similarity of luma, its map averaged inside a mask; Gaussian windows of 1.5 pixels.

    Args, Raises: as :func:`psnr`.

    Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity".
    """
    _check(found, truth, mask)
    luma = np.array([0.299, 0.587, 0.114])
    x, y = found @ luma, truth @ luma

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        blurred: NDArray[np.float64] = gaussian_filter(values, _SIGMA, truncate=3.5, mode="reflect")
        return blurred

    mx, my = mean(x), mean(y)
    vx, vy, both = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    values = (2 * mx * my + _C1) * (2 * both + _C2) / ((mx * mx + my * my + _C1) * (vx + vy + _C2))
    return float(values[mask].mean())


def delta_e(found: _Bytes, truth: _Bytes, mask: _Mask) -> float:
    """Mean CIE76 colour difference of the pixels inside a mask; about 2.3 is just noticed.

    Args, Raises: as :func:`psnr`.
    """
    _check(found, truth, mask)
    a, b = (lab_from_linear(LINEAR_OF_BYTE[image[mask]]) for image in (found, truth))
    return float(np.linalg.norm(a - b, axis=1).mean())


def delta_e_of_means(found: _Bytes, truth: _Bytes, mask: _Mask) -> float:
    """CIE76 difference of the mean colours (of linear light) inside a mask.

    Args, Raises: as :func:`psnr`.
    """
    _check(found, truth, mask)
    a, b = (lab_from_linear(LINEAR_OF_BYTE[image[mask]].mean(axis=0)) for image in (found, truth))
    return float(np.linalg.norm(a - b))


def _check(found: _Bytes, truth: _Bytes, mask: _Mask) -> None:
    if found.shape != truth.shape or found.ndim != 3 or mask.shape != found.shape[:2]:
        raise UsageError(
            f"images and mask of one size are needed, got {found.shape}, {truth.shape}, {mask.shape}"
        )
    if not mask.any():
        raise UsageError("the mask is empty: there is nothing to compare")
