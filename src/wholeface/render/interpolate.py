"""Attributes of the surface at each pixel, differentiable."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..core.errors import UsageError
from ._functions import BarycentricFunction, InterpolateFunction
from .camera import Camera
from .raster.rasterize import Fragments

__all__ = ["differentiable_barycentric", "interpolate"]


def interpolate(attributes: Tensor, triangles: Tensor, fragments: Fragments) -> Tensor:
    """Attributes at each pixel: a = Σ_j b_j a_{t_j}. Differentiable in the attributes and the barycentrics.

    Args:
        attributes: (N, V, C) or (V, C) per vertex (or per texture vertex: pass ``uv`` with ``uv_triangles``).
        triangles: (F, 3) int64, the rasterised triangles' corners in ``attributes``.
        fragments: of N images.

    Returns:
        (N, H, W, C), zero in the background.

    Raises:
        UsageError: as many attribute sets as neither 1 nor N.
    """
    return unpack(interpolate_covered(attributes, triangles, Covered(fragments)), fragments)


def differentiable_barycentric(
    points_cam: Tensor, triangles: Tensor, fragments: Fragments, camera: Camera
) -> Tensor:
    r"""Barycentrics of ``fragments`` as a differentiable function of positions and camera.

    The ray through a pixel is :math:`d = ((u - c_x)/f, (c_y - v)/f, -1)`. Shearing space along the ray puts
    it on the viewing axis, :math:`q_j = (x_j + z_j d_x,\; y_j + z_j d_y)`; then
    :math:`b_j \propto q_{j+1} \times q_{j+2}`.

    Which triangle a pixel sees is taken as given, so there is no gradient from the silhouette or from one
    part of the surface covering another.

    Args:
        points_cam: (N, V, 3) or (V, 3) as rasterised.
        triangles: (F, 3) int64.
        fragments: of N images.
        camera: may hold tensors that require gradients.

    Returns:
        (N, H, W, 3), zero in the background; equal to ``fragments.barycentric`` up to the rasteriser's
        snapping to 1/256 pixel. In slivers that are seen so edge-on that the two differ by more than 0.25,
        the rasterised weights are passed through, without gradient.
    """
    return unpack(barycentric_covered(points_cam, triangles, Covered(fragments), camera), fragments)


class Covered:
    """The covered pixels of some fragments, packed: P of them, in the order of ``Fragments.pixels``.

    Attributes:
        winner: (P,) int64 triangle.
        image: (P,) int64 which of the N images.
        place: (P,) int64 row · W + column.
        barycentric: (P, 3).
        images: N.
        width: W.
    """

    def __init__(self, fragments: Fragments) -> None:
        self.images, height, self.width = fragments.triangle.shape
        pixels = fragments.pixels
        self.winner = fragments.triangle.reshape(-1)[pixels].long()
        if self.images == 1:
            self.image, self.place = torch.zeros_like(pixels), pixels
        else:
            self.image = pixels // (height * self.width)
            self.place = pixels - self.image * (height * self.width)
        self.barycentric = fragments.barycentric.reshape(-1, 3)[pixels]

    def with_barycentric(self, barycentric: Tensor) -> Covered:
        """The same pixels with other weights (P, 3)."""
        other = object.__new__(Covered)
        other.__dict__.update(self.__dict__, barycentric=barycentric)
        return other


def unpack(packed: Tensor, fragments: Fragments) -> Tensor:
    """(N, H, W, C) from values (P, C) of the covered pixels; zero elsewhere."""
    shape = fragments.triangle.shape
    out = packed.new_zeros(shape.numel(), packed.shape[-1])
    return out.index_copy(0, fragments.pixels, packed).reshape(*shape, packed.shape[-1])


def interpolate_covered(attributes: Tensor, triangles: Tensor, covered: Covered) -> Tensor:
    """(P, C): :func:`interpolate` at the covered pixels only."""
    batched = attributes if attributes.ndim == 3 else attributes[None]
    if batched.shape[0] not in (1, covered.images):
        raise UsageError(f"{batched.shape[0]} sets of attributes for {covered.images} images")
    image = covered.image if batched.shape[0] > 1 else torch.zeros_like(covered.image)
    barycentric = covered.barycentric.to(batched.dtype)
    if batched.is_cuda:
        return _interpolate_torch(batched, barycentric, triangles, covered.winner, image)
    out: Tensor = InterpolateFunction.apply(batched, barycentric, triangles.long(), covered.winner, image)  # type: ignore[no-untyped-call]
    return out


def barycentric_covered(points_cam: Tensor, triangles: Tensor, covered: Covered, camera: Camera) -> Tensor:
    """(P, 3): :func:`differentiable_barycentric` at the covered pixels only."""
    points = points_cam if points_cam.ndim == 3 else points_cam[None]
    if points.shape[0] != covered.images:
        raise UsageError(f"{points.shape[0]} meshes for {covered.images} images")
    intrinsics = _intrinsics((camera.focal, camera.cx, camera.cy), points)
    arguments = (points, intrinsics, covered.barycentric, triangles.long(), covered.winner, covered.image)
    if points.is_cuda:
        return _barycentric_torch(*arguments, covered.place, covered.width)
    out: Tensor = BarycentricFunction.apply(*arguments, covered.place, covered.width)  # type: ignore[no-untyped-call]
    return out


def _intrinsics(values: Sequence[float | Tensor], points: Tensor) -> Tensor:
    """(N, 3) float64 focal, cx, cy."""
    count = points.shape[0]
    columns = [
        torch.as_tensor(value, dtype=torch.float64, device=points.device).expand(count) for value in values
    ]
    return torch.stack(columns, dim=1)


def _interpolate_torch(
    attributes: Tensor, barycentric: Tensor, triangles: Tensor, winner: Tensor, image: Tensor
) -> Tensor:
    """Twin of the CPU kernel, for CUDA."""
    corner = triangles[winner].long() + (image * attributes.shape[1])[:, None]  # (P, 3)
    picked = attributes.reshape(-1, attributes.shape[-1])[corner]  # (P, 3, C)
    return (picked * barycentric[..., None]).sum(1)


def _barycentric_torch(
    points: Tensor,
    intrinsics: Tensor,
    raster: Tensor,
    triangles: Tensor,
    winner: Tensor,
    image: Tensor,
    place: Tensor,
    width: int,
) -> Tensor:
    """Twin of the CPU kernel, for CUDA."""
    corner = triangles[winner] + (image * points.shape[1])[:, None]
    picked = points.reshape(-1, 3)[corner].double()  # (P, 3 corners, 3)
    focal, cx, cy = intrinsics[image].unbind(1)
    dx = (place % width - cx) / focal
    dy = (cy - place // width) / focal
    x = picked[..., 0] + picked[..., 2] * dx[:, None]
    y = picked[..., 1] + picked[..., 2] * dy[:, None]
    weights = x.roll(-1, 1) * y.roll(-2, 1) - x.roll(-2, 1) * y.roll(-1, 1)
    total = weights.sum(1, keepdim=True)
    exact = weights / torch.where(total == 0, torch.ones_like(total), total)
    accepted = (total != 0) & ((exact - raster).abs() <= 0.25).all(1, keepdim=True)
    # Slivers leave before the division, or their infinite gradients would leak through `where`.
    total = torch.where(accepted, total, torch.ones_like(total))
    return torch.where(accepted, weights / total, raster.double()).to(points.dtype)
