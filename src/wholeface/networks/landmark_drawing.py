"""Landmarks as an image that convolutions can read."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["draw_landmarks"]


def draw_landmarks(points: Tensor, height: int, width: int, sigma: float = 0.008) -> Tensor:
    r"""A soft dot at every point.

    .. math:: d(u, v) = \min\Bigl(1, \sum_l e^{-\frac{(u - u_l)^2 + (v - v_l)^2}{2 s^2}}\Bigr), \quad
        s = \max(\tfrac12, \sigma W)

    Convention: pixel (0, 0) is the centre of the top-left pixel.

    Args:
        points: (N, L, 2) pixels, x and y; may lie outside.
        height, width: of the image.
        sigma: of a dot over the width.

    Returns:
        (N, 1, height, width) in [0, 1], in the points' dtype.
    """
    spread = max(0.5, sigma * width)
    columns = torch.arange(width, device=points.device, dtype=points.dtype)
    rows = torch.arange(height, device=points.device, dtype=points.dtype)
    x = torch.exp(-0.5 * ((columns - points[..., :1]) / spread).square())  # (N, L, W)
    y = torch.exp(-0.5 * ((rows - points[..., 1:]) / spread).square())  # (N, L, H)
    return torch.einsum("nlh,nlw->nhw", y, x).clamp_max(1)[:, None]
