"""Which triangle does each pixel see, and where on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ...core.errors import UsageError
from ...core.short_repr import short_repr
from ..camera import Camera
from ._common import NEAR

__all__ = ["Backend", "Fragments", "rasterize"]

Backend = Literal["auto", "numba", "triton", "reference"]


@dataclass(frozen=True)
class Fragments:
    """What a rasterised image sees at each pixel centre.

    Args:
        triangle: (N, H, W) int32 index into the triangles; −1 = background.
        barycentric: (N, H, W, 3) perspective-correct weights of the triangle's corners, summing to 1; 0 in
            the background.
        depth: (N, H, W) distance along the viewing axis, positive mm; inf = background.
    """

    triangle: Tensor
    barycentric: Tensor
    depth: Tensor

    __repr__ = short_repr

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

    Not differentiable: use :func:`differentiable_barycentric` on the result. All backends return the same
    bits. Edges shared by two triangles are drawn exactly once, without holes. Nothing is clipped: a triangle
    with a corner behind the camera or nearer than ``near``, beyond 65,536 pixels, or not finite is left out.

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
        UsageError: shapes that do not fit, an unknown backend, or triangles that name missing vertices.
    """
    points = points_cam.detach()
    if points.ndim == 2:
        points = points[None]
    if points.ndim != 3 or points.shape[-1] != 3 or points.dtype not in (torch.float32, torch.float64):
        raise UsageError(
            f"points must be float32 or float64 of shape (N, V, 3), not {points.dtype} {tuple(points.shape)}"
        )
    if triangles.ndim != 2 or triangles.shape[-1] != 3:
        raise UsageError(f"triangles must have the shape (F, 3), got {tuple(triangles.shape)}")
    if not near > 0:
        raise UsageError(f"near must be positive, got {near}")
    if backend == "auto":
        backend = "triton" if points.is_cuda else "numba"
    run: Any
    faces: Any
    arrays: Any
    if backend == "triton":
        run, faces, arrays = _triton(points), triangles.long(), points
    elif backend == "numba":
        from ._numba import rasterize_numba as run
    elif backend == "reference":
        from ._reference import rasterize_reference as run
    else:
        raise UsageError(f"unknown backend {backend!r}: choose auto, numba, triton or reference")
    if backend != "triton":
        # numpy from here on: torch would wake its threads for jobs of microseconds
        faces, arrays = (t.detach().cpu().contiguous().numpy() for t in (triangles.long(), points))
    if len(faces) and not (int(faces.min()) >= 0 and int(faces.max()) < points.shape[1]):
        raise UsageError(f"triangles name vertices outside 0…{points.shape[1] - 1}")
    size = (camera.width, camera.height)
    results = [
        run(
            mesh,
            faces,
            tuple(_nth(x, n) for x in (camera.focal, camera.cx, camera.cy)),
            size,
            near,
            cull_backfaces,
        )
        for n, mesh in enumerate(arrays)
    ]
    return Fragments(*(_stack(parts).to(points.device) for parts in zip(*results)))


def _triton(points: Tensor) -> Any:
    try:
        from ._triton import rasterize_triton
    except ImportError as error:
        raise UsageError(
            "rasterising on CUDA needs the package triton; install it or choose backend='numba'"
        ) from error
    if not points.is_cuda:
        raise UsageError("backend='triton' needs points on a CUDA device; on the CPU use 'numba'")
    return rasterize_triton


def _nth(value: float | Tensor, n: int) -> float:
    if isinstance(value, Tensor):
        value = value.detach()
        return float(value[n] if value.ndim == 1 else value)
    return value


def _stack(parts: tuple[Any, ...]) -> Tensor:
    if isinstance(parts[0], Tensor):
        return torch.stack(parts)
    return torch.from_numpy(parts[0][None] if len(parts) == 1 else np.stack(parts))
