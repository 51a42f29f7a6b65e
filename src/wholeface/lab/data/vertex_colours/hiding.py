"""Parts of a face that something could hide, as functions of places on the mean face; nothing is painted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError

__all__ = ["HIDINGS", "hidden_part"]

Array = NDArray[Any]


def hidden_part(kind: str, places: Array, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which places of the face are hidden.

    Args:
        kind: of :data:`HIDINGS`.
        places: (..., 3) on the mean face, divided so that y runs from −1 (chin) to 1 (forehead) and x, z have the
            same scale; see :class:`wholeface.stages.texture.graph.FaceMesh`.
        rng: of size, place and outline.

    Returns:
        (...) bool. Places that are not numbers are not hidden.

    Raises:
        UsageError: no such kind.
    """
    if kind not in _HIDINGS:
        raise UsageError(f"no part of a face is called {kind!r}; there are: {', '.join(HIDINGS)}")
    with np.errstate(invalid="ignore"):
        wave = _waves(places, rng)
        return np.asarray(_HIDINGS[kind](places, rng) + wave > 0)


def _waves(places: Array, rng: np.random.Generator) -> Array:
    """An uneven outline: three waves over the surface, up to some 0.06 high."""
    total = np.zeros(places.shape[:-1])
    for length in (0.5, 0.3, 0.18):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        phase = rng.uniform(0, 2 * np.pi)
        total += rng.uniform(0, 0.12) * length * np.sin(2 * np.pi * (places @ direction) / length + phase)
    return total


def _lower(places: Array, rng: np.random.Generator) -> Array:
    """A mask, a scarf: all below a line."""
    return rng.uniform(-0.5, 0.05) + rng.uniform(-0.15, 0.15) * places[..., 0] - places[..., 1]


def _upper(places: Array, rng: np.random.Generator) -> Array:
    """A hat, a fringe: all above a line."""
    return places[..., 1] - rng.uniform(0.3, 0.75) - rng.uniform(-0.4, 0.4) * places[..., 0]


def _eyes(places: Array, rng: np.random.Generator) -> Array:
    """Spectacles: a band across the eyes."""
    middle = rng.uniform(0.12, 0.26)
    return rng.uniform(0.14, 0.28) - np.abs(
        places[..., 1] - middle - rng.uniform(-0.08, 0.08) * places[..., 0]
    )


def _side(places: Array, rng: np.random.Generator) -> Array:
    """Long hair, a hand beside the face: all on one side of a leaning line."""
    side, lean = rng.choice((-1.0, 1.0)), rng.uniform(-0.6, 0.6)
    return side * places[..., 0] + lean * places[..., 1] - rng.uniform(-0.15, 0.4)


def _spots(places: Array, rng: np.random.Generator) -> Array:
    """Fingers, things: one to three balls on the front of the face."""
    nearest = np.full(places.shape[:-1], -np.inf)
    for _ in range(int(rng.integers(1, 4))):
        centre = np.array([rng.uniform(-0.6, 0.6), rng.uniform(-0.9, 0.8)])
        radius = float(np.exp(rng.uniform(np.log(0.15), np.log(0.55))))
        nearest = np.maximum(nearest, radius - np.linalg.norm(places[..., :2] - centre, axis=-1))
    return nearest


_HIDINGS: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "eyes": _eyes,
    "lower": _lower,
    "side": _side,
    "spots": _spots,
    "upper": _upper,
}
HIDINGS: tuple[str, ...] = tuple(_HIDINGS)
"""Kinds of hidden parts."""
