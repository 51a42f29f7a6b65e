"""How well skin, beards, facial features and what is seen around the face explain each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ....core.luminance import luminance
from .light import DARK
from .view import FaceView

__all__ = ["Surroundings", "Texture", "gaussian", "weighted_median"]

_Array = NDArray[np.floating[Any]]
_Bool = NDArray[np.bool_]

LUMINANCE_RANGE, CHROMA_RANGE = 4.4, (3.4, 3.6)
_BINS = 20
_SECTORS = 8


def gaussian(value: _Array, sigma: float) -> _Array:
    """Density of N(0, sigma²)."""
    density: _Array = np.exp(np.square(value) * np.float32(-0.5 / sigma**2)) * np.float32(
        1 / (2.5066 * sigma)
    )
    return density


def weighted_median(values: _Array, weights: _Array) -> float:
    """Smallest value at which half of the weight is reached."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][min(np.searchsorted(reached, reached[-1] / 2), len(values) - 1)])


def log_colours(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """(…, 3): log luminance, log R/G and log B/G of linear colours."""
    logs = np.log(linear + DARK)
    level = np.log(luminance(linear) + DARK)
    return np.stack([level, logs[..., 0] - logs[..., 1], logs[..., 2] - logs[..., 1]], axis=-1)


class Surroundings:
    """Colours just outside the face, by direction: hair above, cloth below, background beside.

    A pixel of the face that looks like what lies beyond the nearest border is suspected of being that.

    Args:
        view: the photo around the face.
        reach: how far outside the face to look, working pixels.

    Attributes:
        grey: the photo has no colour; densities are then over log luminance alone.
        uniform: density of a colour about which nothing is known, in (log luminance, log R/G, log B/G).
        distance: (h, w) pixels from the face region.
        ring: (h, w) bool, the pixels looked at.
    """

    def __init__(self, view: FaceView, reach: float = 50.0) -> None:
        colours = log_colours(view.linear)
        self.grey = bool(np.abs(colours[..., 1:][view.content]).mean() < 0.02) if view.content.any() else True
        low = np.array([-4.3, -1.2, -2.2])
        size = np.array([LUMINANCE_RANGE, *CHROMA_RANGE])
        counts = np.array([2 * _BINS, 1, 1] if self.grey else [_BINS] * 3)
        cells = np.clip(((colours - low) / size * counts).astype(int), 0, counts - 1)
        self._shape = tuple(int(c) for c in counts)
        self._cell = np.ravel_multi_index(tuple(np.moveaxis(cells, -1, 0)), self._shape)
        axes = 1 if self.grey else 3
        self._volume = float(np.prod((size / counts)[:axes]))
        self.uniform = float(1 / np.prod(size[:axes]))
        self.distance = ndimage.distance_transform_edt(~view.region)
        self.ring = view.content & ~view.region & (self.distance > 2) & (self.distance < reach)
        self._nearness = np.exp(-self.distance[self.ring] / (0.45 * reach))
        rows, columns = np.nonzero(view.region)
        y, x = np.mgrid[: view.region.shape[0], : view.region.shape[1]]
        angle = np.arctan2(y - rows.mean(), x - columns.mean())
        centres = -np.pi + 2 * np.pi * np.arange(_SECTORS) / _SECTORS
        self._sectors = np.clip((np.cos(angle[..., None] - centres) - 0.55) / 0.45, 0, None).astype(
            np.float32
        )
        # Pixels of the ring in the scalp or beyond the head never show the face's skin; neck and ears may.
        self._never_skin = (~view.skin)[self.ring].astype(np.float32)

    def density(self, skin_probability: _Array, at: NDArray[np.intp]) -> tuple[_Array, _Array]:
        """Density of the surroundings' colours at the flat pixel indices ``at``.

        Args:
            skin_probability: (h, w), of ear and neck pixels to show skin.
            at: (P,).

        Returns:
            (P,) densities, comparable with ``uniform``, and the weights of the ring's pixels.
        """
        foreign = np.maximum(self._never_skin, np.clip(1.3 * (1 - skin_probability[self.ring]) - 0.3, 0, 1))
        weight = self._nearness * foreign
        cell = self._cell[self.ring]
        everywhere = self._histogram(cell, weight)
        here = self._cell.ravel()[at]
        sectors = self._sectors.reshape(-1, _SECTORS)[at]
        ring_sectors = self._sectors[self.ring]
        local = np.zeros(len(at), dtype=np.float32)
        for k in range(_SECTORS):
            local += sectors[:, k] * self._histogram(cell, weight * ring_sectors[:, k])[here]
        local /= np.maximum(sectors.sum(axis=1), 1e-6)
        return (0.6 * local + 0.4 * everywhere[here]) / self._volume, weight

    def _histogram(self, cells: NDArray[np.intp], weights: _Array) -> _Array:
        counts = np.bincount(cells, weights=weights, minlength=int(np.prod(self._shape))).reshape(self._shape)
        blur = (1.2, 0, 0) if self.grey else (1.0, 0.8, 0.8)
        smooth: _Array = ndimage.gaussian_filter(counts.astype(np.float32), blur, truncate=2.5).ravel()
        return smooth / max(float(smooth.sum()), 1e-6)


@dataclass(frozen=True)
class Texture:
    """Fine-scale contrast: hair, fur and knitted cloth are rougher than this person's skin.

    Args:
        strength: (h, w) log of the local contrast of the log luminance.
    """

    strength: NDArray[np.float32]

    @staticmethod
    def of(view: FaceView) -> Texture:
        """Measured on the crop."""
        level = log_colours(view.linear)[..., 0]
        fine = np.square(level - ndimage.gaussian_filter(level, 2.0, truncate=2.5))
        return Texture(0.5 * np.log(ndimage.gaussian_filter(fine, 2.0, truncate=2.5) + 1e-4))

    def log_ratio(
        self, at: NDArray[np.intp], skin_weight: _Array, ring: _Bool, ring_weight: _Array
    ) -> _Array:
        """log p(contrast | skin) − log p(contrast | surroundings), ≤ 0: smoothness proves nothing."""
        values = self.strength.ravel()[at]
        some, weight = values[::7], skin_weight[::7]
        middle = weighted_median(some, weight)
        spread = float(np.clip(1.48 * weighted_median(np.abs(some - middle), weight), 0.3, 0.6))
        edges = np.linspace(-4.7, 0.7, 28)
        around, _ = np.histogram(self.strength[ring][::2], bins=edges, weights=ring_weight[::2])
        around = ndimage.gaussian_filter1d(around.astype(float), 1.0)
        around = around / max(float(around.sum()) * float(edges[1] - edges[0]), 1e-6)
        cell = np.clip(((values - edges[0]) / (edges[1] - edges[0])).astype(int), 0, len(around) - 1)
        skin = 0.8 * gaussian(np.maximum(values - middle, 0), spread) + 0.2 / 4
        other = 0.6 * around[cell] + 0.4 / 4
        ratio: _Array = np.minimum(np.log(skin) - np.log(other), 0)
        return ratio
