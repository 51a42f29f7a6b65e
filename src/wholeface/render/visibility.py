"""Which points does the camera see: comparison with the depth map."""

from __future__ import annotations

import torch
from torch import Tensor

from .camera import Camera
from .raster.rasterize import Fragments, rasterize

__all__ = ["visible_points", "visible_vertices"]

_TOLERANCE = 2.0


def visible_points(
    points_cam: Tensor, fragments: Fragments, camera: Camera, *, tolerance: float = _TOLERANCE
) -> Tensor:
    """Points that lie no deeper than what the image shows at their place.

    A point is compared with the deepest of the four pixels around its projection, so that surfaces seen at a
    grazing angle do not hide themselves. A pixel of background counts as infinitely deep.

    Args:
        points_cam: (N, P, 3) or (P, 3) mm, camera space.
        fragments: of N images, rasterised with ``camera``.
        camera: as rasterised.
        tolerance: mm that a point may lie behind the surface.

    Returns:
        (N, P) bool; False outside the image and behind the camera.
    """
    points = points_cam.detach() if points_cam.ndim == 3 else points_cam.detach()[None]
    images, height, width = fragments.depth.shape
    pixel = camera.project(points).detach()
    ahead = points[..., 2] < 0
    in_image = ((pixel >= -0.5) & (pixel <= pixel.new_tensor([width - 0.5, height - 0.5]))).all(-1) & ahead
    corner = torch.where(in_image[..., None], pixel, torch.zeros_like(pixel)).floor().long()
    image = torch.arange(images, device=points.device)[:, None]
    deepest = torch.zeros_like(points[..., 2])
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column = (corner[..., 0] + right).clamp(0, width - 1)
        row = (corner[..., 1] + down).clamp(0, height - 1)
        deepest = torch.maximum(deepest, fragments.depth[image, row, column].to(deepest.dtype))
    return in_image & (-points[..., 2] <= deepest + tolerance)


def visible_vertices(
    points_cam: Tensor,
    triangles: Tensor,
    camera: Camera,
    *,
    tolerance: float = _TOLERANCE,
    fragments: Fragments | None = None,
) -> Tensor:
    """Vertices of a mesh that the mesh itself does not hide; see :func:`visible_points`.

    Args:
        points_cam: (N, V, 3) or (V, 3) mm, camera space.
        triangles: (F, 3) int64.
        camera: its resolution limits the detail of the test.
        tolerance: mm that a vertex may lie behind the surface.
        fragments: of the same mesh and camera, if there are some already.

    Returns:
        (N, V) bool. Vertices of back faces that nothing covers count as visible: combine with the sign of the
        normals where that matters.
    """
    if fragments is None:
        fragments = rasterize(points_cam, triangles, camera)
    return visible_points(points_cam, fragments, camera, tolerance=tolerance)
