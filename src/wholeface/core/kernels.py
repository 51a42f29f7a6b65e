"""Small functions for compiled loops."""

from __future__ import annotations

from .jit import njit
from .spherical_harmonics import C0, C1, C2, C20, C22

__all__ = ["shading_at", "smoothstep_at"]


@njit(cache=True, nogil=True, inline="always")
def shading_at(x, y, z, light, channel):  # type: ignore[no-untyped-def]
    """Second-order spherical harmonics at a unit normal, one channel of a light (9, C)."""
    return (
        C0 * light[0, channel]
        + C1 * (y * light[1, channel] + z * light[2, channel] + x * light[3, channel])
        + C2 * (x * y * light[4, channel] + y * z * light[5, channel] + x * z * light[7, channel])
        + C20 * (3.0 * z * z - 1.0) * light[6, channel]
        + C22 * (x * x - y * y) * light[8, channel]
    )


@njit(cache=True, nogil=True, inline="always")
def smoothstep_at(low, high, value):  # type: ignore[no-untyped-def]
    """0 below ``low``, 1 above ``high``, a cubic between them."""
    t = min(1.0, max(0.0, (value - low) / (high - low)))
    return t * t * (3.0 - 2.0 * t)
