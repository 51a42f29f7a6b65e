"""Autograd functions around the CPU kernels. Shapes: B meshes, V vertices, P covered pixels, C channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["BarycentricFunction", "InterpolateFunction", "NormalsFunction"]


def _numpy(*tensors: Tensor) -> list[Any]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


class InterpolateFunction(torch.autograd.Function):
    """(attributes (B, V, C), barycentric (P, 3), triangles, winner (P,), image (P,)) -> (P, C)."""

    @staticmethod
    def forward(ctx: Any, attributes: Tensor, barycentric: Tensor, *indices: Tensor) -> Tensor:
        from ._kernels import interpolate_forward

        ctx.save_for_backward(attributes, barycentric, *indices)
        out = attributes.new_empty(barycentric.shape[0], attributes.shape[2])
        arrays = _numpy(attributes, *indices, barycentric, out)
        interpolate_forward(*arrays)
        return out

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from ._kernels import interpolate_backward

        attributes, barycentric, *indices = ctx.saved_tensors
        grad_attributes = torch.zeros_like(attributes, memory_format=torch.contiguous_format)
        grad_barycentric = torch.empty_like(barycentric, memory_format=torch.contiguous_format)
        interpolate_backward(
            *_numpy(attributes, *indices, barycentric, grad, grad_attributes, grad_barycentric)
        )
        return grad_attributes, grad_barycentric, None, None, None


class BarycentricFunction(torch.autograd.Function):
    """(points (B, V, 3), intrinsics (N, 3) float64, raster (P, 3), triangles, winner, image, place (P,), width)."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, intrinsics: Tensor, raster: Tensor, *rest: Any) -> Tensor:
        from ._kernels import barycentric_forward

        *indices, ctx.width = rest
        ctx.save_for_backward(points, intrinsics, raster, *indices)
        out = points.new_empty(raster.shape[0], 3)
        arrays = _numpy(points, *indices)
        barycentric_forward(*arrays, ctx.width, *_numpy(intrinsics, raster, out))
        return out

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from ._kernels import barycentric_backward

        points, intrinsics, raster, *indices = ctx.saved_tensors
        grad_points = torch.zeros_like(points, memory_format=torch.contiguous_format)
        grad_intrinsics = torch.zeros_like(intrinsics, memory_format=torch.contiguous_format)
        barycentric_backward(
            *_numpy(points, *indices), ctx.width, *_numpy(intrinsics, raster, grad, grad_points, grad_intrinsics)
        )
        return grad_points, grad_intrinsics, None, None, None, None, None, None


class NormalsFunction(torch.autograd.Function):
    """(vertices (B, V, 3), triangles (F, 3)) -> summed, unnormalised normals (B, V, 3)."""

    @staticmethod
    def forward(ctx: Any, vertices: Tensor, triangles: Tensor) -> Tensor:
        from ._kernels import normals_forward

        ctx.save_for_backward(vertices, triangles)
        total = torch.zeros_like(vertices, memory_format=torch.contiguous_format)
        normals_forward(*_numpy(vertices, triangles, total))
        return total

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from ._kernels import normals_backward

        vertices, triangles = ctx.saved_tensors
        grad_vertices = torch.zeros_like(vertices, memory_format=torch.contiguous_format)
        normals_backward(*_numpy(vertices, triangles, grad, grad_vertices))
        return grad_vertices, None
