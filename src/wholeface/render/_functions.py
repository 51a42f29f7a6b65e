"""Autograd functions around the CPU kernels. Shapes: B meshes, V vertices, P covered pixels, C channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..core.threads import run_ranges
from .raster.rasterize import Fragments

__all__ = [
    "BarycentricFunction",
    "InterpolateFunction",
    "NormalsFunction",
    "ShadeFunction",
    "UnpackFunction",
    "deferred_images",
]

_LEAST = 8192  # pixels that are worth a thread


def _numpy(*tensors: Tensor) -> list[Any]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


class InterpolateFunction(torch.autograd.Function):
    """(attributes (B, V, C), barycentric (P, 3), triangles, winner (P,), image (P,)) -> (P, C)."""

    @staticmethod
    def forward(ctx: Any, attributes: Tensor, barycentric: Tensor, *indices: Tensor) -> Tensor:
        from ._kernels import interpolate_forward

        ctx.save_for_backward(attributes, barycentric, *indices)
        out = attributes.new_empty(barycentric.shape[0], attributes.shape[2])
        run_ranges(interpolate_forward, len(out), _LEAST, *_numpy(attributes, *indices, barycentric, out))
        return out

    @staticmethod
    @once_differentiable
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
    """(points (N, V, 3), intrinsics (N, 3) float64, raster (P, 3), indices as above, place (P,), width)."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, intrinsics: Tensor, raster: Tensor, *rest: Any) -> Tensor:
        from ._kernels import barycentric_forward

        *indices, ctx.width = rest
        ctx.save_for_backward(points, intrinsics, raster, *indices)
        out = points.new_empty(raster.shape[0], 3)
        arrays = (*_numpy(points, *indices), ctx.width, *_numpy(intrinsics, raster, out))
        run_ranges(barycentric_forward, len(out), _LEAST, *arrays)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from ._kernels import barycentric_backward

        points, intrinsics, raster, *indices = ctx.saved_tensors
        grad_points = torch.zeros_like(points, memory_format=torch.contiguous_format)
        grad_intrinsics = torch.zeros_like(intrinsics, memory_format=torch.contiguous_format)
        arrays = _numpy(points, *indices)
        more = _numpy(intrinsics, raster, grad, grad_points, grad_intrinsics)
        run: Any = barycentric_backward  # too many arguments for numba's type of a call
        run(*arrays, ctx.width, *more)
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
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from ._kernels import normals_backward

        vertices, triangles = ctx.saved_tensors
        grad_vertices = torch.zeros_like(vertices, memory_format=torch.contiguous_format)
        normals_backward(*_numpy(vertices, triangles, grad, grad_vertices))
        return grad_vertices, None


class ShadeFunction(torch.autograd.Function):
    """(albedo, normals of any length (P, 3), light (N, 9, 3), image (P,)) -> colour, unit normals (P, 3)."""

    @staticmethod
    def forward(
        ctx: Any, albedo: Tensor, normals: Tensor, light: Tensor, image: Tensor
    ) -> tuple[Tensor, Tensor]:
        from ._kernels import shade_forward

        ctx.save_for_backward(albedo, normals, light, image)
        out = torch.empty_like(albedo, memory_format=torch.contiguous_format)
        unit = torch.empty_like(normals, memory_format=torch.contiguous_format)
        run_ranges(shade_forward, len(out), _LEAST, *_numpy(albedo, normals, light, image, out, unit))
        return out, unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, grad_unit: Tensor) -> tuple[Tensor | None, ...]:
        from ._kernels import shade_backward

        albedo, normals, light, image = ctx.saved_tensors
        grad_albedo = torch.empty_like(albedo, memory_format=torch.contiguous_format)
        grad_normals = torch.empty_like(normals, memory_format=torch.contiguous_format)
        grad_light = torch.zeros(light.shape, dtype=torch.float64)
        shade_backward(
            *_numpy(albedo, normals, light, image, grad, grad_unit, grad_albedo, grad_normals, grad_light)
        )
        return grad_albedo, grad_normals, grad_light.to(light.dtype), None


class UnpackFunction(torch.autograd.Function):
    """(packed (P, C), image (P,), place (P,), (N, H, W)) -> (N, C, H, W), zero where no pixel is covered."""

    @staticmethod
    def forward(
        ctx: Any, packed: Tensor, image: Tensor, place: Tensor, shape: tuple[int, int, int]
    ) -> Tensor:
        from ._kernels import unpack_forward

        ctx.save_for_backward(image, place)
        images, height, width = shape
        out = packed.new_zeros(images, packed.shape[1], height * width)
        run_ranges(unpack_forward, len(packed), _LEAST, *_numpy(packed, image, place, out))
        return out.unflatten(2, (height, width))  # type: ignore[no-untyped-call]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from ._kernels import unpack_backward

        image, place = ctx.saved_tensors
        grad_packed = grad.new_empty(image.shape[0], grad.shape[1])
        unpack_backward(*_numpy(grad.flatten(2), image, place, grad_packed))
        return grad_packed, None, None, None


def deferred_images(
    fragments: Fragments, triangles: Tensor, normals: Tensor, albedo: Tensor, light: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Image, unit normals and albedo (N, 3, H, W) in one pass over the pixels, without gradients.

    Args:
        fragments: of N images.
        triangles: (F, 3) int64.
        normals: (N, V, 3).
        albedo: (1 or N, V, 3).
        light: (1 or N, 9, 3).
    """
    from ._kernels import deferred_forward

    images, height, width = fragments.triangle.shape
    attributes = torch.cat((normals, albedo.expand(normals.shape)), dim=-1)
    # Three blocks, not one: smaller ones come from memory that the allocator has kept
    out = [normals.new_empty(images, 3, height, width) for _ in range(3)]
    for n in range(images):
        arrays = _numpy(
            fragments.triangle[n].flatten(),
            fragments.barycentric[n].flatten(0, 1).to(normals.dtype),
            triangles,
            attributes[n],
            light[n % light.shape[0]],
            *(planes[n].flatten(1) for planes in out),
        )
        run_ranges(deferred_forward, height * width, _LEAST, *arrays)
    return out[0], out[1], out[2]
