"""Attributes of the surface at each pixel, differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import UsageError
from .camera import Camera
from .rasterize import Fragments

__all__ = ["differentiable_barycentric", "interpolate"]


def interpolate(attributes: Tensor, triangles: Tensor, fragments: Fragments) -> Tensor:
    """Attributes at each pixel: a = Σ_j b_j a_{t_j}. Differentiable in the attributes and the barycentrics.

    Args:
        attributes: (N, V, C) or (V, C) per vertex (or per texture vertex: pass ``uv`` with ``uv_triangles``).
        triangles: (F, 3) int64, the rasterised triangles' corners in ``attributes``.
        fragments: of N images.

    Returns:
        (N, H, W, C), zero in the background.
    """
    images, height, width = fragments.triangle.shape
    packed = interpolate_covered(attributes, triangles, fragments)
    out = packed.new_zeros(images * height * width, packed.shape[-1])
    return out.index_copy(0, fragments.pixels, packed).reshape(images, height, width, -1)


def interpolate_covered(attributes: Tensor, triangles: Tensor, fragments: Fragments) -> Tensor:
    """(P, C): like :func:`interpolate` at the covered pixels ``fragments.pixels`` only."""
    images, height, width = fragments.triangle.shape
    corner, barycentric = _corners(attributes, triangles, fragments)
    del images, height, width
    picked = attributes.reshape(-1, attributes.shape[-1])[corner]  # (P, 3, C)
    return (picked * barycentric[..., None].to(picked.dtype)).sum(1)


def differentiable_barycentric(
    points_cam: Tensor, triangles: Tensor, fragments: Fragments, camera: Camera
) -> Tensor:
    r"""Barycentrics of ``fragments`` as a differentiable function of positions and camera.

    The ray through a pixel is :math:`d = ((u - c_x)/f, (c_y - v)/f, -1)`. Shearing space along the ray puts it
    on the viewing axis: :math:`q_j = (x_j + z_j d_x, y_j + z_j d_y)`; then
    :math:`b_j \propto q_{j+1} \times q_{j+2}`.

    Which triangle a pixel sees is taken as given, so there is no gradient from the silhouette or from one part
    of the surface covering another.

    Args:
        points_cam: (N, V, 3) or (V, 3) as rasterised.
        triangles: (F, 3) int64.
        fragments: of N images.
        camera: may hold tensors that require gradients.

    Returns:
        (N, H, W, 3), zero in the background; equal to ``fragments.barycentric`` up to the rasteriser's snapping
        to 1/256 pixel.
    """
    images, height, width = fragments.triangle.shape
    pixels = fragments.pixels
    corner, _ = _corners(points_cam, triangles, fragments)
    picked = points_cam.reshape(-1, 3)[corner]  # (P, 3, 3)
    image = pixels // (height * width)
    place = pixels % (height * width)

    def intrinsic(value: float | Tensor) -> float | Tensor:
        if isinstance(value, Tensor):
            return value[image] if value.ndim == 1 else value
        return value

    column = (place % width).to(points_cam.dtype)
    row = (place // width).to(points_cam.dtype)
    dx = (column - intrinsic(camera.cx)) / intrinsic(camera.focal)
    dy = (intrinsic(camera.cy) - row) / intrinsic(camera.focal)
    qx = picked[..., 0] + picked[..., 2] * dx[:, None]  # (P, 3)
    qy = picked[..., 1] + picked[..., 2] * dy[:, None]
    after, last = [1, 2, 0], [2, 0, 1]
    weights = qx[:, after] * qy[:, last] - qx[:, last] * qy[:, after]
    barycentric = weights / weights.sum(1, keepdim=True)
    out = barycentric.new_zeros(images * height * width, 3)
    return out.index_copy(0, pixels, barycentric).reshape(images, height, width, 3)


def _corners(attributes: Tensor, triangles: Tensor, fragments: Fragments) -> tuple[Tensor, Tensor]:
    """Corner rows (P, 3) into the flattened attributes and barycentrics (P, 3) of the covered pixels."""
    images, height, width = fragments.triangle.shape
    pixels = fragments.pixels
    corner = triangles[fragments.triangle.flatten()[pixels].long()].long()  # (P, 3)
    if attributes.ndim == 3:
        if attributes.shape[0] != images:
            raise UsageError(f"{attributes.shape[0]} attribute sets for {images} images")
        corner = corner + (pixels // (height * width) * attributes.shape[1])[:, None]
    return corner, fragments.barycentric.reshape(-1, 3)[pixels]
