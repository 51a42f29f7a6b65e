"""Smooth random fields."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .....core.jit import njit

__all__ = ["field", "grain"]


def field(
    rng: np.random.Generator,
    size: int,
    cells: float,
    octaves: int = 3,
    gain: float = 0.5,
    stretch: float = 1.0,
) -> NDArray[np.float32]:
    """(S, S) value noise, mean about 0, deviation about 1.

    Args:
        rng: randomness.
        size: edge in pixels.
        cells: lattice cells along the edge in the first octave.
        octaves: how many, each twice as fine as the one before.
        gain: weight of each octave relative to the one before.
        stretch: > 1 makes streaks along x.
    """
    out = np.zeros((size, size), np.float32)
    weight, total = 1.0, 0.0
    for octave in range(octaves):
        fine_y = max(1.0, min(cells * 2.0**octave, 0.7 * size))
        fine_x = max(1.0, fine_y / stretch)
        lattice = rng.standard_normal((int(fine_y) + 3, int(fine_x) + 3), dtype=np.float32)
        offset = rng.random(2)
        _add(out, lattice, fine_x / size, fine_y / size, offset[0], offset[1], weight)
        total += weight * weight
        weight *= gain
    out *= np.float32(1.5 / np.sqrt(total))
    return out


def grain(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """(S, S) white noise, deviation about 1, from a byte per pixel."""
    raw = np.frombuffer(rng.bytes(size * size), np.uint8).reshape(size, size)
    return (raw.astype(np.float32) - 127.5) / np.float32(73.9)


@njit(cache=True, nogil=True)
def _add(out, lattice, step_x, step_y, ox, oy, weight):  # type: ignore[no-untyped-def]
    height, width = out.shape
    column = np.empty(width, np.int64)
    blend = np.empty(width, np.float32)
    for x in range(width):
        at = x * step_x + ox
        column[x] = int(at)
        t = at - column[x]
        blend[x] = t * t * (3.0 - 2.0 * t)
    w = np.float32(weight)
    row = np.empty(lattice.shape[1], np.float32)
    for y in range(height):
        at = y * step_y + oy
        iy = int(at)
        t = np.float32(at - iy)
        t = t * t * (np.float32(3.0) - np.float32(2.0) * t)
        for i in range(lattice.shape[1]):
            row[i] = lattice[iy, i] + t * (lattice[iy + 1, i] - lattice[iy, i])
        for x in range(width):
            i = column[x]
            out[y, x] += w * (row[i] + blend[x] * (row[i + 1] - row[i]))
