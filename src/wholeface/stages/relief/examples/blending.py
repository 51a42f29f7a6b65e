r"""Gradient-domain blending: the gradients of one map in a hole of another, without a seam at its border.

.. math:: \min_f \sum_{(i, j)} (f_i - f_j - v_{ij})^2 + \mu \sum_{i \in \Omega} (f_i - g_i)^2,
    \qquad f|_{\partial\Omega} = f^*|_{\partial\Omega}

over pairs of neighbours of which one at least lies in the hole Ω, with the guidance :math:`v_{ij} = g_i - g_j` of the
source g. Neighbours that belong neither to the hole nor to what is known take no part: nothing is pulled there.

Source: Pérez, Gangnet & Blake 2003, "Poisson image editing"; the screen μ is not theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.jit import njit

__all__ = ["blend_into"]

Array = NDArray[Any]
_TINY = 1e-9  # of the screen: a hole without any border is the source itself, not singular
_SMALLEST = 24  # pixels: holes less wide than this are solved without a coarser start


def blend_into(
    target: Array,
    source: Array,
    hole: Array,
    known: Array,
    *,
    screen: float = 0.0,
    tolerance: float = 1e-3,
) -> Array:
    """The target with its hole filled by the source's gradients.

    Args:
        target: (H, W) f*, of which the hole's pixels are not read.
        source: (H, W) g; NaN where it is not known, where the result is as smooth as can be.
        hole: (H, W) bool, Ω.
        known: (H, W) bool, pixels of the target to which the hole's border must fit.
        screen: μ, pull towards the source itself, per pixel; beyond 1/√μ pixels from the border it has won.
        tolerance: norm of the residual over that of the right side, at which the conjugate gradients stop.

    Returns:
        (H, W) float32; outside the hole it is the target to the bit.

    Raises:
        UsageError: shapes that differ, or a negative screen.
    """
    if not target.shape == source.shape == hole.shape == known.shape or target.ndim != 2 or screen < 0:
        raise UsageError(
            f"target {target.shape}, source {source.shape}, hole {hole.shape} and known {known.shape} must have one "
            f"shape (H, W), and the screen must not be negative ({screen})"
        )
    result = np.array(target, np.float32)
    if not hole.any():
        return result
    # Half a hole away from everything nothing is needed.
    rows, columns = (np.flatnonzero(hole.any(axis=axis)) for axis in (1, 0))
    window = (slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2))
    inside = hole[window]
    fixed = known[window] & ~inside
    guide = source[window].astype(np.float64)
    found = _solve(target[window].astype(np.float64), guide, inside, fixed, screen + _TINY, tolerance)
    result[window][inside] = found[inside]
    return result


def _solve(target: Array, guide: Array, hole: Array, known: Array, screen: float, tolerance: float) -> Array:
    """(H, W) float64, solved first at half the resolution for a start."""
    told = np.isfinite(guide)
    plain = np.where(told, guide, 0.0)
    start = plain
    if min(hole.shape) >= _SMALLEST:
        start = plain + _coarse_correction(target, guide, plain, hole, known, screen, tolerance)
    found = np.where(hole, start, np.where(known, target, 0.0))
    place = np.full(hole.shape, -1, np.int32)
    pixels = np.flatnonzero(hole.ravel()).astype(np.int32)
    place.ravel()[pixels] = np.arange(len(pixels), dtype=np.int32)
    neighbours, diagonal, right = _system(place, pixels, target, plain, told, known, screen)
    values = np.append(found.ravel()[pixels], 0.0)
    _conjugate_gradients(neighbours, diagonal, right, values, tolerance, 4 * sum(hole.shape))
    found.ravel()[pixels] = values[:-1]
    return found


def _coarse_correction(
    target: Array, guide: Array, plain: Array, hole: Array, known: Array, screen: float, tolerance: float
) -> Array:
    """What the source lacks, from half the resolution; smooth, therefore a good start."""
    height, width = hole.shape
    even = ((0, height % 2), (0, width % 2))

    def halved(values: Array, weight: Array) -> Array:
        parts = (np.pad(values * weight, even), np.pad(weight.astype(np.float64), even))
        sums = [p.reshape(p.shape[0] // 2, 2, p.shape[1] // 2, 2).sum(axis=(1, 3)) for p in parts]
        return np.asarray(sums[0] / np.maximum(sums[1], 1e-9))

    def any_of(mask: Array) -> Array:
        wide = np.pad(mask, even)
        return np.asarray(wide.reshape(wide.shape[0] // 2, 2, wide.shape[1] // 2, 2).any(axis=(1, 3)))

    some_known = any_of(known)
    some_hole = any_of(hole) & ~some_known
    difference = halved(np.where(known, target - plain, 0.0), known)
    told = halved(np.isfinite(guide).astype(np.float64), hole | known)
    nothing = np.where(told > 0.5, 0.0, np.nan)
    coarse = _solve(difference, nothing, some_hole, some_known, 4 * screen, tolerance)
    spread = np.where(some_known, difference, coarse)
    return np.repeat(np.repeat(spread, 2, axis=0), 2, axis=1)[:height, :width]


@njit(cache=True, nogil=True)
def _system(place, pixels, target, guide, told, known, screen):  # type: ignore[no-untyped-def]
    """Neighbours (n, 4) of each unknown among the unknowns, diagonal (n,), right side (n,)."""
    height, width = place.shape
    count = len(pixels)
    neighbours = np.full(
        (count, 4), count, np.int32
    )  # one more unknown, which is always 0, for those without
    diagonal = np.empty(count)
    right = np.empty(count)
    for n in range(count):
        y, x = pixels[n] // width, pixels[n] % width
        d, b = 0.0, 0.0
        if told[y, x]:
            d, b = screen, screen * guide[y, x]
        else:
            d = 1e-9
        for k in range(4):
            yy = y + (k == 0) - (k == 1)
            xx = x + (k == 2) - (k == 3)
            if yy < 0 or xx < 0 or yy >= height or xx >= width:
                continue
            other = place[yy, xx]
            if other < 0 and not known[yy, xx]:
                continue
            d += 1.0
            if told[y, x] and told[yy, xx]:
                b += guide[y, x] - guide[yy, xx]
            if other >= 0:
                neighbours[n, k] = other
            else:
                b += target[yy, xx]
        diagonal[n] = d
        right[n] = b
    return neighbours, diagonal, right


@njit(cache=True, nogil=True, fastmath=True)
def _conjugate_gradients(neighbours, diagonal, right, x, tolerance, most):  # type: ignore[no-untyped-def]
    """Preconditioned by the diagonal; x (n + 1,), its last value 0, is the start and becomes the solution."""
    count = len(diagonal)
    r, p, q, inverse = np.empty(count), np.zeros(count + 1), np.empty(count), np.empty(count)
    norm, rho = 0.0, 0.0
    for n in range(count):
        a, b, c, d = neighbours[n, 0], neighbours[n, 1], neighbours[n, 2], neighbours[n, 3]
        inverse[n] = 1.0 / diagonal[n]
        r[n] = right[n] - diagonal[n] * x[n] + x[a] + x[b] + x[c] + x[d]
        p[n] = r[n] * inverse[n]
        rho += r[n] * p[n]
        norm += right[n] * right[n] * inverse[n]
    limit = tolerance * tolerance * norm + 1e-30
    steps = 0
    while rho > limit and steps < most:
        steps += 1
        along = 0.0
        for n in range(count):
            a, b, c, d = neighbours[n, 0], neighbours[n, 1], neighbours[n, 2], neighbours[n, 3]
            s = diagonal[n] * p[n] - p[a] - p[b] - p[c] - p[d]
            q[n] = s
            along += p[n] * s
        alpha = rho / along
        new = 0.0
        for n in range(count):
            x[n] += alpha * p[n]
            r[n] -= alpha * q[n]
            new += r[n] * r[n] * inverse[n]
        beta = new / rho
        rho = new
        for n in range(count):
            p[n] = r[n] * inverse[n] + beta * p[n]
    return steps
