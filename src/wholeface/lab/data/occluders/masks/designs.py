"""Masks drawn from nothing: cut, pleats, seams, valves, cloth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..drawing.noise import field, grain
from ..drawing.paint import polygon_alpha, smooth_closed
from ..drawing.patterns import pattern

__all__ = ["Design", "draw_design", "is_held_out"]

_WIDTH, _HEIGHT = 160, 136
_HELD_OUT = frozenset({"mask/drawn_fishmouth", "mask/KN95", "mask/uv_4", "mask/uv_7"})


@dataclass(frozen=True)
class Design:
    """A drawn mask.

    Args:
        rgba: (136, 160, 4) uint8.
        keys: (6, 2) float32 pixels of its corners, top and chin, in the order of the photographed masks.
        straps: 1 = loops around the ears, 2 = bands around the head, 0 = none.
    """

    rgba: NDArray[np.uint8]
    keys: NDArray[np.float32]
    straps: int


def is_held_out(name: str) -> bool:
    """Whether a design is never trained on."""
    return name in _HELD_OUT


# Outlines in the unit square, clockwise from the left end of the upper edge: a, b, c, then down to f, e, d.
_OUTLINES = {
    "surgical": ((0.02, 0.18), (0.25, 0.08), (0.5, 0.02), (0.75, 0.08), (0.98, 0.18), (0.99, 0.4), (0.95, 0.6),
                 (0.78, 0.85), (0.5, 0.98), (0.22, 0.85), (0.05, 0.6), (0.01, 0.4)),
    "cloth": ((0.03, 0.22), (0.25, 0.17), (0.5, 0.02), (0.75, 0.17), (0.97, 0.22), (0.98, 0.4), (0.9, 0.62),
              (0.74, 0.86), (0.5, 0.98), (0.26, 0.86), (0.1, 0.62), (0.02, 0.4)),
    "duckbill": ((0.02, 0.3), (0.25, 0.16), (0.5, 0.03), (0.75, 0.16), (0.98, 0.3), (0.99, 0.48), (0.93, 0.66),
                 (0.78, 0.82), (0.5, 0.96), (0.22, 0.82), (0.07, 0.66), (0.01, 0.48)),
    "cup": ((0.06, 0.3), (0.26, 0.12), (0.5, 0.02), (0.74, 0.12), (0.94, 0.3), (0.98, 0.5), (0.92, 0.7),
            (0.74, 0.9), (0.5, 0.98), (0.26, 0.9), (0.08, 0.7), (0.02, 0.5)),
    "fishmouth": ((0.02, 0.34), (0.2, 0.1), (0.5, 0.02), (0.8, 0.1), (0.98, 0.34), (0.9, 0.5), (0.94, 0.66),
                  (0.76, 0.92), (0.5, 0.97), (0.24, 0.92), (0.06, 0.66), (0.1, 0.5)),
}  # fmt: skip


def draw_design(shape: str, rng: np.random.Generator, textures: Path | None) -> Design:
    """Draw one mask of this cut with a random cloth.

    Args:
        shape: ``surgical``, ``cloth``, ``duckbill``, ``cup`` or ``fishmouth``.
        rng: randomness.
        textures: folder of photographed prints, or None.
    """
    nodes = 1.0 + np.array(_OUTLINES[shape], np.float64) * np.array([_WIDTH - 3.0, _HEIGHT - 3.0])
    nodes = nodes + rng.normal(0, 1.0, nodes.shape)
    alpha = polygon_alpha(_HEIGHT, _WIDTH, smooth_closed(nodes))
    tile = _cloth(shape, rng, textures)
    repeat = float(rng.uniform(1.0, 3.0))
    y, x = np.mgrid[:_HEIGHT, :_WIDTH].astype(np.float32)
    u, v = 2 * x / _WIDTH - 1, 2 * y / _HEIGHT - 1
    colour = tile[(y * repeat * 96 / _WIDTH).astype(int) % 96, (x * repeat * 96 / _WIDTH).astype(int) % 96]
    tone = 1.02 - 0.22 * u * u - 0.16 * np.clip(v, 0, 1) ** 2  # round over the face
    tone += 0.05 * np.exp(-((u / 0.08) ** 2)) * (v < 0.1)  # the nose
    fold = field(rng, _WIDTH, float(rng.uniform(3, 7)), 3, 0.6, stretch=float(rng.uniform(1.0, 3.0)))[
        :_HEIGHT
    ]
    slope = np.gradient(fold, axis=0)
    tone += slope * float(rng.uniform(0.2, 0.9)) + 0.015 * fold
    if shape == "surgical":
        tone += _pleats(u, v, rng)
    elif shape == "cloth" or (shape == "cup" and rng.random() < 0.4):
        tone += _line(u - 0.02 * np.sin(3 * v), 0.015, -0.12) + _line(u - 0.03, 0.02, 0.06)
    elif shape in ("duckbill", "fishmouth"):
        bend = -0.1 + 0.35 * u * u
        tone += np.where(v > bend, -0.08, 0.05) + _line(v - bend, 0.03, -0.14)
    border = float(rng.uniform(0.03, 0.09))
    inner = polygon_alpha(
        _HEIGHT, _WIDTH, smooth_closed((nodes - nodes.mean(0)) * (1 - border) + nodes.mean(0))
    )
    if rng.random() < 0.6:  # hem with stitches
        rim = (inner.astype(np.float32) / 255.0) * (1.0 - inner.astype(np.float32) / 255.0) * 4.0
        tone -= 0.12 * rim * (np.sin((x + y) * 1.6) > -0.3)
    out = colour.astype(np.float32) * np.clip(tone, 0.2, 1.4)[..., None]
    if rng.random() < 0.5:  # a hem of its own colour
        hem = (inner < 128) & (alpha > 0)
        out[hem] = out[hem] * float(rng.uniform(0.5, 1.2))
    if shape in ("cup", "fishmouth", "cloth") and rng.random() < 0.3:
        _valve(out, rng)
    out += (grain(rng, _WIDTH)[:_HEIGHT] * float(rng.uniform(0.5, 4)))[..., None]
    rgba = np.dstack([np.clip(out, 0, 255).astype(np.uint8), alpha])
    keys = nodes[[0, 2, 4, 10, 8, 6]].astype(np.float32)
    straps = int(rng.choice([1, 1, 2, 0])) if shape != "cup" else 2
    return Design(rgba, keys, straps)


def _cloth(shape: str, rng: np.random.Generator, textures: Path | None) -> NDArray[np.uint8]:
    """Medical masks are mostly white, blue or green."""
    if shape == "cloth" or rng.random() < 0.35:
        return pattern(rng, textures)
    base = np.array(
        [[228, 232, 235], [150, 190, 220], [165, 208, 200], [40, 42, 46], [225, 180, 190], [245, 245, 242]][
            int(rng.choice(6, p=[0.25, 0.3, 0.15, 0.12, 0.06, 0.12]))
        ],
        np.float32,
    )
    base = base + rng.normal(0, 6, 3).astype(np.float32)
    noise = field(rng, 96, 24.0, 2) * 3 + grain(rng, 96) * 2
    return np.clip(base + noise[..., None], 0, 255).astype(np.uint8)


def _line(distance: NDArray[np.float32], width: float, strength: float) -> NDArray[np.float32]:
    return strength * np.exp(-((distance / width) ** 2))


def _pleats(u: NDArray[np.float32], v: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    out = np.zeros_like(u)
    for k in range(int(rng.integers(2, 5))):
        at = -0.35 + 0.3 * k + float(rng.normal(0, 0.03))
        bow = float(rng.uniform(-0.12, 0.18))
        distance = v - at - bow * (1 - u * u) - 0.02 * np.sin(5 * u + rng.uniform(0, 6))
        out += _line(distance, 0.02, -0.16) + _line(distance + 0.05, 0.045, 0.06) * (distance < 0)
    return out


def _valve(out: NDArray[np.float32], rng: np.random.Generator) -> None:
    y, x = np.mgrid[:_HEIGHT, :_WIDTH].astype(np.float32)
    radius = float(rng.uniform(9, 16))
    cx = _WIDTH * float(rng.choice([0.3, 0.5, 0.7]))
    cy = _HEIGHT * float(rng.uniform(0.45, 0.6))
    far = np.hypot(x - cx, y - cy)
    colour = np.full(3, rng.uniform(20, 240), np.float32)
    light = 0.85 + 0.25 * np.clip((cx - x + cy - y) / (2 * radius), -1, 1) + 0.12 * np.sin(far * 1.5)
    inside = far < radius
    out[inside] = colour * light[inside][:, None]
    out[(far >= radius) & (far < radius + 2.0)] *= 0.6
