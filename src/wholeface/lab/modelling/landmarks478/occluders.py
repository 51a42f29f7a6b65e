"""Plain occluders drawn over a rendered face: how far does the detector's error grow behind them?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["OCCLUDER_KINDS", "Occlusion", "draw_occluder"]

Array = NDArray[np.float64]
OccluderKind = Literal["glasses", "mask", "blob", "hair", "bar"]
OCCLUDER_KINDS: tuple[OccluderKind, ...] = ("glasses", "mask", "blob", "hair", "bar")


@dataclass(frozen=True)
class Occlusion:
    """An image with something in front of the face.

    Args:
        pixels: (H, W, 3) uint8.
        mask: (H, W) bool, the occluder.
        kind: what was drawn.
    """

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    kind: OccluderKind


def draw_occluder(
    pixels: NDArray[np.uint8], points: Array, rng: np.random.Generator, kind: OccluderKind | None = None
) -> Occlusion:
    """Draw one random occluder.

    Args:
        pixels: (H, W, 3) uint8.
        points: (68, 2) true iBUG landmarks, pixels; image-left first.
        rng: randomness.
        kind: what to draw; None for a random kind.
    """
    kind = kind or OCCLUDER_KINDS[int(rng.integers(len(OCCLUDER_KINDS)))]
    height, width = pixels.shape[:2]
    scale = 4
    canvas = Image.new("L", (width * scale, height * scale), 0)
    draw = ImageDraw.Draw(canvas)
    for polygon in _SHAPES[kind](points, rng):
        draw.polygon([(float(x + 0.5) * scale, float(y + 0.5) * scale) for x, y in polygon], fill=255)
    alpha = np.asarray(canvas.resize((width, height), Image.Resampling.BOX), dtype=np.float64) / 255
    texture = _texture(kind, height, width, rng)
    blended = pixels * (1 - alpha[..., None]) + texture * alpha[..., None]
    return Occlusion(np.clip(blended + 0.5, 0, 255).astype(np.uint8), alpha > 0.5, kind)


def _texture(kind: OccluderKind, height: int, width: int, rng: np.random.Generator) -> Array:
    """(H, W, 3) colours 0…255 of the occluder."""
    if kind in ("glasses", "hair"):
        base = rng.uniform(5, 60) * np.array([1.1, 1.0, 0.9])
    elif kind == "blob" and rng.random() < 0.7:  # a hand
        base = rng.uniform(0.35, 1.0) * np.array([225.0, 172.0, 140.0])
    else:
        base = rng.uniform(20, 245, 3)
    coarse = Image.fromarray(rng.integers(0, 255, (12, 12), dtype=np.uint8))
    smooth = np.asarray(
        coarse.resize((width, height), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(2))
    )
    return np.asarray(base * (0.75 + 0.5 * smooth[..., None] / 255))


def _ellipse(
    centre: Array, axis: Array, ratio: float, rng: np.random.Generator, wobble: float = 0.1
) -> Array:
    """(40, 2) ellipse with one half-axis vector ``axis`` and an uneven rim."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    across = np.array([-axis[1], axis[0]]) * ratio
    waves = sum(rng.normal(0, wobble / k) * np.sin(k * angles + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 5))
    radius = (1 + np.asarray(waves))[:, None]
    return np.asarray(centre + radius * (np.cos(angles)[:, None] * axis + np.sin(angles)[:, None] * across))


def _glasses(points: Array, rng: np.random.Generator) -> list[Array]:
    right, left = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    between = left - right
    down = points[30] - points[27]
    size = rng.uniform(0.34, 0.45)
    shapes = [
        _ellipse(eye + 0.08 * down, size * between, rng.uniform(0.65, 0.95), rng, 0.04)
        for eye in (right, left)
    ]
    thick = 0.06 * np.array([-between[1], between[0]])
    for a, b in ((right, left), (points[0], right), (left, points[16])):
        shapes.append(np.stack([a - thick, b - thick, b + thick, a + thick]))
    return shapes


def _mask(points: Array, rng: np.random.Generator) -> list[Array]:
    top = points[27] + rng.uniform(0.25, 0.75) * (points[30] - points[27])
    rim = points[2:15]
    centre = points[33]
    return [np.concatenate([[top], (centre + (rim - centre) * rng.uniform(0.97, 1.08))[::-1]])]


def _blob(points: Array, rng: np.random.Generator) -> list[Array]:
    size = float(np.linalg.norm(points[8] - points[27]))
    centre = points[int(rng.integers(68))] + rng.normal(0, 0.1 * size, 2)
    shapes = []
    for _ in range(int(rng.integers(1, 4))):
        angle = rng.uniform(0, 2 * np.pi)
        axis = rng.uniform(0.2, 0.5) * size * np.array([np.cos(angle), np.sin(angle)])
        shapes.append(_ellipse(centre + rng.normal(0, 0.15 * size, 2), axis, rng.uniform(0.4, 0.9), rng))
    return shapes


def _hair(points: Array, rng: np.random.Generator) -> list[Array]:
    size = float(np.linalg.norm(points[8] - points[27]))
    up = (points[27] - points[8]) / size
    side = points[[17, 26][int(rng.integers(2))]] if rng.random() < 0.6 else points[27]
    start = side + up * size * 0.6
    shapes = []
    for _ in range(int(rng.integers(1, 5))):
        end = side - up * size * rng.uniform(-0.25, 0.7) + rng.normal(0, 0.15 * size, 2)
        shapes.append(_ellipse((start + end) / 2, (end - start) / 2, rng.uniform(0.15, 0.6), rng))
    return shapes


def _bar(points: Array, rng: np.random.Generator) -> list[Array]:
    size = float(np.linalg.norm(points[8] - points[27]))
    centre = points[int(rng.integers(17, 68))]
    angle = rng.uniform(0, np.pi)
    along = 2.0 * size * np.array([np.cos(angle), np.sin(angle)])
    across = rng.uniform(0.06, 0.22) * size * np.array([-np.sin(angle), np.cos(angle)])
    start = centre if rng.random() < 0.5 else centre - along
    return [np.stack([start - across, centre + along - across, centre + along + across, start + across])]


_SHAPES = {"glasses": _glasses, "mask": _mask, "blob": _blob, "hair": _hair, "bar": _bar}
