"""Colours of eyeglasses and what they mirror."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

__all__ = ["clear_materials", "dark_materials", "surroundings", "tinted_materials"]

Array = NDArray[np.float32]
_ACETATE = (
    (18, 17, 18),
    (60, 36, 22),
    (96, 62, 36),
    (140, 30, 34),
    (30, 44, 84),
    (214, 208, 200),
    (120, 120, 124),
)
_METAL = ((196, 160, 96), (190, 190, 194), (60, 60, 64), (150, 120, 100), (210, 170, 150))
_LENS = ((10, 10, 11), (12, 14, 13), (30, 20, 14), (22, 28, 20), (20, 24, 34), (48, 30, 16))


def _pick(table: tuple[tuple[int, int, int], ...], rng: np.random.Generator) -> Array:
    base = np.array(table[int(rng.integers(len(table)))], np.float32) / 255
    return np.clip(base * rng.uniform(0.8, 1.2) + rng.normal(0, 0.01, 3), 0, 1).astype(np.float32)


def _frame(rng: np.random.Generator) -> list[float]:
    """One row of materials: opaque acetate, translucent acetate or metal."""
    kind = rng.random()
    if kind < 0.55:
        colour = _pick(_ACETATE, rng)
        if rng.random() < 0.15:
            colour = np.array(
                colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.4, 1), rng.uniform(0.3, 1)), np.float32
            )
        opacity = 1.0 if rng.random() < 0.88 else float(rng.uniform(0.55, 0.8))
        return [*colour, opacity, 0.03, 0.6, opacity, float(rng.uniform(0.0, 0.5)), 40.0, 0.0, 0.0]
    return [
        *_pick(_METAL, rng),
        1.0,
        float(rng.uniform(0.25, 0.6)),
        0.8,
        1.0,
        float(rng.uniform(0.2, 0.8)),
        30.0,
        0.0,
        1.0,
    ]


def dark_materials(rng: np.random.Generator) -> Array:
    """(3, 11) materials of frame, lens and temple of sunglasses."""
    frame = _frame(rng)
    kind = rng.random()
    colour = _pick(_LENS, rng)
    top = float(rng.uniform(0.88, 1.0))
    bottom, mirror, metal = top, float(rng.uniform(0.02, 0.12)), 0.0
    if kind < 0.3:  # gradient
        bottom = float(rng.uniform(0.55, 0.9))
    elif kind < 0.6:  # mirrored, of any colour
        colour = np.array(
            colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.8), rng.uniform(0.6, 1)), np.float32
        )
        mirror, metal = float(rng.uniform(0.45, 0.9)), 1.0
    elif kind < 0.75:  # coloured
        colour = np.array(
            colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.4, 1), rng.uniform(0.15, 0.6)), np.float32
        )
        top = float(rng.uniform(0.7, 0.95))
        bottom = top
    lens = [*colour, top, mirror, 0.7, bottom, float(rng.uniform(0, 0.5)), 200.0, 0.0, metal]
    return np.array([frame, lens, frame if rng.random() < 0.8 else _frame(rng)], np.float32)


def _scene(photo: NDArray[np.uint8], rng: np.random.Generator) -> Array:
    """(96, 96, 3) a part of a photo, on its side or mirrored, of another contrast: something with real detail."""
    edge = int(photo.shape[0] * rng.uniform(0.3, 1.0))
    y, x = (int(rng.integers(0, photo.shape[0] - edge + 1)) for _ in range(2))
    rows = np.linspace(0, edge - 1, 96).astype(int)
    part = photo[y : y + edge, x : x + edge][np.ix_(rows, rows)].astype(np.float32) / 255
    part = np.rot90(part, int(rng.integers(4)))[:, :: int(rng.choice([-1, 1]))]
    cast = rng.uniform(0.6, 1.4, 3) if rng.random() < 0.6 else np.ones(3)
    gained = (part - 0.5) * rng.uniform(0.7, 2.0) + rng.uniform(0.3, 0.8)
    return np.clip(gained * cast, 0, 1.2).astype(np.float32)


def tinted_materials(rng: np.random.Generator) -> Array:
    """(3, 11) materials of spectacles whose lenses are tinted, evenly or from above, and let the eyes be seen."""
    frame = _frame(rng)
    hue = (
        rng.random() if rng.random() < 0.6 else float(rng.choice([0.07, 0.1, 0.58]))
    )  # fashion, or brown and grey
    colour = np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.2, 0.9), rng.uniform(0.1, 0.7)), np.float32)
    top = float(rng.uniform(0.4, 0.8))
    bottom = float(rng.uniform(0.0, 0.35)) if rng.random() < 0.5 else top
    lens = [
        *colour,
        top,
        float(rng.uniform(0.0, 0.2)),
        0.5,
        bottom,
        float(rng.uniform(0, 0.5)),
        300.0,
        0.0,
        0.0,
    ]
    return np.array([frame, lens, frame if rng.random() < 0.8 else _frame(rng)], np.float32)


def clear_materials(rng: np.random.Generator) -> Array:
    """(3, 11) materials of frame, lens and temple of clear glasses: they mirror a little, some of them much.

    Coatings against reflections leave green, violet or blue ones.
    """
    frame = _frame(rng)
    tint = float(rng.uniform(0.0, 0.05)) if rng.random() < 0.85 else float(rng.uniform(0.05, 0.2))
    kind = rng.random()
    mirror = float(rng.uniform(0.0, 0.12) if kind < 0.7 else rng.uniform(0.12, 0.35))
    grazing, metal, colour = 0.4, 0.0, _pick(_LENS, rng)
    if kind > 0.82:  # coated, or facing a window
        mirror = float(rng.uniform(0.2, 0.7))
        if rng.random() < 0.6:
            hue = float(rng.choice([0.35, 0.6, 0.78])) + float(rng.normal(0, 0.03))
            colour = np.array(
                colorsys.hsv_to_rgb(hue % 1.0, rng.uniform(0.3, 0.8), rng.uniform(0.5, 1)), np.float32
            )
            metal, tint = 1.0, min(tint, 0.03)
    lens = [*colour, tint, mirror, grazing, tint, float(rng.uniform(0, 0.6)), 400.0, 0.0, metal]
    return np.array([frame, lens, frame if rng.random() < 0.8 else _frame(rng)], np.float32)


def surroundings(rng: np.random.Generator, photo: NDArray[np.uint8] | None = None) -> Array:
    """(h, w, 3) what lies behind the camera: sky or ceiling, ground, a few windows or lamps; or a scene in detail.

    Args:
        rng: randomness.
        photo: (S, S, 3) uint8 sRGB, of which every other scene is made, or None.
    """
    if photo is not None and rng.random() < 0.5:
        return _scene(photo, rng)
    row = np.linspace(0, 1, 24, dtype=np.float32)[:, None, None]
    sky = rng.uniform(0.3, 0.95, 3) * (0.9, 0.95, 1.0) * rng.uniform(0.5, 1.0)
    ground = rng.uniform(0.05, 0.45, 3) * rng.uniform(0.4, 1.0)
    horizon = float(rng.uniform(0.35, 0.65))
    soft = float(rng.uniform(0.02, 0.25))
    blend = 1 / (1 + np.exp(-(row - horizon) / soft))
    image = np.tile(sky * (1 - blend) + ground * blend, (1, 24, 1)).astype(np.float32)
    image += rng.normal(0, 0.05, (24, 24, 1)).astype(np.float32)
    for _ in range(int(rng.integers(0, 4))):
        y, x = int(rng.integers(2, 16)), int(rng.integers(1, 21))
        h, w = int(rng.integers(1, 7)), int(rng.integers(1, 5))
        image[y : y + h, x : x + w] = rng.uniform(0.7, 1.2)
    for _ in range(int(rng.integers(0, 3))):
        y, x = int(rng.integers(10, 20)), int(rng.integers(0, 18))
        image[y:, x : x + int(rng.integers(2, 7))] *= float(rng.uniform(0.2, 0.7))
    return np.clip(image, 0, 1.2).astype(np.float32)
