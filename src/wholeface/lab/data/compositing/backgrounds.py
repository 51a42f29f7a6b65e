"""Backdrops without photos: gradients, noise, edges, discs of light, patterns, rooms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.jit import njit

__all__ = ["BACKGROUNDS", "random_background"]

Floats = NDArray[np.float32]


@njit(cache=True, nogil=True)
def _enlarge(coarse: Any, out: Any, smooth: Any) -> None:
    """out (S, S, C) += bilinear (or smoothstep) enlargement of (h, w, C), corners on corners."""
    size, channels = out.shape[0], out.shape[2]
    height, width = coarse.shape[0], coarse.shape[1]
    line = np.empty((width, channels), np.float32)
    for row in range(size):
        y = row * (height - 1) / max(size - 1, 1)
        r0 = min(int(y), height - 2)
        b = np.float32(y - r0)
        if smooth:
            b = b * b * (np.float32(3) - np.float32(2) * b)
        for column in range(width):
            for c in range(channels):
                line[column, c] = coarse[r0, column, c] + b * (
                    coarse[r0 + 1, column, c] - coarse[r0, column, c]
                )
        step = np.float32((width - 1) / max(size - 1, 1))
        for column in range(size):
            x = np.float32(column) * step
            c0 = np.uint64(min(int(x), width - 2))
            a = x - np.float32(c0)
            if smooth:
                a = a * a * (np.float32(3) - np.float32(2) * a)
            for c in range(channels):
                out[row, column, c] += line[c0, c] + a * (line[c0 + np.uint64(1), c] - line[c0, c])


@njit(cache=True, nogil=True)
def _discs(out: Any, discs: Any, colours: Any) -> None:
    """Blend soft discs (x, y, radius, opacity, edge) into out (S, S, 3)."""
    size = out.shape[0]
    for d in range(discs.shape[0]):
        x, y, radius, opacity, edge = discs[d, 0], discs[d, 1], discs[d, 2], discs[d, 3], discs[d, 4]
        for row in range(max(0, int(y - radius - 1)), min(size, int(y + radius + 2))):
            for column in range(max(0, int(x - radius - 1)), min(size, int(x + radius + 2))):
                distance = ((column - x) ** 2 + (row - y) ** 2) ** 0.5
                a = np.float32(min(max((radius - distance) / edge, 0.0), 1.0) * opacity)
                if a > 0:
                    for c in range(3):
                        out[row, column, c] += a * (colours[d, c] - out[row, column, c])


@njit(cache=True, nogil=True)
def _boxes(out: Any, boxes: Any, colours: Any) -> None:
    """Fill turned boxes (x, y, half width, half height, cosine, sine, slope of brightness) of out (S, S, 3)."""
    size = out.shape[0]
    for d in range(boxes.shape[0]):
        x, y, w, h = boxes[d, 0], boxes[d, 1], boxes[d, 2], boxes[d, 3]
        cosine, sine, slope = boxes[d, 4], boxes[d, 5], boxes[d, 6]
        reach_x = w * abs(cosine) + h * abs(sine)
        reach_y = w * abs(sine) + h * abs(cosine)
        for row in range(max(0, int(y - reach_y)), min(size, int(y + reach_y + 2))):
            for column in range(max(0, int(x - reach_x)), min(size, int(x + reach_x + 2))):
                along = (column - x) * cosine + (row - y) * sine
                across = (row - y) * cosine - (column - x) * sine
                a = min(min(w - abs(along), h - abs(across)) + 0.5, 1.0)
                if a > 0.0:
                    level = 1.0 + slope * across / h
                    for c in range(3):
                        target = colours[d, c] * level
                        out[row, column, c] += np.float32(a * (target - out[row, column, c]))


@njit(cache=True, nogil=True)
def _waves(out: Any, turn: Any, period: Any, sharpness: Any, grid: Any, first: Any, second: Any) -> None:
    """Stripes (or a grid) of two colours with soft or hard edges."""
    size = out.shape[0]
    cosine, sine = np.cos(turn), np.sin(turn)
    for row in range(size):
        for column in range(size):
            u = (column * cosine + row * sine) / period
            v = (row * cosine - column * sine) / period
            a = np.sin(2 * np.pi * u)
            if grid:
                a *= np.sin(2 * np.pi * v)
            t = np.float32(min(max(0.5 + sharpness * a, 0.0), 1.0))
            for c in range(3):
                out[row, column, c] = first[c] + t * (second[c] - first[c])


def _colour(rng: np.random.Generator) -> Floats:
    """(3,) in [0, 1], mostly dull."""
    grey = rng.beta(1.3, 1.5)
    chroma = rng.normal(0, rng.choice([0.03, 0.08, 0.25]), 3)
    return np.clip(grey + chroma, 0, 1).astype(np.float32)


def value_noise(
    rng: np.random.Generator, size: int, octaves: tuple[int, int], *, channels: int = 3, fall: float = 0.6
) -> Floats:
    """(size, size, channels) smooth noise of zero mean: octaves of cells from 2^a to 2^b across."""
    out = np.zeros((size, size, channels), np.float32)
    level = 1.0
    for octave in range(*octaves):
        cells = 2**octave + 1
        if cells > size:
            break
        _enlarge((level * rng.uniform(-1, 1, (cells, cells, channels))).astype(np.float32), out, True)
        level *= fall
    return out


def _gradient(rng: np.random.Generator, size: int) -> Floats:
    cells = int(rng.integers(2, 4))
    base = _colour(rng)
    spread = rng.choice([0.08, 0.2, 0.4])
    coarse = np.clip(
        base + rng.normal(0, spread, (cells, cells, 1)) + rng.normal(0, 0.03, (cells, cells, 3)), 0, 1
    )
    out = np.zeros((size, size, 3), np.float32)
    _enlarge(coarse.astype(np.float32), out, True)
    return out


def _clouds(rng: np.random.Generator, size: int) -> Floats:
    first = int(rng.integers(1, 4))
    noise = value_noise(rng, size, (first, first + 4), channels=1, fall=rng.uniform(0.45, 0.8))
    tint = value_noise(rng, size, (1, 3)) * rng.uniform(0, 0.15)
    return _colour(rng) + rng.uniform(0.1, 0.5) * noise * rng.uniform(0.6, 1.2, 3).astype(np.float32) + tint


def _leaves(rng: np.random.Generator, size: int) -> Floats:
    first = int(rng.integers(2, 5))
    noise = value_noise(rng, size, (first, first + 3), channels=1)
    t = np.clip(noise * rng.uniform(1, 8) + rng.uniform(-0.5, 0.5), 0, 1)
    one, two = _colour(rng), _colour(rng)
    return one + t * (two - one) + 0.1 * value_noise(rng, size, (4, 7), channels=1)


def _bokeh(rng: np.random.Generator, size: int) -> Floats:
    out = 0.5 * _gradient(rng, size)
    count = int(rng.integers(5, 40))
    discs = np.empty((count, 5))
    discs[:, :2] = rng.uniform(-0.1, 1.1, (count, 2)) * size
    discs[:, 2] = np.exp(rng.uniform(np.log(0.015), np.log(0.12), count)) * size
    discs[:, 3] = rng.uniform(0.1, 0.9, count)
    discs[:, 4] = np.maximum(discs[:, 2] * rng.uniform(0.05, 0.6), 1.0)
    warm = rng.uniform(0.4, 1.0, (count, 1)) * np.clip(rng.normal([1.0, 0.85, 0.6], 0.25, (count, 3)), 0, 1.2)
    _discs(out, discs, warm.astype(np.float32))
    return out


def _room(rng: np.random.Generator, size: int) -> Floats:
    out = _gradient(rng, size)
    count = int(rng.integers(2, 14))
    turn = rng.normal(0, 0.06, count) + (rng.random(count) < 0.1) * rng.uniform(-1.5, 1.5, count)
    boxes = np.stack(
        [
            *(rng.uniform(-0.1, 1.1, (2, count)) * size),
            *(np.exp(rng.uniform(np.log(0.01), np.log(0.5), (2, count))) * size),
            np.cos(turn),
            np.sin(turn),
            rng.normal(0, 0.15, count),
        ],
        axis=1,
    )
    colours = np.stack([_colour(rng) for _ in range(count)])
    _boxes(out, boxes, colours)
    return out


def _pattern(rng: np.random.Generator, size: int) -> Floats:
    out = np.empty((size, size, 3), np.float32)
    period = np.exp(rng.uniform(np.log(0.03), np.log(0.5))) * size
    sharpness = np.exp(rng.uniform(np.log(0.3), np.log(10)))
    turn = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    _waves(out, turn, period, sharpness, rng.random() < 0.4, _colour(rng), _colour(rng))
    return out


def _studio(rng: np.random.Generator, size: int) -> Floats:
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    centre = rng.normal(0, 0.4, 2)
    squared = (axis[:, None] - centre[0]) ** 2 + (axis[None] - centre[1]) ** 2
    glow = np.exp(-squared / rng.uniform(0.3, 2.0))[..., None]
    out = _colour(rng) * (1 + rng.uniform(-0.5, 0.8) * glow)
    if rng.random() < 0.5:
        out = out + rng.uniform(0, 0.08) * value_noise(rng, size, (4, 8), channels=1)
    return out.astype(np.float32)


BACKGROUNDS: dict[str, tuple[float, Callable[[np.random.Generator, int], Floats]]] = {
    "gradient": (1.0, _gradient),
    "clouds": (1.5, _clouds),
    "leaves": (1.5, _leaves),
    "bokeh": (1.0, _bokeh),
    "room": (3.0, _room),
    "pattern": (0.7, _pattern),
    "studio": (1.5, _studio),
}
"""name -> (weight, maker)."""


def random_background(rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """A random backdrop, often out of focus.

    Args:
        rng: randomness.
        size: edge in pixels.

    Returns:
        (size, size, 3) uint8 sRGB.
    """
    names = list(BACKGROUNDS)
    weights = np.array([BACKGROUNDS[name][0] for name in names])
    shrink = int(rng.choice([1, 2, 3, 5, 8], p=[0.3, 0.25, 0.2, 0.15, 0.1]))
    small = max(16, size // shrink)

    def one() -> Floats:
        return BACKGROUNDS[names[int(rng.choice(len(names), p=weights / weights.sum()))]][1](rng, small)

    image = one()
    if rng.random() < 0.35:
        edge = np.clip(
            (value_noise(rng, small, (1, 3), channels=1) + rng.uniform(-0.5, 0.5)) * rng.uniform(2, 30), 0, 1
        )
        image = image + edge * (one() - image)
    if small != size:
        out = np.zeros((size, size, 3), np.float32)
        _enlarge(np.ascontiguousarray(image, dtype=np.float32), out, False)
        image = out
    result: NDArray[np.uint8] = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    return result
