"""Shoulders in cloth below the neck, and bare skin between collar and throat, drawn in the image's plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.jit import njit
from ....perceive.labels import ParsingClass
from ..compositing.backgrounds import value_noise

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


@njit(forceinline=True)
def _smooth(grid: Any, u: Any, v: Any) -> Any:
    """Bilinear sample of (h, w) at u, v in [0, 1]."""
    x, y = u * (grid.shape[1] - 1.001), v * (grid.shape[0] - 1.001)
    c, r = int(x), int(y)
    a, b = x - c, y - r
    upper = grid[r, c] + a * (grid[r, c + 1] - grid[r, c])
    lower = grid[r + 1, c] + a * (grid[r + 1, c + 1] - grid[r + 1, c])
    return upper + b * (lower - upper)


@njit(cache=True, nogil=True)
def _draw(
    size: Any,
    origin: Any,
    axis: Any,
    pixels: Any,
    shape: Any,
    skin: Any,
    colours: Any,
    weave: Any,
    folds: Any,
    blots: Any,
    cover: Any,
    colour: Any,
    label: Any,
    neck: Any,
    cloth: Any,
) -> None:
    """Coordinates: x to the image's right, y down along the body, in mm from the neck's base.

    shape: half width of the neckline, its height at the sides, depth at the front, power of its curve, slope of
    the shoulders, their half width, fall of the light to the sides, where it is brightest, half width of the neck.
    colours: (2, 3). weave: wave numbers across and along (0: none), sharpness, strength, share of blots.
    """
    half, top, depth, power, slope, width, shine, aside, throat = shape
    for row in range(size):
        for column in range(size):
            du, dv = column - origin[0], row - origin[1]
            x = (du * axis[1] - dv * axis[0]) / pixels
            y = (du * axis[0] + dv * axis[1]) / pixels
            d = abs(x)
            # Upper outline of the body
            outline = top
            if d > half:
                outline += (d - half) * slope
                over = d - width
                if over > 0:
                    outline += over * over * 0.05
            body = min(max((y - outline) * pixels + 0.5, 0.0), 1.0)
            if body <= 0.0:
                continue
            line = top + depth * (1.0 - min(d / half, 1.0) ** power)
            dressed = min(max((y - line) * pixels + 0.5, 0.0), 1.0)
            bare = d < half and dressed < 1.0
            if bare and (d > throat + 0.9 * max(y - top - 8.0, 0.0)):
                bare = False
                if dressed <= 0.0:
                    continue
                body = min(body, dressed)
                dressed = 1.0
            cover[row, column] = np.uint8(255 * (1.0 if bare else body))
            light = max(1.0 - shine * ((x - aside) / 200.0) ** 2, 0.25)
            fabric = light * (1.0 - 0.3 * np.exp(-(y - line) / 12.0))
            u, v = column / size, row / size
            fabric *= 1.0 + _smooth(folds, u, v)
            wave = 0.0
            if weave[0] > 0:
                wave = np.sin(x * weave[0])
            if weave[1] > 0:
                wave = max(wave, np.sin(y * weave[1]))
            wave = min(max(wave * weave[2], 0.0), 1.0) * weave[3]
            if weave[4] > 0:
                wave = max(wave, min(max((_smooth(blots, u, v) + weave[4] - 0.5) * 8.0, 0.0), 1.0))
            label[row, column] = neck if bare and dressed < 0.5 else cloth
            part = dressed if bare else 1.0
            for c in range(3):
                worn = (colours[0, c] + wave * (colours[1, c] - colours[0, c])) * fabric
                value = skin[c] * light + part * (worn - skin[c] * light)
                colour[row, column, c] = np.uint8(min(max(value, 0.0), 1.0) * 255)


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
        down: (2,) unit direction of the body's axis in the image, downwards.
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
            np.tan(np.deg2rad(rng.uniform(14, 32))),
            rng.uniform(150, 210),
            rng.uniform(0.05, 0.4),
            rng.normal(0, 60),
            52.0,
        ]
    )
    chroma = rng.choice([0.02, 0.2], p=[0.6, 0.4])
    colours = np.clip(rng.beta(1.2, 1.6) + rng.normal(0, chroma, (2, 3)), 0.02, 0.98)
    colours[1] = np.clip(rng.uniform(0, 1) + rng.normal(0, 0.15, 3), 0, 1)
    weave = np.zeros(5)
    style = rng.random()
    if style < 0.3:
        weave[:2] = 1 / np.exp(rng.uniform(np.log(1.0), np.log(9.0), 2))
        if style < 0.18:
            weave[int(rng.integers(2))] = 0.0
        weave[2:4] = rng.uniform(1, 5), rng.uniform(0.15, 1.0)
    elif style < 0.38:
        weave[4] = rng.uniform(0.2, 0.6)
    folds = rng.uniform(0.05, 0.3) * value_noise(rng, 33, (2, 5), channels=1)[..., 0]
    blots = value_noise(rng, 33, (3, 5), channels=1)[..., 0]
    _draw(
        size,
        base.astype(np.float64),
        down.astype(np.float64),
        float(pixels),
        shape,
        skin.astype(np.float64),
        colours,
        weave,
        folds,
        blots,
        cover,
        colour,
        label,
        int(ParsingClass.NECK),
        int(ParsingClass.CLOTH),
    )
    return Cloth(cover, colour, label)
