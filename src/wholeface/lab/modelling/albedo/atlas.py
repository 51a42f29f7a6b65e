"""The UV atlas of a face model as texels: which surface point each texel shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, sparse

from ....core.errors import UsageError
from ....morphable.model import MorphableModel
from ....render import Camera, rasterize

__all__ = [
    "Atlas",
    "build_atlas",
    "halved",
    "pad_texture",
    "sample_rows_cols",
    "texture_at_vertices",
    "to_grid",
]

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
_SCALE = 1000.0


@dataclass(frozen=True)
class Atlas:
    """Texels of a square UV atlas.

    Convention: texel (row r, column c) has its centre at u = (c + ½) / S, v = 1 − (r + ½) / S.

    Args:
        size: edge S.
        covered: (S, S) bool, texels whose centre lies in a UV triangle.
        matrix: (S·S, V) sparse, barycentric weights of the vertices in each texel (rows of zeros where
            uncovered).
        area: (S, S) mm² of the mean mesh that each texel stands for; 0 where uncovered.
        regions: name -> (S, S) bool.
    """

    size: int
    covered: Bools
    matrix: sparse.csr_matrix
    area: Floats
    regions: dict[str, Bools]

    def texels(self, per_vertex: NDArray[Any]) -> Floats:
        """(S, S, C) interpolated values from (V, C) vertex values."""
        flat = self.matrix @ per_vertex.reshape(per_vertex.shape[0], -1)
        return np.asarray(flat, dtype=np.float32).reshape(self.size, self.size, -1)


def sample_rows_cols(image: NDArray[Any], where: NDArray[Any], order: int = 1) -> Floats:
    """(…, C) samples of an image (H, W, C) at fractional (row, column) positions (…, 2), edges repeated."""
    coordinates = [where[..., 0], where[..., 1]]
    channels = [
        ndimage.map_coordinates(image[..., c], coordinates, order=order, mode="nearest", output=np.float32)
        for c in range(image.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def to_grid(values: NDArray[Any], zone: Bools) -> NDArray[Any]:
    """(S, S, …) texture from (T, …) values of the zone, 0 elsewhere."""
    grid: NDArray[Any] = np.zeros(zone.shape + values.shape[1:], dtype=values.dtype)
    grid[zone] = values
    return grid


def halved(values: NDArray[Any], fine: Bools, zone: Bools) -> NDArray[np.float64]:
    """Averages of 2 × 2 texels over those of them that a finer zone covers.

    Args:
        values: (T', C) of the finer zone's texels.
        fine: (2S, 2S) the finer zone.
        zone: (S, S) where averages are wanted.

    Returns:
        (T, C), 0 where none is covered.
    """
    size = zone.shape[0]
    shares = fine.reshape(size, 2, size, 2).sum((1, 3))
    total = to_grid(values.astype(np.float32), fine).reshape(size, 2, size, 2, -1).sum((1, 3))
    result: NDArray[np.float64] = total[zone] / np.maximum(shares[zone], 1)[:, None]
    return result


def pad_texture(texture: NDArray[Any], covered: Bools) -> NDArray[Any]:
    """Each texel outside ``covered`` takes the value of the nearest covered one; texture is (S, S, C)."""
    nearest = ndimage.distance_transform_edt(~covered, return_distances=False, return_indices=True)
    padded: NDArray[Any] = texture[nearest[0], nearest[1]]
    return padded


def build_atlas(model: MorphableModel, size: int) -> Atlas:
    """Rasterise a model's UV triangles.

    Args:
        model: with ``uv`` and ``uv_triangles``, mirror-symmetric about u = ½; ``regions`` are used where
            present.
        size: texels along an edge.

    Raises:
        UsageError: the model has no UV coordinates.
    """
    if model.uv is None or model.uv_triangles is None:
        raise UsageError(f"model {model.name!r} has no UV coordinates; the albedo stage needs them")
    uv = model.uv.double()
    flat = torch.cat((uv * _SCALE, uv.new_full((len(uv), 1), -_SCALE)), dim=1)
    camera = Camera(float(size), -0.5, size - 0.5, size, size)
    fragments = rasterize(flat, model.uv_triangles, camera)
    triangle = fragments.triangle[0].numpy().astype(np.int64)
    barycentric = fragments.barycentric[0].double().numpy()
    covered = triangle >= 0
    corners = model.triangles.numpy()[triangle]  # (S, S, 3)
    rows = np.flatnonzero(covered)
    matrix = sparse.csr_matrix(
        (
            barycentric[covered].ravel(),
            (np.repeat(rows, 3), corners[covered].ravel()),
        ),
        shape=(size * size, model.vertex_count),
    )
    regions = {}
    for name, mask in model.regions.items():
        share = (matrix @ mask.numpy().astype(np.float64)).reshape(size, size)
        regions[name] = (share > 0.5) & covered
    return Atlas(size, covered, matrix, _texel_area(model, triangle, size), regions)


def _texel_area(model: MorphableModel, triangle: Ints, size: int) -> Floats:
    """mm² per texel: a triangle's area on the mean mesh over its area in texels."""
    assert model.uv is not None
    assert model.uv_triangles is not None
    p = model.mean.double().numpy()[model.triangles.numpy()]
    q = model.uv.double().numpy()[model.uv_triangles.numpy()] * size
    surface = 0.5 * np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1)
    a, b = q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]
    texels = 0.5 * np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    ratio = surface / np.maximum(texels, 1e-3)
    return np.where(triangle >= 0, ratio[triangle], 0).astype(np.float32)


def texture_at_vertices(model: MorphableModel, texture: NDArray[Any]) -> Floats:
    """(V, C) values of a padded texture (S, S, C) at the vertices, averaged over a vertex's UV corners."""
    assert model.uv is not None
    assert model.uv_triangles is not None
    size = texture.shape[0]
    uv = model.uv.double().numpy()
    where = np.stack(((1 - uv[:, 1]) * size - 0.5, uv[:, 0] * size - 0.5), axis=1)
    at_uv = sample_rows_cols(texture, where)
    pairs = np.unique(
        np.stack((model.triangles.numpy().ravel(), model.uv_triangles.numpy().ravel()), axis=1), axis=0
    )
    total = np.zeros((model.vertex_count, texture.shape[-1]))
    count = np.zeros(model.vertex_count)
    np.add.at(total, pairs[:, 0], at_uv[pairs[:, 1]])
    np.add.at(count, pairs[:, 0], 1)
    return (total / np.maximum(count, 1)[:, None]).astype(np.float32)
