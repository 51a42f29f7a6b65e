"""Maps of a posed face that relief is drawn on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ....core.short_repr import short_repr
from ....render import Camera
from ....stages.posed import PosedFace
from ....stages.texture.uv.atlas import FACE, surface_of
from .chart import chart_of

__all__ = ["SurfaceMaps", "detailed_normals", "surface_maps"]

Floats = NDArray[np.float32]
_STEEPEST = 1.3


@dataclass(frozen=True)
class SurfaceMaps:
    """Where each pixel lies on the head.

    Args:
        shown: (H, W) bool, skin of the face region (self-occluded parts are not shown).
        normals: (H, W, 3) float32 outer unit normals, camera space; 0 elsewhere.
        points: (H, W, 3) float32 mm, camera space.
        chart: (H, W, 2) float32 mm, see :class:`wholeface.lab.data.relief.chart.FaceChart`.
    """

    shown: NDArray[np.bool_]
    normals: Floats
    points: Floats
    chart: Floats

    __repr__ = short_repr

    @property
    def mm_per_pixel(self) -> float:
        """Median distance between neighbouring pixels that look straight at the camera."""
        flat = self.shown & (self.normals[..., 2] > 0.8)
        both = flat[:, 1:] & flat[:, :-1]
        if not both.any():
            return 1.0
        return float(np.median(np.abs(np.diff(self.points[..., 0], axis=1))[both]))


def surface_maps(posed: PosedFace, camera: Camera) -> SurfaceMaps:
    """The maps of a posed face as a camera sees it."""
    surface, chart = surface_of(posed.model), chart_of(posed.model)
    attributes = np.concatenate(
        [posed.normals.cpu().float().numpy(), posed.points.cpu().float().numpy(), chart.vertices], axis=1
    ).astype(np.float32)
    there, index, mixed = posed.at_pixels(camera, attributes)
    mixed[:, :3] /= np.maximum(np.linalg.norm(mixed[:, :3], axis=1, keepdims=True), 1e-9)
    maps = np.zeros((*there.shape, 8), np.float32)
    maps[there] = mixed
    shown = np.zeros(there.shape, np.bool_)
    shown[there] = surface.kind[index] == FACE
    return SurfaceMaps(shown, maps[..., :3], maps[..., 3:6], maps[..., 6:])


def detailed_normals(maps: SurfaceMaps, height: Floats) -> Floats:
    r"""Normals of the surface displaced along its normals by ``height`` (H, W) mm.

    .. math:: n' \propto n - \nabla_s h, \quad
        \nabla_s h = \frac{h_x\,(P_y \times n) + h_y\,(n \times P_x)}{n \cdot (P_x \times P_y)}

    with :math:`P_x, P_y` the change of the surface point from pixel to pixel.

    Returns:
        (H, W, 3) float32 unit vectors; those of the maps where nothing is shown.
    """
    n = maps.normals
    across, down = _steps(maps.points, 1), _steps(maps.points, 0)
    h_x, h_y = _steps(height[..., None], 1), _steps(height[..., None], 0)
    area = (n * np.cross(across, down)).sum(axis=2, keepdims=True)
    safe = np.abs(area) > 1e-3
    slope = h_x * np.cross(down, n) + h_y * np.cross(n, across)
    slope = np.where(safe, slope / np.where(safe, area, 1), 0)
    steep = np.linalg.norm(slope, axis=2, keepdims=True)
    slope *= np.minimum(1, _STEEPEST / np.maximum(steep, 1e-9))
    turned = n - slope * maps.shown[..., None]
    result: Floats = turned / np.maximum(np.linalg.norm(turned, axis=2, keepdims=True), 1e-9)
    return result.astype(np.float32)


def cavity(maps: SurfaceMaps, height: Floats, reach_mm: float) -> Floats:
    """(H, W) float32 mm, height over the mean of its surroundings: negative in grooves."""
    sigma = reach_mm / max(maps.mm_per_pixel, 1e-3)
    weight = gaussian_filter(maps.shown.astype(np.float32), sigma)
    mean = gaussian_filter(height * maps.shown, sigma) / np.maximum(weight, 1e-3)
    result: Floats = (height - mean) * maps.shown
    return result


def _steps(values: Floats, axis: int) -> Floats:
    """Central differences along rows (0) or columns (1), one-sided at the border."""
    result: Floats = np.gradient(values, axis=axis).astype(np.float32)
    return result
