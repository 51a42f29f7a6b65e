"""Renderings of the mean face from several sides as one sparse matrix: linear in the colours of the vertices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ....morphable import MorphableModel
from ....networks.graph import SparseMatrix
from ....render import Camera, rasterize
from ....stages.texture.graph import FaceMesh

__all__ = ["VertexViews"]


class VertexViews:
    """Draws colours of a face mesh's vertices on the mean face, in even light.

    Args:
        model: face model.
        mesh: of the model.
        size: edge of the images in pixels.
        yaws: turns of the head in degrees, one image each.
    """

    def __init__(
        self,
        model: MorphableModel,
        mesh: FaceMesh,
        size: int = 96,
        yaws: Sequence[float] = (-35.0, 0.0, 35.0),
    ) -> None:
        from scipy.sparse import csr_array

        self.size, self.count = size, len(yaws)
        number = np.full(model.vertex_count, -1)
        number[mesh.chosen] = np.arange(len(mesh))
        corners = number[model.triangles.numpy()]
        mean = model.mean.double().numpy()
        places = mean[mesh.chosen]
        middle, height = 0.5 * (places.max(0) + places.min(0)), float(np.ptp(places[:, 1]))
        camera = Camera(4.2 * size, (size - 1) / 2, (size - 1) / 2, size, size)
        pixels, columns, values = [], [], []
        for view, yaw in enumerate(np.deg2rad(yaws)):
            turn = np.array(
                [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]], dtype=np.float64
            )
            points = (mean - middle) @ turn.T - [0, 0, 4.4 * height]
            seen = rasterize(torch.from_numpy(points).float(), model.triangles, camera, "numba")
            triangle = seen.triangle[0].numpy().ravel()
            drawn = np.flatnonzero((triangle >= 0) & (corners[np.maximum(triangle, 0)] >= 0).all(axis=1))
            pixels.append(np.repeat(drawn + view * size * size, 3))
            columns.append(corners[triangle[drawn]].ravel())
            values.append(seen.barycentric[0].numpy().reshape(-1, 3)[drawn].ravel())
        place = (np.concatenate(pixels), np.concatenate(columns))
        self.matrix = SparseMatrix(
            csr_array((np.concatenate(values), place), shape=(self.count * size * size, len(mesh)))
        )

    def __call__(self, values: Tensor) -> Tensor:
        """(N, M, C) -> (N · views, C, size, size), 0 where nothing of the face mesh is seen; differentiable."""
        flat = self.matrix(values.transpose(0, 1))  # (views · P, N, C)
        images = flat.reshape(self.count, self.size, self.size, *values.shape[::2]).permute(3, 0, 4, 1, 2)
        return images.reshape(-1, values.shape[2], self.size, self.size)

    def to(self, device: torch.device | str) -> VertexViews:
        """Move the matrix, in place; returns itself."""
        self.matrix.to(device)
        return self
