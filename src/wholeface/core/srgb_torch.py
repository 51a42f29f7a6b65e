"""The differentiable twin of :mod:`wholeface.core.srgb`."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["linear_to_srgb", "srgb_to_linear"]


def srgb_to_linear(values: Tensor) -> Tensor:
    """Linear light from sRGB-encoded values in [0, 1] (IEC 61966-2-1), any shape."""
    values = values.clamp(min=0.0)
    return torch.where(
        values <= 0.04045, values / 12.92, ((values.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    )


def linear_to_srgb(values: Tensor) -> Tensor:
    """sRGB-encoded values from linear light in [0, 1] (IEC 61966-2-1), any shape."""
    values = values.clamp(min=0.0)
    return torch.where(
        values <= 0.0031308, values * 12.92, 1.055 * values.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    )
