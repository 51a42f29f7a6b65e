"""Spectacles as a mask alone: two lenses and a bridge about the eyes, for faces that wear none."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["draw_lenses"]


def draw_lenses(points: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A random pair of lenses for each face.

    Each lens is a superellipse about an eye, turned with the line of the eyes: 0.28 to 0.48 of the eyes' distance to
    each side, 0.18 to 0.42 up and down, between an ellipse and nearly a rectangle; a bridge joins them.

    Args:
        points: (N, 68, 2) landmarks, pixels.
        size: edge of the mask.
        generator: on the CPU.

    Returns:
        (N, 1, size, size) float32, 1 = lens or bridge.
    """
    count = len(points)
    draws = torch.rand(count, 5, generator=generator)
    right, left = points[:, 36:42].mean(1), points[:, 42:48].mean(1)  # (N, 2)
    across = left - right
    distance = across.norm(dim=1).clamp_min(1e-3)
    direction = across / distance[:, None]
    wide = (0.28 + 0.20 * draws[:, 0]) * distance
    high = (0.18 + 0.24 * draws[:, 1]) * distance
    power = 2 + 3 * draws[:, 2]
    low = (0.12 * draws[:, 3] - 0.02) * distance  # lenses hang a little below the pupils
    thick = (0.03 + 0.04 * draws[:, 4]) * distance
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    grid = torch.stack([columns, rows], dim=-1).to(points)  # (S, S, 2)
    found = torch.zeros(count, size, size)
    for centre in (right, left, (right + left) / 2):
        offset = grid - centre[:, None, None]
        u = (offset * direction[:, None, None]).sum(-1)
        v = offset[..., 1] * direction[:, None, None, 0] - offset[..., 0] * direction[:, None, None, 1]
        if centre is right or centre is left:
            reach = ((u / _as(wide)).abs() ** _as(power)) + (((v - _as(low)) / _as(high)).abs() ** _as(power))
            found = torch.maximum(found, (reach <= 1).float())
        else:
            bridge = (u.abs() <= _as(distance / 2)) & (v.abs() <= _as(thick))
            found = torch.maximum(found, bridge.float())
    return found[:, None]


def _as(values: Tensor) -> Tensor:
    return values[:, None, None]
