"""What the rasteriser's backends agree on, so that their results are equal to the last bit.

1. Vertices are projected in float64 and snapped to a grid of 1/256 pixel (``SUBPIXEL_BITS``).
2. Coverage is decided by integer edge functions with the top-left rule: a pixel centre on an edge belongs to
   the triangle for which that edge is a top or a left edge, so neighbours share no pixel and leave no hole.
3. Corners 1 and 2 are swapped where needed, so that the edge functions are positive inside.
4. Inverse depth s = Σ E_i p_i with p_i = (1 / depth_i) · (1 / A), A twice the snapped area, summed left to
   right in float64 without fused operations and rounded to float32 for the depth test; the largest wins,
   among equals the lowest triangle index.
5. Barycentrics are E_i p_i · (1 / s), depth is 1 / s, with s in float64; both are rounded on output.
6. A triangle is skipped when a corner is nearer than ``near`` (or behind the camera, or not finite), lies
   beyond ``COORDINATE_LIMIT``, or when its snapped area is zero.
"""

from __future__ import annotations

__all__ = ["COORDINATE_LIMIT", "NEAR", "SUBPIXEL", "SUBPIXEL_BITS"]

SUBPIXEL_BITS = 8
SUBPIXEL = 1 << SUBPIXEL_BITS
COORDINATE_LIMIT = 1 << 24
"""Largest snapped coordinate: 65,536 px. Edge functions then stay below 2^53: exact in int64 and float64."""
NEAR = 1.0
"""Default nearest depth in mm."""
