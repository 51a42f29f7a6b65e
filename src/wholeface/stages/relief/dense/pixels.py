"""The detailed face in camera space: its pixels, and points of the model that the photo shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.provenance import Provenance
from ....core.short_repr import short_repr
from ...state import BumpMap
from ...texture.uv.atlas import surface_of
from ...upright import UprightFace
from ..bump import along_ray
from ..symmetry.sampling import BumpSampler
from .subdivision import curved_points

__all__ = ["DensePixels", "dense_pixels", "detailed_points", "facing", "on_image"]

_VISIBLE = 0.3  # of the quality of a sample, from which a vertex counts as seen
_LEAST_COSINE = 0.2  # between normal and ray, of pixels that become vertices
_LEAST_AREA = 0.5  # pixels of a triangle that faces the camera


@dataclass(frozen=True)
class DensePixels:
    """Pixels that show relief, as points of the detailed face.

    Args:
        pixels: (P, 2) float64, column and row.
        points: (P, 3) float64 mm, camera space.
        home: (P,) int64, the model's triangle that each shows.
        barycentric: (P, 3) float32, where on it.
    """

    pixels: NDArray[np.float64]
    points: NDArray[np.float64]
    home: NDArray[np.int64]
    barycentric: NDArray[np.float32]

    __repr__ = short_repr


def on_image(where: UprightFace, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P, 2) pixels of points (P, 3) in camera space."""
    focal, cx, cy = (float(v) for v in (where.camera.focal, where.camera.cx, where.camera.cy))
    return np.stack(
        [cx - focal * points[:, 0] / points[:, 2], cy + focal * points[:, 1] / points[:, 2]], axis=1
    )


def facing(triangles: NDArray[np.int64], projected: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(F,) whether a triangle turns its outer side to the camera, and is larger than a speck.

    Args:
        triangles: (F, 3).
        projected: (V, 2) pixels; rows point down.
    """
    a, b, c = (projected[triangles[:, k]] for k in range(3))
    one, other = b - a, c - a
    area: NDArray[Any] = 0.5 * (one[:, 1] * other[:, 0] - one[:, 0] * other[:, 1])
    return area > _LEAST_AREA


def detailed_points(
    where: UprightFace, bump: BumpMap, triangle: NDArray[Any], barycentric: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Points of the foundation, and those of them that are visible moved along their rays to the detailed depth.

    Args:
        where: the face in the frame of the bump map.
        bump: of the face.
        triangle: (P,) of the model, on which they lie.
        barycentric: (P, 3) where on it.

    Returns:
        (P, 3) foundation, rounded, and (P, 3) detailed, camera space; (P,) which are visible.
    """
    found = BumpSampler(where, bump)(triangle, barycentric.astype(np.float32))
    visible = found.quality > _VISIBLE
    corners = surface_of(where.posed.model).triangles[triangle]
    vertices, directions = (
        t.cpu().double().numpy()[corners] for t in (where.posed.points, where.posed.normals)
    )
    foundation = curved_points(vertices, directions, barycentric)
    normals = np.einsum("pk,pkc->pc", barycentric, directions)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    rays = foundation / np.linalg.norm(foundation, axis=1, keepdims=True)
    change = along_ray(np.where(visible, found.value, np.float32(0)), normals, rays)
    return foundation, foundation + change[:, None] * rays, visible


def dense_pixels(where: UprightFace, bump: BumpMap) -> DensePixels:
    """Each pixel that shows relief and is not seen at a grazing angle, at its detailed depth (eq. 4)."""
    surface = surface_of(where.posed.model)
    seen = where.posed.seen(where.camera)
    triangle = seen.triangle[0].cpu().numpy()
    known = (bump.provenance == Provenance.OBSERVED) | (bump.provenance == Provenance.EXAMPLE)
    row, column = np.nonzero(known & (triangle >= 0))
    home = triangle[row, column].astype(np.int64)
    barycentric = seen.barycentric[0].cpu().float().numpy()[row, column]
    corners = surface.triangles[home]
    vertices, directions = (
        t.cpu().double().numpy()[corners] for t in (where.posed.points, where.posed.normals)
    )
    foundation = np.einsum("pk,pkc->pc", barycentric, vertices)
    normals = np.einsum("pk,pkc->pc", barycentric, directions)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    rays = foundation / np.linalg.norm(foundation, axis=1, keepdims=True)
    # Flat triangles would show their edges between so many vertices.
    rounding = curved_points(vertices, directions, barycentric) - foundation
    height = bump.displacement[row, column] + np.einsum("pc,pc->p", rounding, normals)
    change = along_ray(height, normals, rays)
    kept = np.einsum("pc,pc->p", normals, rays) < -_LEAST_COSINE
    pixels = np.stack([column, row], axis=1).astype(np.float64)
    points = foundation + change[:, None] * rays
    return DensePixels(pixels[kept], points[kept], home[kept], barycentric[kept])
