"""A bump map read at points of the face's surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.provenance import Provenance
from ....core.short_repr import short_repr
from ....core.smoothstep import smoothstep
from ....core.threads import run_ranges
from ...state import BumpMap
from ...texture.uv._kernels import chamfer
from ...texture.uv.atlas import surface_of
from ...upright import UprightFace
from ._kernels import sample_bump

__all__ = ["BumpSampler", "BumpSamples"]

_FADE = 100  # of the crop's edge, one part over which what is seen gives way at its own border


@dataclass(frozen=True)
class BumpSamples:
    """What a bump map says of points of the surface.

    Args:
        value: (P,) float32 mm along the outer normal.
        quality: (P,) float32 in [0, 1], how well a point is seen: 0 where the head hides it, where it turns away and
            where the map knows nothing; less than 1 at a grazing angle and at the border of what is known.
        sure: (P,) float32 in [0, 1], confidence of the map.
        source: (P,) uint8, provenance of the map.
    """

    value: NDArray[np.float32]
    quality: NDArray[np.float32]
    sure: NDArray[np.float32]
    source: NDArray[np.uint8]

    __repr__ = short_repr


class BumpSampler:
    """Reads a bump map at points of the surface.

    Args:
        where: the face in the frame of the map.
        bump: of the face; observed and filled in pixels count.
    """

    def __init__(self, where: UprightFace, bump: BumpMap) -> None:
        posed, camera = where.posed, where.camera
        self._points = np.ascontiguousarray(posed.points.cpu().float().numpy())
        self._normals = np.ascontiguousarray(posed.normals.cpu().float().numpy())
        self._depth = np.ascontiguousarray(posed.seen(camera).depth[0].cpu().numpy(), np.float32)
        self._intrinsics = np.array([float(v) for v in (camera.focal, camera.cx, camera.cy)])
        self._triangles = surface_of(posed.model).triangles
        known = (bump.provenance == Provenance.OBSERVED) | (bump.provenance == Provenance.EXAMPLE)
        inwards = np.empty(known.shape, np.float32)
        chamfer(~known, inwards)
        fade = max(1.0, known.shape[0] / _FADE)
        self._weight = (known * smoothstep(0.0, fade, inwards)).astype(np.float32)
        self._bump = bump

    def __call__(self, triangle: NDArray[Any], barycentric: NDArray[Any]) -> BumpSamples:
        """At points on triangles (P,) with barycentric weights (P, 3)."""
        count = len(triangle)
        value, quality, sure = (np.empty(count, np.float32) for _ in range(3))
        source = np.empty(count, np.uint8)

        def work(a: int, b: int) -> None:
            sample_bump(
                a, b, triangle, barycentric, self._triangles, self._points, self._normals, self._intrinsics,
                self._depth, self._weight, self._bump.displacement, self._bump.confidence, self._bump.provenance,
                value, quality, sure, source,
            )  # fmt: skip

        run_ranges(work, count, 4096)
        return BumpSamples(value, quality, sure, source)
