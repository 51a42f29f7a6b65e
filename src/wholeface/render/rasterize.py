"""Which triangle does each pixel see, and where on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import UsageError
from ._raster_common import NEAR
from .camera import Camera

__all__ = ["Backend", "Fragments", "rasterize"]

Backend = Literal["auto", "numba", "triton", "reference"]


@dataclass(frozen=True)
class Fragments:
    """What a rasterised image sees at each pixel centre.

    Args:
        triangle: (N, H, W) int32 index into the triangles; −1 = background.
        barycentric: (N, H, W, 3) perspective-correct weights of the triangle's corners, summing to 1; 0 in the
            background.
        depth: (N, H, W) distance along the viewing axis, positive mm; inf = background.
    """

    triangle: Tensor
    barycentric: Tensor
    depth: Tensor

    @property
    def mask(self) -> Tensor:
        """(N, H, W) bool, where something was hit."""
        return self.triangle >= 0

    @cached_property
    def pixels(self) -> Tensor:
        """(P,) int64, flat indices into (N, H, W) of the covered pixels in ascending order."""
        return self.mask.flatten().nonzero().squeeze(1)


def rasterize(
    points_cam: Tensor,
    triangles: Tensor,
    camera: Camera,
    backend: Backend = "auto",
    *,
    cull_backfaces: bool = False,
    near: float = NEAR,
) -> Fragments:
    """Rasterise meshes that share their triangles.

    Not differentiable: use :func:`differentiable_barycentric` on the result. All backends return the same bits.
    Edges shared by two triangles are drawn exactly once, without holes. Nothing is clipped: a triangle with a
    corner behind the camera or nearer than ``near``, beyond 65,536 pixels, or not finite is left out whole.

    Args:
        points_cam: (N, V, 3) or (V, 3) float32 or float64, camera space, mm.
        triangles: (F, 3) int64 or int32, counter-clockwise seen from outside.
        camera: image size and intrinsics; tensors of intrinsics may have N entries.
        backend: ``numba`` (CPU), ``triton`` (CUDA), ``reference`` (numpy, for tests) or ``auto`` (by device).
        cull_backfaces: leave out triangles that turn their back to the camera.
        near: smallest depth, mm.

    Returns:
        Fragments on the device and in the dtype of ``points_cam``, always with the batch dimension N.

    Raises:
        UsageError: shapes that do not fit, an unknown backend, or triangles that name vertices that do not exist.
    """
    points = points_cam.detach()
    if points.ndim == 2:
        points = points[None]
    if points.ndim != 3 or points.shape[-1] != 3 or points.dtype not in (torch.float32, torch.float64):
        raise UsageError(
            f"points must be float32 or float64 of shape (N, V, 3), got {points.dtype} {tuple(points_cam.shape)}"
        )
    if triangles.ndim != 2 or triangles.shape[-1] != 3:
        raise UsageError(f"triangles must have the shape (F, 3), got {tuple(triangles.shape)}")
    if not near > 0:
        raise UsageError(f"near must be positive, got {near}")
    if backend == "auto":
        backend = "triton" if points.is_cuda else "numba"
    if backend == "triton":
        _check_indices(triangles, points.shape[1])
        from ._raster_triton import rasterize_triton

        return Fragments(*rasterize_triton(points, triangles, camera, near, cull_backfaces))
    if backend == "numba":
        from ._raster_numba import rasterize_numba as run
    elif backend == "reference":
        from ._raster_reference import rasterize_reference as run
    else:
        raise UsageError(f"unknown backend {backend!r}: choose auto, numba, triton or reference")
    faces = triangles.detach().cpu().contiguous().numpy()
    _check_indices(faces, points.shape[1])
    results = [
        run(
            mesh,
            faces,
            tuple(_nth(value, n) for value in (camera.focal, camera.cx, camera.cy)),  # type: ignore[arg-type]
            (camera.width, camera.height),
            near,
            cull_backfaces,
        )
        for n, mesh in enumerate(points.cpu().contiguous().numpy())
    ]
    return Fragments(*(_stack(parts).to(points.device) for parts in zip(*results)))


def _check_indices(triangles: Any, count: int) -> None:
    # numpy on the CPU: torch would wake its threads for a job of microseconds
    if len(triangles) and not (int(triangles.min()) >= 0 and int(triangles.max()) < count):
        raise UsageError(f"triangles name vertices outside 0…{count - 1}")


def _nth(value: float | Tensor, n: int) -> float:
    if isinstance(value, Tensor):
        value = value.detach()
        return float(value[n] if value.ndim == 1 else value)
    return value


def _stack(parts: tuple[Any, ...]) -> Tensor:
    return torch.from_numpy(parts[0][None] if len(parts) == 1 else np.stack(parts))
