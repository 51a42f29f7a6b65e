"""What occluders are drawn on, and the ways of drawing that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...compositing.warp import Pyramid, pyramid, warp_grid
from .noise import field
from .paint import polygon_alpha, smooth_closed
from .patterns import cloth_colour
from .relief import mixed_albedo, new_relief, shade_relief

__all__ = ["Easel", "any_colour", "card", "flat_sheet", "grey", "metal", "rounded", "solid"]


@dataclass(frozen=True)
class Easel:
    """What an occluder is drawn on.

    Args:
        rgba: (S, S, 4) uint8, changed in place.
        at: (2,) pixels, the end of the occluder that touches the face.
        away: (2,) unit vector from there towards the hand.
        unit: length of the face (bridge to chin) in pixels; about 115 mm.
        light: (3,) unit vector towards the light.
        rng: randomness.
    """

    rgba: NDArray[np.uint8]
    at: NDArray[np.float32]
    away: NDArray[np.float32]
    unit: float
    light: NDArray[np.float32]
    rng: np.random.Generator

    def along(self, far: float, aside: float = 0.0) -> NDArray[np.float64]:
        """A point so many units away from the face, and aside."""
        side = np.array([-self.away[1], self.away[0]])
        return np.asarray(self.at + self.unit * (far * self.away + aside * side), np.float64)

    def draw(self, low: float, high: float) -> float:
        """Uniform random number."""
        return float(self.rng.uniform(low, high))

    def roughness(self, strength: float, cells: float = 40.0) -> NDArray[np.float32]:
        """Fine uneven brightness."""
        return field(self.rng, len(self.rgba), cells, 2) * np.float32(strength)


def grey(e: Easel, low: float = 8.0, high: float = 70.0) -> NDArray[np.float64]:
    """A dark grey, or a grey between two codes."""
    return np.full(3, e.draw(low, high)) + e.rng.normal(0, 3, 3)


def any_colour(e: Easel) -> NDArray[np.float64]:
    """Any colour of cloth or plastic."""
    return cloth_colour(e.rng).astype(np.float64)


def metal(e: Easel) -> NDArray[np.float64]:
    """The grey of metal."""
    return np.full(3, e.draw(110, 210)) * [1.0, 0.99, 0.97]


def solid(
    e: Easel,
    build: Callable[[NDArray[np.float32]], None],
    colour: NDArray[np.floating[Any]],
    *,
    gloss: float = 0.05,
    bump: NDArray[np.float32] | None = None,
    blotch: float = 0.08,
    second: NDArray[np.floating[Any]] | None = None,
    cells: float = 25.0,
    noise: NDArray[np.float32] | None = None,
) -> None:
    """Build a relief and shade it in blotches of one or two colours (codes)."""
    size = len(e.rgba)
    relief = new_relief(size)
    build(relief)
    noise = field(e.rng, size, cells, 3, 0.6) if noise is None else noise
    one = ((np.clip(colour, 2, 255) / 255.0) ** 2.2).astype(np.float32)
    two = ((np.clip(second, 2, 255) / 255.0) ** 2.2).astype(np.float32) if second is not None else one
    albedo = mixed_albedo(noise, one, two, blotch)
    bumps = bump if bump is not None else noise * np.float32(0.2)
    shade_relief(relief, albedo, e.light, 0.45, gloss, bumps, 0.25, e.rgba)


def flat_sheet(
    e: Easel,
    points: NDArray[np.floating[Any]],
    colour: NDArray[np.floating[Any]],
    centre: NDArray[np.floating[Any]],
    axis: NDArray[np.floating[Any]],
    contrast: float,
) -> None:
    """A thin sheet: lit along its axis, darker on one side of the middle."""
    size = len(e.rgba)
    outline = smooth_closed(points, 4)
    low = np.clip(np.floor(outline.min(axis=0)) - 1, 0, size).astype(int)
    high = np.clip(np.ceil(outline.max(axis=0)) + 2, 0, size).astype(int)
    if (high - low).min() <= 0:
        return
    alpha = polygon_alpha(high[1] - low[1], high[0] - low[0], (outline - low).astype(np.float32))
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    norm = float(axis @ axis) + 1e-6
    u = ((x - centre[0]) * axis[0] + (y - centre[1]) * axis[1]) / norm
    v = ((y - centre[1]) * axis[0] - (x - centre[0]) * axis[1]) / norm
    tone = (
        0.85
        + contrast * 0.5 * u
        + contrast * 0.35 * np.sign(v) * np.sqrt(np.abs(v))
        + 0.04 * np.sin(25 * v + 9 * u)
    )
    part = e.rgba[low[1] : high[1], low[0] : high[0]]
    cover = alpha[..., None] / 255.0
    old = part[..., 3:] / 255.0 * (1 - cover)
    total = cover + old
    mixed = (np.clip(colour * tone[..., None], 0, 255) * cover + part[..., :3] * old) / np.maximum(
        total, 1e-3
    )
    part[..., :3] = np.where(total > 0, mixed, part[..., :3]).astype(np.uint8)
    part[..., 3:] = (255 * total + 0.49).astype(np.uint8)


def rounded(high: int, wide: int, radius: float) -> NDArray[np.float32]:
    """(high, wide) coverage, 0 to 255, of a rectangle whose corners have this radius in pixels."""
    y, x = np.mgrid[:high, :wide].astype(np.float32)
    dx = np.maximum(np.abs(x - 0.5 * (wide - 1)) - (0.5 * (wide - 1) - radius), 0)
    dy = np.maximum(np.abs(y - 0.5 * (high - 1)) - (0.5 * (high - 1) - radius), 0)
    return (255 * np.clip(radius + 0.5 - np.hypot(dx, dy), 0, 1)).astype(np.float32)


def card(e: Easel, image: NDArray[np.uint8], wide: float, ratio: float) -> None:
    """Lay a flat image with some perspective; its upper edge lies at the face."""
    flat: Pyramid = pyramid(image)
    height, width = flat.shape
    half, long = 0.5 * wide, wide * ratio
    lean = e.draw(-0.2, 0.2)
    near, far = half * (1 + lean), half * (1 - lean)
    back = -e.draw(0.0, 0.6) * long
    corners = np.stack(
        [[e.along(back, near), e.along(back, -near)], [e.along(back + long, far), e.along(back + long, -far)]]
    )
    source = np.array([[[-1, -1], [width, -1]], [[-1, height], [width, height]]], np.float64)
    laid = warp_grid(flat, source, corners, len(e.rgba))
    if not laid[..., 3].any():  # turned over: mirror it
        laid = warp_grid(flat, source, corners[:, ::-1], len(e.rgba))
    inside = laid[..., 3] > 0
    e.rgba[inside] = laid[inside]
