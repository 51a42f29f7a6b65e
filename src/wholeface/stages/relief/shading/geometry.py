"""The foundation under each pixel: unit normals, and how slopes along rows and columns tilt them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.short_repr import short_repr
from ....render import Camera
from ...upright import UprightFace

__all__ = ["Ground", "ground", "ground_of", "slopes_to_normals"]

Array = NDArray[np.float32]
_EDGE_ON = 0.05  # cosine towards the eye below which a pixel says nothing of the surface along it


@dataclass(frozen=True)
class Ground:
    r"""The surface on which a relief stands, pixel by pixel.

    A displacement h along the unit normal n tilts it to
    :math:`n(h) \propto n - h_u\,t^u - h_v\,t^v` with the slopes per pixel along columns u and rows v and the dual
    tangents :math:`t^i \cdot P_j = \delta_{ij}` of the surface P(u, v); terms of h times curvature are left out.

    Args:
        normals: (H, W, 3) float32 unit normals, camera space; 0 beside the surface.
        along: (H, W, 3) float32 1/mm, dual tangent of the columns; 0 beside the surface and where it is seen edge-on.
        across: (H, W, 3) float32 1/mm, of the rows.
        facing: (H, W) float32 cosine between normal and the direction to the eye; 0 beside the surface.
        pixel_mm: mm that a pixel spans at the surface's median depth.
    """

    normals: Array
    along: Array
    across: Array
    facing: Array
    pixel_mm: float

    __repr__ = short_repr


def ground(normals: Array, depth: Array, camera: Camera) -> Ground:
    """The ground of a surface given by normals and depth.

    Args:
        normals: (H, W, 3) unit normals, camera space; 0 beside the surface.
        depth: (H, W) mm along the optical axis; anything beside the surface.
        camera: of the image.
    """
    rows, columns = depth.shape
    focal = float(camera.focal)
    u = (np.arange(columns, dtype=np.float32) - float(camera.cx)) / focal
    v = -(np.arange(rows, dtype=np.float32) - float(camera.cy)) / focal
    ray = np.empty((rows, columns, 3), np.float32)
    ray[..., 0], ray[..., 1], ray[..., 2] = u[None], v[:, None], -1.0
    there = (normals != 0).any(axis=2) & np.isfinite(depth)
    toward = -(normals * ray).sum(axis=2)
    facing = np.where(there, toward / np.linalg.norm(ray, axis=2), 0).astype(np.float32)
    usable = facing > _EDGE_ON
    z = np.where(usable, depth, 1).astype(np.float32)
    denominator = np.where(usable, toward, 1)
    # P = z · ray stays on the tangent plane: P_u = z (ray_u + ray (n · ray_u) / (−n · ray)).
    step = z / np.float32(focal)
    first = ray * (normals[..., 0] / denominator)[..., None]
    first[..., 0] += 1
    first *= step[..., None]
    second = ray * (-normals[..., 1] / denominator)[..., None]
    second[..., 1] -= 1
    second *= step[..., None]
    ee, gg, ff = (first * first).sum(2), (second * second).sum(2), (first * second).sum(2)
    scale = np.where(usable, 1 / np.maximum(ee * gg - ff * ff, 1e-12), 0).astype(np.float32)
    along = (gg[..., None] * first - ff[..., None] * second) * scale[..., None]
    across = (ee[..., None] * second - ff[..., None] * first) * scale[..., None]
    pixel = float(np.median(z[usable])) / focal if usable.any() else 1.0
    return Ground(normals, along, across, facing, pixel)


def ground_of(where: UprightFace) -> Ground:
    """The ground of a fitted face in its crop."""
    shown, _, mixed = where.posed.at_pixels(where.camera, where.posed.normals.cpu().float().numpy())
    mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9)
    normals = np.zeros((*shown.shape, 3), np.float32)
    normals[shown] = mixed
    return ground(normals, where.posed.seen(where.camera).depth[0].numpy(), where.camera)


def slopes_to_normals(displacement: Array, surface: Ground) -> Array:
    """Unit normals of the displaced surface.

    Args:
        displacement: (H, W) mm along the normal.
        surface: that it displaces.

    Returns:
        (H, W, 3) float32, camera space; the foundation's where it is seen edge-on, 0 beside it.
    """
    down, right = (np.gradient(displacement.astype(np.float32), axis=axis) for axis in (0, 1))
    tilted = surface.normals - right[..., None] * surface.along - down[..., None] * surface.across
    length = np.linalg.norm(tilted, axis=2, keepdims=True)
    return np.asarray(tilted / np.maximum(length, 1e-9), np.float32)
