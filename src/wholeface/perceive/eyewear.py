"""Spectacles: where their frames and lenses are, by a network that looks at the band of the eyes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.short_repr import short_repr
from ..networks.backend import NetworkFunction
from ..photo import Patch, Similarity, patch_of_crop, warp
from .frames import eye_band
from .labels import EyewearPart

__all__ = ["Eyewear", "EyewearNetwork", "judged"]

Array = NDArray[np.float32]
_WORN = 0.5  # presence from which spectacles are there
# Mean probability of an occluder over the glass from which no face is seen through it: in the middle of the gap
# between clear (all but one of 32 up to 0.38) and dark lenses (all but two of 17 from 0.86) of held-out composites.
_NO_FACE = 0.6


@dataclass(frozen=True)
class Eyewear:
    """What the network says of one face's spectacles, in its crop, the band of the eyes.

    Args:
        crop: from photo to crop pixels.
        parts: (4, h, w) probabilities of :class:`EyewearPart`.
        presence: probability that the face wears spectacles.
    """

    crop: Similarity
    parts: Array
    presence: float

    __repr__ = short_repr

    @property
    def worn(self) -> bool:
        """Whether the face wears spectacles."""
        return self.presence >= _WORN

    @cached_property
    def frame(self) -> Array:
        """(h, w) probability of rims, bridge and temples."""
        return self.parts[EyewearPart.FRAME]

    @cached_property
    def lens(self) -> Array:
        """(h, w) probability of a lens through which the face is seen."""
        return self.parts[EyewearPart.CLEAR_LENS]

    @cached_property
    def dark(self) -> Array:
        """(h, w) probability of a lens that hides or tints what lies behind it."""
        return self.parts[EyewearPart.DARK_LENS]

    @cached_property
    def occluder(self) -> Array:
        """(h, w) probability of a frame or a dark lens: what stands in front of the face."""
        result: Array = self.frame + self.dark
        return result

    @property
    def are_sunglasses(self) -> bool:
        """Whether more of the lenses is dark than clear."""
        return bool(self.dark.sum() > self.lens.sum())

    def patch(self, field: Array, height: int, width: int) -> Patch:
        """A field (h, w) of the crop at the pixels of a (height, width) photo; 0 beyond the crop."""
        return patch_of_crop(field, self.crop, height, width, outside=0.0)


def judged(eyewear: Eyewear, occluder: Array, frame: Similarity) -> Eyewear:
    """The same, its glass dark as a whole where the parsing network sees no face behind it.

    A mirrored lens shows a scene as sharp as the face that a clear one shows; whether it is a face is what the
    parsing network knows, which sees more than the band of the eyes.

    Args:
        eyewear: what the eyewear network found.
        occluder: (S, S) probability of something in front of the face, the parsing network's.
        frame: from photo to the pixels of that map.
    """
    glass = eyewear.lens + eyewear.dark > 0.5
    if not eyewear.worn or not glass.any():
        return eyewear
    height, width = glass.shape
    seen = warp(occluder, frame.inverse().then(eyewear.crop), (width, height), fill="edge")
    if float(seen[glass].mean()) <= _NO_FACE:
        return eyewear
    parts = eyewear.parts.copy()
    parts[EyewearPart.DARK_LENS] += parts[EyewearPart.CLEAR_LENS]
    parts[EyewearPart.CLEAR_LENS] = 0.0
    return replace(eyewear, parts=parts)


class EyewearNetwork:
    """Crops the band of the eyes by a face's landmarks and runs the eyewear network.

    Args:
        network: the trained network.
        width, height: of its input in pixels, multiples of 32.
        batch: at most this many crops at once.

    Source: see :class:`wholeface.networks.EyewearNet`.
    """

    def __init__(
        self, network: NetworkFunction, *, width: int = 320, height: int = 160, batch: int = 8
    ) -> None:
        self._network = network
        self.width = width
        self.height = height
        self.batch = batch

    def find(self, pixels: NDArray[np.uint8], points: NDArray[np.floating[Any]]) -> Eyewear:
        """The spectacles of one face.

        Args:
            pixels: (H, W, 3) uint8, sRGB.
            points: (478, 2) its MediaPipe points, photo pixels (:attr:`FaceLandmarks.points_478`).
        """
        return self.find_many([pixels], [points])[0]

    def find_many(
        self, photos: Sequence[NDArray[np.uint8]], points: Sequence[NDArray[np.floating[Any]]]
    ) -> list[Eyewear]:
        """Those of several faces, of one photo or of many, in order; see :meth:`find`."""
        results: list[Eyewear] = []
        for first in range(0, len(photos), self.batch):
            part = slice(first, first + self.batch)
            crops = [eye_band(p, self.width, self.height) for p in points[part]]
            shape = (self.width, self.height)
            bands = [warp(pixels, crop, shape, fill="edge") for pixels, crop in zip(photos[part], crops)]
            images = np.stack([band.transpose(2, 0, 1) for band in bands]).astype(np.float32)
            raw = self._network(images / np.float32(255))
            results += [_read(one, crop) for one, crop in zip(raw, crops)]
        return results


def _read(raw: Array, crop: Similarity) -> Eyewear:
    """From what the network says of one band (parts + 1, h, w)."""
    logits = raw[:-1] - raw[:-1].max(axis=0, keepdims=True)
    exponentials = np.exp(logits)
    presence = float(1.0 / (1.0 + np.exp(-np.clip(raw[-1, 0, 0], -30, 30))))
    return Eyewear(crop, (exponentials / exponentials.sum(axis=0)).astype(np.float32), presence)
