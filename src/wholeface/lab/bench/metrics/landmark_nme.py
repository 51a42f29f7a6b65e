"""Normalised mean error of landmarks, failures, and the area under the cumulative error."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError

__all__ = [
    "area_under_curve",
    "cumulative_error",
    "failure_rate",
    "inter_ocular",
    "inter_pupil",
    "normalised_mean_error",
    "point_errors",
]

Array = NDArray[np.float64]
Points = NDArray[np.floating[Any]]

_OUTER = (36, 45)  # of the 68, counted from 0
_EYES = (slice(36, 42), slice(42, 48))


def _sixty_eight(points: Points, name: str) -> Array:
    found = np.asarray(points, dtype=np.float64)
    if found.shape != (68, 2):
        raise UsageError(f"{name}: expected 68 points (68, 2), got {found.shape}")
    return found


def inter_ocular(points_68: Points, name: str = "face") -> float:
    """Distance of the outer eye corners (points 37 and 46 of iBUG, counted from 1) in pixels.

    The normaliser of 300-W and, by its points 60 and 72, of WFLW.

    Args:
        points_68: (68, 2) true points, pixels.
        name: of the item, for errors.

    Raises:
        UsageError: another shape.

    Source: Sagonas et al. 2013; Wu et al. 2018.
    """
    p = _sixty_eight(points_68, name)
    return float(np.linalg.norm(p[_OUTER[0]] - p[_OUTER[1]]))


def inter_pupil(points_68: Points, name: str = "face") -> float:
    """Distance of the eye centres, each the mean of the six points of an eye, in pixels; as :func:`inter_ocular`.

    Source: Ren et al. 2014, "Face alignment at 3000 fps"; eye centres stand for pupils, which are not annotated.
    """
    p = _sixty_eight(points_68, name)
    return float(np.linalg.norm(p[_EYES[0]].mean(axis=0) - p[_EYES[1]].mean(axis=0)))


def point_errors(found: Points, truth: Points, scale: float, name: str = "face") -> Array:
    """(L,) distance of each point (L, 2) from its true place (L, 2), per cent of ``scale`` pixels.

    Raises:
        UsageError: unequal counts, points that are not finite, or a scale that is not positive.
    """
    f, t = np.asarray(found, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if f.shape != t.shape or f.ndim != 2 or f.shape[1] != 2 or len(f) == 0:
        raise UsageError(
            f"{name}: expected as many found as true points, (L, 2), got {f.shape} and {t.shape}"
        )
    if not (np.isfinite(f).all() and np.isfinite(t).all()):
        raise UsageError(f"{name}: a landmark is not finite")
    if not scale > 0:
        raise UsageError(f"{name}: the normaliser must be a positive distance in pixels, got {scale}")
    return np.asarray(100.0 * np.linalg.norm(f - t, axis=1) / scale)


def normalised_mean_error(found: Points, truth: Points, scale: float, name: str = "face") -> float:
    r"""NME in per cent.

    .. math:: \mathrm{NME} = \frac{100}{L\,d} \sum_{l=1}^{L} \lVert \hat p_l - p_l \rVert_2

    Args:
        found: (L, 2) pixels.
        truth: (L, 2) pixels.
        scale: d, of the true points: :func:`inter_ocular` or :func:`inter_pupil`, pixels.
        name: of the item, for errors.
    """
    return float(point_errors(found, truth, scale, name).mean())


def _errors(errors: Points, threshold: float) -> Array:
    e = np.asarray(errors, dtype=np.float64)
    if e.ndim != 1 or len(e) == 0:
        raise UsageError(f"expected one error a face, (N,) with N > 0, got {e.shape}")
    if np.isnan(e).any() or (e < 0).any():
        raise UsageError(
            "errors must not be negative or NaN; a face that was not found has the error infinity"
        )
    if not threshold > 0:
        raise UsageError(f"the threshold must be positive, got {threshold}")
    return e


def failure_rate(errors: Points, threshold: float = 8.0) -> float:
    """Share of faces whose NME (N,) exceeds the threshold, both in per cent; not found = infinity = failed.

    Raises:
        UsageError: no errors, or NaN or negative ones.
    """
    return float((_errors(errors, threshold) > threshold).mean())


def cumulative_error(errors: Points, thresholds: Points) -> Array:
    """(T,) share of faces whose error (N,) is at most each threshold (T,)."""
    e = np.sort(_errors(errors, 1.0))
    return np.asarray(np.searchsorted(e, np.asarray(thresholds, np.float64), side="right") / len(e))


def area_under_curve(errors: Points, threshold: float = 8.0, steps: int = 1000) -> float:
    r"""Area under the cumulative error up to the threshold T, over T: 1 is perfect, 0 all failed.

    .. math:: \mathrm{AUC} = \frac1T \int_0^T F(x)\,dx
        \approx \frac1n \sum_{i=1}^{n} \tfrac12\bigl(F(x_{i-1}) + F(x_i)\bigr), \quad x_i = i\,T/n

    the trapezoid rule over n equal steps. It lies within 1 / (2n) of the exact value,
    :math:`\frac1N\sum_k \max(0, 1 - e_k / T)`.

    Args:
        errors: (N,) NME in per cent, infinity where no face was found.
        threshold: T, per cent.
        steps: n.

    Raises:
        UsageError: no errors, or NaN or negative ones.

    Source: Yang et al. 2015, "An empirical study of recent face alignment methods"; Wu et al. 2018 (WFLW).
    """
    e = _errors(errors, threshold)
    share = cumulative_error(e, np.linspace(0.0, threshold, steps + 1))
    return float(((share[1:] + share[:-1]) / 2).mean())
