"""Bilinear resizing whose result does not depend on the number of threads."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["resize_bilinear"]


def resize_bilinear(planes: Tensor, height: int, width: int) -> Tensor:
    r"""Interpolate between rows, then between columns: :math:`x = x_0 + t\,(x_1 - x_0)`.

    ``torch.nn.functional.interpolate`` takes another kernel when torch has one thread than when it has several, and
    their results differ in the last bit. Here every operation is rounded by itself, so that neither threads nor
    vector lengths matter.

    Convention: pixel edges are aligned (``align_corners=False``), borders repeat; nothing is averaged where the
    result is smaller.

    Args:
        planes: (..., h, w).
        height, width: of the result.

    Returns:
        (..., height, width), differentiable with respect to ``planes``.
    """
    # Whole rows are copied fast, single values are not: the columns are interpolated as rows.
    return _rows(_rows(planes, height).mT.contiguous(), width).mT


def _rows(planes: Tensor, count: int) -> Tensor:
    """(..., h, w) -> (..., count, w)."""
    first, second, share = _neighbours(planes, planes.shape[-2], count)
    upper = planes.index_select(-2, first)
    return upper + (planes.index_select(-2, second) - upper) * share[:, None]


def _neighbours(like: Tensor, old: int, new: int) -> tuple[Tensor, Tensor, Tensor]:
    """The two source indices of each new place along an axis, and the share of the second."""
    place = (torch.arange(new, dtype=torch.float64, device=like.device) + 0.5) * (old / new) - 0.5
    place = place.clamp(0, old - 1)
    first = place.long()
    return first, (first + 1).clamp(max=old - 1), (place - first).to(like.dtype)
