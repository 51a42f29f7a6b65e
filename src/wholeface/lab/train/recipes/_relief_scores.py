"""How good relief is, on one crop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["finer_than", "mean_scores", "relief_scores"]

_EDGE_MM = 240.0  # about what a crop shows
_FINE = 8.0  # mm, what is wider is not relief but shape
_STEEP = np.tan(np.deg2rad(5.0))
_LEAST = 200  # pixels
_FLAT = 0.003  # mm, deviation below which there is no relief

Floats = NDArray[np.float32]


def finer_than(values: Floats, weight: Floats, sigma: float) -> Floats:
    """Values minus their weighted mean under a Gaussian window.

    Args:
        values: (H, W).
        weight: (H, W) ≥ 0.
        sigma: of the window in pixels.
    """
    from scipy.ndimage import gaussian_filter

    known = gaussian_filter(weight, sigma, mode="constant")
    mean = gaussian_filter(values * weight, sigma, mode="constant") / np.maximum(known, 1e-4)
    return np.asarray(values - mean, np.float32)


def relief_scores(found: Floats, truth: Floats, weight: Floats, scale: Floats) -> dict[str, float]:
    """Scores of one crop, where the truth is known.

    Args:
        found: (H, W) mm.
        truth: (H, W) mm.
        weight: (H, W) in [0, 1].
        scale: (H, W) mm, error that was expected.

    Returns:
        ``correlation`` with the truth of what is finer than 8 mm (window of half that); ``rms`` mm of all, and
        ``rms_without`` of no relief; mean error of the normals in degrees (``normals``), of no relief
        (``normals_without``), and both where the truth is steeper than 5° (``steep``, ``steep_without``); ``gain``,
        the factor on the relief that fits best; mean absolute ``error`` in mm, and the ``expected`` one. Not a number
        where there is no skin, or, of what is relative to the truth, where it has no relief.
    """
    inside = weight > 0.5
    pixel = _EDGE_MM / len(truth)
    if inside.sum() < _LEAST:
        return dict.fromkeys(_NAMES, float("nan"))
    sigma = _FINE / 2 / pixel
    a, b = (
        finer_than(v, inside.astype(np.float32), sigma)[inside].astype(np.float64) for v in (found, truth)
    )
    a, b = a - a.mean(), b - b.mean()
    error = (found - truth)[inside]
    told = b.std() > _FLAT
    turned, flat, steep = _angles(found, truth, inside, pixel)
    return {
        "correlation": float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-9))
        if told
        else np.nan,
        "rms": float(np.sqrt((error**2).mean())),
        "rms_without": float(np.sqrt((truth[inside] ** 2).mean())),
        "normals": float(turned.mean()),
        "normals_without": float(flat.mean()),
        "steep": float(turned[steep].mean()) if steep.any() else float("nan"),
        "steep_without": float(flat[steep].mean()) if steep.any() else float("nan"),
        "gain": float((a * b).sum() / max((a * a).sum(), 1e-9)) if told else np.nan,
        "error": float(np.abs(error).mean()),
        "expected": float(scale[inside].mean()),
    }


_NAMES = (
    "correlation", "rms", "rms_without", "normals", "normals_without", "steep", "steep_without", "gain", "error",
    "expected",
)  # fmt: skip


def mean_scores(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each score over the crops that have it; 0 where none has."""
    out: dict[str, float] = {}
    for name in rows[0]:
        known = [row[name] for row in rows if np.isfinite(row[name])]
        out[name] = float(np.mean(known)) if known else 0.0
    return out


def _angles(
    found: Floats, truth: Floats, inside: NDArray[np.bool_], pixel: float
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Angles in degrees between the normals of two reliefs, and of the truth with none; where the truth is steep."""
    whole = inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]

    def normals(height: Floats) -> Floats:
        down = (height[2:, 1:-1] - height[:-2, 1:-1])[whole] / (2 * pixel)
        right = (height[1:-1, 2:] - height[1:-1, :-2])[whole] / (2 * pixel)
        n = np.stack([-right, -down, np.ones_like(down)], axis=-1)
        return np.asarray(n / np.linalg.norm(n, axis=-1, keepdims=True), np.float32)

    a, b = normals(found), normals(truth)
    turned = np.rad2deg(np.arccos(np.clip((a * b).sum(-1), -1, 1)))
    flat = np.rad2deg(np.arccos(np.clip(b[:, 2], -1, 1)))
    return turned, flat, np.tan(np.deg2rad(flat)) > _STEEP
