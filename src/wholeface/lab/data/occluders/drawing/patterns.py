"""Cloth and surface patterns: small tiles that repeat."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .noise import field, grain

__all__ = ["cloth_colour", "pattern", "texture_files"]

_TILE = 96


def cloth_colour(rng: np.random.Generator) -> NDArray[np.float32]:
    """(3,) colour of a cloth: black, white and grey often, otherwise any hue, rarely garish."""
    choice = rng.random()
    if choice < 0.2:
        return np.full(3, rng.uniform(12, 50), np.float32) + rng.normal(0, 3, 3).astype(np.float32)
    if choice < 0.35:
        return np.full(3, rng.uniform(190, 245), np.float32) + rng.normal(0, 4, 3).astype(np.float32)
    if choice < 0.45:
        return np.full(3, rng.uniform(60, 190), np.float32) + rng.normal(0, 5, 3).astype(np.float32)
    if choice < 0.55:  # browns and skin-like tones, the hard ones
        base = np.array([200.0, 160.0, 130.0]) * rng.uniform(0.35, 1.15)
        return np.clip(base + rng.normal(0, 10, 3), 0, 255).astype(np.float32)
    hue = rng.random() * 6
    wave = np.clip(np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    value, saturation = rng.uniform(60, 245), rng.beta(2.0, 1.6)
    return (value * (1 - saturation * (1 - wave))).astype(np.float32)


def pattern(rng: np.random.Generator, textures: Path | None = None) -> NDArray[np.uint8]:
    """One of 600 cloths; (96, 96, 3) uint8, not to be written to.

    Args:
        rng: randomness.
        textures: folder of photographed prints, or None.
    """
    return _pattern(int(rng.integers(600)), textures)


@lru_cache(maxsize=600)
def _pattern(variant: int, textures: Path | None) -> NDArray[np.uint8]:
    """Plain, stripes, checks, plaid, dots, knit, camouflage, or a photographed print."""
    rng = np.random.default_rng([variant, 96])
    first, second = cloth_colour(rng), cloth_colour(rng)
    choice = rng.random()
    prints = texture_files(textures) if textures is not None else ()
    if prints and choice < 0.18:
        return _print(prints[int(rng.integers(len(prints)))])
    y, x = np.mgrid[:_TILE, :_TILE].astype(np.float32) / _TILE
    count = float(rng.integers(2, 12))
    if choice < 0.5:
        mixed = np.zeros((_TILE, _TILE), np.float32)
    elif choice < 0.6:
        angle = int(rng.integers(4))
        phase = (y, x, x + y, x - y)[angle]
        mixed = (np.sin(2 * np.pi * count * phase) > rng.uniform(-0.8, 0.8)).astype(np.float32)
    elif choice < 0.7:
        mixed = 0.5 * (
            (np.sin(2 * np.pi * count * x) > 0).astype(np.float32) + (np.sin(2 * np.pi * count * y) > 0)
        )
    elif choice < 0.78:
        mixed = 0.25 * np.sin(2 * np.pi * count * x) * np.sin(2 * np.pi * 2 * count * x) + 0.25 * np.sin(
            2 * np.pi * count * y
        ) * np.sin(2 * np.pi * 3 * count * y)
        mixed = (mixed + 0.5).astype(np.float32)
    elif choice < 0.86:
        spots = (np.sin(2 * np.pi * count * x) * np.sin(2 * np.pi * count * y)).astype(np.float32)
        mixed = (np.abs(spots) > rng.uniform(0.4, 0.9)).astype(np.float32)
    else:
        noise = field(rng, _TILE, float(rng.uniform(3, 9)), 2)
        mixed = (noise > 0).astype(np.float32) if rng.random() < 0.5 else np.clip(0.5 + 0.4 * noise, 0, 1)
    out = first + mixed[..., None] * (second - first)
    weave = rng.random()
    if weave < 0.35:  # ribbed knit
        rib = float(rng.integers(8, 20))
        out *= (0.86 + 0.14 * np.sin(2 * np.pi * rib * x + 1.2 * np.sin(2 * np.pi * rib * y)))[..., None]
    elif weave < 0.7:  # woven
        out *= (0.95 + 0.05 * np.sin(2 * np.pi * 32 * x) * np.sin(2 * np.pi * 32 * y))[..., None]
    out += (grain(rng, _TILE) * float(rng.uniform(0.5, 6.0)))[..., None]
    return np.clip(out, 0, 255).astype(np.uint8)


@lru_cache(maxsize=4)
def texture_files(folder: Path) -> tuple[Path, ...]:
    """The images in a folder, by name."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png")))


@lru_cache(maxsize=64)
def _print(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((_TILE, _TILE), Image.Resampling.BOX))
