"""Bilinear texture look-up."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["sample_texture"]


def sample_texture(texture: Tensor, uv: Tensor) -> Tensor:
    """Bilinear look-up, differentiable in the texture and in the coordinates.

    Convention: u to the right, v up; row 0 of the texture lies at v = 1; texel centres at (i + ½) / S. Beyond
    the outermost centres the border texel is repeated.

    Args:
        texture: (C, S, T) or (N, C, S, T) float.
        uv: (..., 2), or (N, ..., 2) for a batch of textures.

    Returns:
        (..., C) or (N, ..., C).
    """
    single = texture.ndim == 3
    textures = texture[None] if single else texture
    grid = torch.stack((2 * uv[..., 0] - 1, 1 - 2 * uv[..., 1]), dim=-1).to(texture.dtype)
    flat = grid.reshape(1 if single else textures.shape[0], -1, 1, 2)
    sampled = torch.nn.functional.grid_sample(
        textures, flat, mode="bilinear", padding_mode="border", align_corners=False
    )  # (N, C, P, 1)
    return sampled.squeeze(-1).transpose(1, 2).reshape(*uv.shape[:-1], textures.shape[1])
