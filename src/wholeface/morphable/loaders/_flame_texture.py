"""FLAME's texture space as albedo statistics, in UV and per vertex."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import ModelFileError
from ..albedo import AlbedoModel
from ._files import array, floats, indices, read_npz, require
from ._mesh import tensor

_NAMES = ("mean", "tex_dir", "vt", "ft")


def read_texture(
    path: Path, triangles: NDArray[np.int64], vertex_count: int, modes: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], AlbedoModel]:
    """UV layout and albedo of ``FLAME_texture.npz``.

    The file stores blue-green-red, 0–255, sRGB-encoded; row 0 lies at v = 1. Modes are one standard
    deviation each and are kept at half the resolution of the mean.

    Args:
        path: the ``.npz``.
        triangles: (F, 3) of the model, parallel to the file's ``ft``.
        vertex_count: V.
        modes: how many modes to keep.

    Returns:
        (U, 2) UV, (F, 3) UV triangles, albedo.

    Raises:
        ModelFileError: damaged, incomplete, or made for another mesh.
    """
    fields = read_npz(path, only=_NAMES)
    require(fields, _NAMES, path, "FLAME texture space")
    uv = floats(fields["vt"], (None, 2), "vt", path)
    uv_triangles = indices(fields["ft"], (len(triangles), 3), len(uv), "ft", path)
    mean = floats(fields["mean"], (None, None, 3), "mean", path)
    size = len(mean)
    if size < 2 or size % 2 or mean.shape[1] != size:
        raise ModelFileError(
            f"{path}: the mean texture has the shape {mean.shape}; it should be square, of even size"
        )
    directions = array(fields["tex_dir"], "tex_dir", path)
    if directions.ndim != 4 or directions.shape[-1] < 1:
        raise ModelFileError(
            f"{path}: tex_dir has the shape {directions.shape}, but should be {size} × {size} × 3 × any"
        )
    basis = floats(directions[..., : max(modes, 1)], (size, size, 3, None), "tex_dir", path)
    mean_texture = _channels_first(mean[..., None])[0]
    basis_texture = torch.nn.functional.avg_pool2d(_channels_first(basis), 2)
    place = np.zeros((vertex_count, 2), dtype=np.float32)
    place[triangles.reshape(-1)] = uv[uv_triangles.reshape(-1)]
    albedo = AlbedoModel(
        "srgb",
        _sample(mean_texture[None], place)[0],
        _sample(basis_texture, place),
        mean_texture,
        basis_texture,
    )
    return uv, uv_triangles, albedo


def _channels_first(texture: NDArray[Any]) -> torch.Tensor:
    """(K, 3, S, S) red-green-blue in [0, 1] from (S, S, 3, K) blue-green-red in [0, 255]."""
    return tensor(texture[:, :, ::-1].transpose(3, 2, 0, 1) / np.float32(255))


def _sample(textures: torch.Tensor, uv: NDArray[np.float32]) -> torch.Tensor:
    """(K, V, 3) bilinear samples of (K, 3, S, S) textures; row 0 at v = 1, texel centres at (i + ½) / S."""
    # grid_sample counts x to the right and y down from −1 to 1 over the outer texel edges.
    grid = torch.from_numpy(np.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]], axis=-1))[None, None]
    sampled = torch.nn.functional.grid_sample(
        textures.flatten(0, 1)[None], grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return sampled[0, :, 0].reshape(len(textures), 3, -1).transpose(1, 2).contiguous()
