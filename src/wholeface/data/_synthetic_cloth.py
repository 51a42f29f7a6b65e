"""Shoulders in cloth below the neck, and bare skin between collar and throat, drawn in the picture's plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..perceive.labels import ParsingClass
from .backgrounds import value_noise

__all__ = ["Cloth", "no_cloth", "random_cloth"]


@dataclass(frozen=True)
class Cloth:
    """What lies over background and neck.

    Args:
        cover: (S, S) uint8 coverage.
        colour: (S, S, 3) uint8 sRGB.
        label: (S, S) uint8 :class:`ParsingClass`, where covered.
    """

    cover: NDArray[np.uint8]
    colour: NDArray[np.uint8]
    label: NDArray[np.uint8]


@njit(cache=True, nogil=True)
def _draw(
    size: Any,
    origin: Any,
    axis: Any,
    pixels: Any,
    shape: Any,
    skin: Any,
    pattern: Any,
    cover: Any,
    colour: Any,
    label: Any,
    neck: Any,
    cloth: Any,
) -> None:
    """Coordinates: x to the image's right, y down along the body, in mm from the neck's base.

    shape: half width of the neckline, its height at the sides, depth at the front, power of its curve, where the
    shoulder begins, its slope, half width of the shoulders, softness of the light, offset of the light,
    half width of the neck.
    """
    half, top, depth, power, start, slope, width, shine, aside, throat = shape
    inner = half
    for row in range(size):
        for column in range(size):
            du, dv = column - origin[0], row - origin[1]
            x = (du * axis[1] - dv * axis[0]) / pixels
            y = (du * axis[0] + dv * axis[1]) / pixels
            d = abs(x)
            # Upper outline of the body
            if d < inner:
                outline = top
            else:
                outline = top + (d - inner) * slope
                over = d - width
                if over > 0:
                    outline += over * over * 0.05
            body = min(max((y - outline) * pixels + 0.5, 0.0), 1.0)
            if body <= 0.0:
                continue
            t = min(d / half, 1.0)
            line = top + depth * (1.0 - t**power)
            dressed = min(max((y - line) * pixels + 0.5, 0.0), 1.0)
            bare = d < half and dressed <= 0.5
            if bare and (y < top + 6.0 or d > throat + 0.6 * (y - top)):
                continue
            light = 1.0 - shine * ((x - aside) / 200.0) ** 2 - 0.12 * np.exp(-(y - line) / 25.0)
            light = max(light, 0.25)
            cover[row, column] = np.uint8(255 * (body if not bare else 1.0))
            label[row, column] = neck if bare else cloth
            for c in range(3):
                base = (
                    skin[c] * (0.75 + 0.25 * min((y - top) / 40.0, 1.0)) if bare else pattern[row, column, c]
                )
                colour[row, column, c] = np.uint8(min(max(base * light, 0.0), 1.0) * 255)


def no_cloth(size: int) -> Cloth:
    """Nothing."""
    return Cloth(
        np.zeros((size, size), np.uint8),
        np.zeros((size, size, 3), np.uint8),
        np.zeros((size, size), np.uint8),
    )


def random_cloth(
    rng: np.random.Generator,
    size: int,
    base: NDArray[np.float32],
    down: NDArray[np.float32],
    pixels: float,
    skin: NDArray[np.float32],
) -> Cloth:
    """Random clothes.

    Args:
        rng: randomness.
        size: edge in pixels.
        base: (2,) pixel of the middle of the neck's lower end.
        down: (2,) unit direction of the body's axis in the picture, downwards.
        pixels: per mm at the neck.
        skin: (3,) sRGB in [0, 1], for what the collar leaves bare.
    """
    cover, colour, label = no_cloth(size).cover, no_cloth(size).colour, no_cloth(size).label
    kind = rng.choice(["crew", "v", "turtle", "scoop"], p=[0.4, 0.3, 0.15, 0.15])
    half = rng.uniform(58, 75)
    depth = {
        "crew": rng.uniform(2, 22),
        "v": rng.uniform(30, 120),
        "turtle": rng.uniform(-6, 4),
        "scoop": rng.uniform(20, 70),
    }[str(kind)]
    top = -rng.uniform(8, 22) - (rng.uniform(10, 30) if kind == "turtle" else 0)
    power = 1.0 if kind == "v" else rng.uniform(1.8, 3.0)
    shape = np.array(
        [
            half,
            top,
            depth,
            power,
            half,
            np.tan(np.deg2rad(rng.uniform(14, 32))),
            rng.uniform(150, 210),
            rng.uniform(0.05, 0.4),
            rng.normal(0, 60),
            52.0,
        ]
    )
    shade = float(rng.beta(1.2, 1.6))
    main = np.clip(shade + rng.normal(0, rng.choice([0.02, 0.2])) * rng.normal(0, 1, 3), 0.02, 0.98)
    pattern = np.empty((size, size, 3), np.float32)
    pattern[:] = main
    style = rng.random()
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    if style < 0.25:
        other = np.clip(rng.uniform(0, 1, 3), 0, 1)
        wave = np.sin((columns * down[1] - rows * down[0]) / pixels / rng.uniform(1.0, 8.0))
        if rng.random() < 0.4:
            wave = np.maximum(wave, np.sin((columns * down[0] + rows * down[1]) / pixels / rng.uniform(1, 8)))
        pattern += (np.clip(wave * 3, 0, 1) * rng.uniform(0.2, 1.0))[..., None] * (other - pattern)
    elif style < 0.35:
        other = rng.uniform(0, 1, 3)
        blots = np.clip(value_noise(rng, size, (3, 6), channels=1) * 4, 0, 1)
        pattern += blots * (other.astype(np.float32) - pattern)
    folds = value_noise(rng, size, (2, 5), channels=1)
    pattern *= 1 + rng.uniform(0.05, 0.35) * folds
    _draw(
        size,
        base.astype(np.float64),
        down.astype(np.float64),
        float(pixels),
        shape,
        skin.astype(np.float64),
        pattern,
        cover,
        colour,
        label,
        int(ParsingClass.NECK),
        int(ParsingClass.CLOTH),
    )
    return Cloth(cover, colour, label)
