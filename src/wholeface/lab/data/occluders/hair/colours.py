"""Colours of hair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["HairColour", "random_hair_colour"]

Array = NDArray[np.float32]
_NATURAL: tuple[tuple[tuple[int, int, int], float], ...] = (
    ((22, 19, 18), 2.2),  # black
    ((44, 33, 27), 2.0),
    ((70, 49, 35), 2.0),
    ((98, 70, 48), 1.8),
    ((126, 94, 66), 1.6),
    ((156, 122, 84), 1.6),  # dark blond
    ((190, 156, 110), 1.6),
    ((216, 192, 152), 1.0),  # light blond
    ((128, 70, 42), 1.3),  # red-brown
    ((172, 92, 50), 0.9),  # red
    ((146, 140, 134), 1.0),  # grey
    ((208, 204, 198), 0.7),  # white
)


@dataclass(frozen=True)
class HairColour:
    """Colour of a head of hair, sRGB in 0..1.

    Args:
        root, tip: (3,).
        spread: how much locks differ from each other in brightness.
        gloss: strength of the highlight.
    """

    root: Array
    tip: Array
    spread: float
    gloss: float

    def of_locks(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Colours (count, 3) of roots and tips of single locks."""
        level = np.exp(rng.normal(0, self.spread, (count, 1))).astype(np.float32)
        warm = 1 + rng.normal(0, 0.03, (count, 1)).astype(np.float32) * np.array([1.0, 0.0, -1.0], np.float32)
        streak = (rng.random((count, 1)) < 0.2).astype(np.float32) * 0.5
        root = (self.root * (1 - streak) + self.tip * streak) * level * warm
        return np.clip(root, 0.01, 1), np.clip(self.tip * level * warm, 0.01, 1)


def random_hair_colour(
    rng: np.random.Generator,
    own: Array | None,
    skin: Array | None,
    like_skin: float = 0.0,
    keep: float = 0.75,
) -> HairColour:
    """A natural or dyed colour.

    Args:
        own: colour of the hair that the person has already; or None.
        skin: colour of the person's skin as pictured.
        like_skin: share of colours that are pulled towards the skin's (which makes hair hard to see).
        keep: share of heads that keep their own colour.
    """
    chance = rng.random()
    if own is not None and rng.random() < keep:
        base = own * np.float32(rng.uniform(0.9, 1.25))
    elif chance > 0.94:
        hue = rng.random(3).astype(np.float32)
        base = 0.15 + 0.7 * hue * np.float32(rng.uniform(0.4, 1.0))
    else:
        weights = np.array([w for _, w in _NATURAL])
        chosen = _NATURAL[int(rng.choice(len(_NATURAL), p=weights / weights.sum()))][0]
        base = np.array(chosen, np.float32) / 255 * np.exp(rng.normal(0, 0.12, 3) * 0.4 + rng.normal(0, 0.1))
    if skin is not None and rng.random() < like_skin:
        base = base * 0.3 + skin * np.float32(rng.uniform(0.45, 0.7))
    base = np.clip(base, 0.03, 0.95).astype(np.float32)
    lift = float(rng.choice([1.0, 1.12, 1.3, 1.6, 0.85], p=[0.35, 0.3, 0.2, 0.1, 0.05]))
    tip = np.clip(base * lift * (1, 0.99, 0.96), 0.03, 0.97).astype(np.float32)
    return HairColour(
        np.clip(base * rng.uniform(0.75, 1.0), 0.02, 1).astype(np.float32),
        tip,
        float(rng.uniform(0.05, 0.18)),
        float(rng.uniform(0.05, 0.3)) * float(np.clip(0.4 + base.mean(), 0.4, 1.0)),
    )
