"""Variation of what a relief network is given: mirror images, tones, light that was fitted badly, hidden patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ReliefVariation", "mirrored", "varied"]

_Maps = dict[str, NDArray[Any]]
_TURNED = ("normals", "place", "slopes")  # vectors whose x changes its sign in a mirror


@dataclass(frozen=True)
class ReliefVariation:
    """How much samples are changed.

    Args:
        gain: standard deviation of the logarithm of a factor on all of photo and rendering, in sRGB.
        tint: likewise of a factor on each channel of the rendering alone: a fit whose colours are off.
        tilt: likewise of a factor that changes across the crop, of the rendering alone: light that is off.
        hidden: share of photos with patches that are hidden.
    """

    gain: float = 0.12
    tint: float = 0.04
    tilt: float = 0.08
    hidden: float = 0.25


def mirrored(maps: _Maps) -> _Maps:
    """Everything left to right: vectors (``normals``, ``place``, ``slopes``) change the sign of their x, too.

    Args:
        maps: each (S, S[, C]).
    """
    out = {name: np.ascontiguousarray(values[:, ::-1]) for name, values in maps.items()}
    for name in _TURNED:
        if name in out:
            out[name][..., 0] *= -1
    return out


def varied(maps: _Maps, rng: np.random.Generator, settings: ReliefVariation = ReliefVariation()) -> _Maps:
    """Another photo of the same relief; the samples bring their camera's effects with them.

    Args:
        maps: ``image``, ``rendering`` (S, S, 3) uint8, ``visible``, ``weight`` (S, S) uint8; others stay as they are.
        rng: source of all choices.
        settings: how much.

    Returns:
        The maps, those that changed as new arrays.
    """
    image, rendering = _toned(maps["image"], maps["rendering"], rng, settings)
    out = dict(maps) | {"rendering": rendering}
    if rng.random() < settings.hidden:
        image, shown = _covered(image, rng)
        for name in ("visible", "weight"):
            if name in out:
                out[name] = out[name] * shown
    out["image"] = image
    return out


def _toned(
    image: NDArray[np.generic],
    rendering: NDArray[np.generic],
    rng: np.random.Generator,
    settings: ReliefVariation,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One tone curve for both, since a fit follows the photo; the fit's own errors on top."""
    codes = np.arange(256, dtype=np.float32) / 255
    gamma = np.exp(rng.normal(0, settings.gain))
    curve = (
        codes**gamma * np.exp(rng.normal(0, settings.gain)) * np.exp(rng.normal(0, settings.gain / 4, (3, 1)))
    )
    off = curve * np.exp(rng.normal(0, settings.tint, (3, 1)))
    tables = [np.clip(c * 255 + 0.5, 0, 255).astype(np.uint8) for c in (curve, off)]
    photo, lit = (
        np.stack([table[c][values[..., c]] for c in range(3)], axis=-1)
        for table, values in zip(tables, (image, rendering))
    )
    height, width = lit.shape[:2]
    down, right = rng.normal(0, settings.tilt, 2)
    plane = np.exp(
        np.linspace(-down, down, height, dtype=np.float32)[:, None]
        + np.linspace(-right, right, width, dtype=np.float32)
    )
    tilted = np.minimum(lit * plane[..., None] + np.float32(0.5), 255).astype(np.uint8)
    return photo, tilted


def _covered(
    image: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """An ellipse or a half-plane of one colour or of another part of the photo; 1 where the photo still shows."""
    height, width = image.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    y, x = rng.uniform(0.1, 0.9, 2) * (height, width)
    angle = rng.uniform(0, 2 * np.pi)
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    if rng.random() < 0.4:
        shown = along < rng.uniform(0.0, 0.25) * width
    else:
        radii = rng.uniform(0.06, 0.3, 2) * width
        shown = (along / radii[0]) ** 2 + (across / radii[1]) ** 2 > 1
    if rng.random() < 0.5:
        cover = np.broadcast_to(rng.integers(0, 256, 3).astype(np.uint8), image.shape)
    else:
        cover = np.roll(image, (int(rng.integers(height)), int(rng.integers(width))), (0, 1))
    return np.where(shown[..., None], image, cover), shown.astype(np.uint8)
