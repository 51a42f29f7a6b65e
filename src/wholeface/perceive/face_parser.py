"""What each pixel of a face shows, and what covers it, by our own network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.short_repr import short_repr
from ..networks.backend import NetworkFunction
from ..photo import Patch, Similarity, patch_of_crop, unwarp, warp
from .eyewear import Eyewear, EyewearNetwork, judged
from .frames import PARSING_MARGIN, face_frame
from .labels import FACE_CLASSES, OccluderKind, ParsingClass

__all__ = ["FaceParser", "FaceParsing"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class FaceParsing:
    """What the network says of one face, in its crop.

    Args:
        frame: from photo to crop pixels.
        parsing: (C, S, S) probabilities of :class:`ParsingClass`.
        kind: (K, S, S) probabilities of :class:`OccluderKind`.
        face: (S, S) probability that the whole face, occluded or not, lies here.
        eyewear: its spectacles, in a finer crop of their own, or None where nobody looked for them.
    """

    frame: Similarity
    parsing: Array
    kind: Array
    face: Array
    eyewear: Eyewear | None = None

    __repr__ = short_repr

    @cached_property
    def labels(self) -> NDArray[np.uint8]:
        """(S, S) the most probable :class:`ParsingClass`."""
        return self.parsing.argmax(axis=0).astype(np.uint8)

    @cached_property
    def occluder(self) -> Array:
        """(S, S) probability that something in front of the face is seen here, where the face is.

        The mean of two opinions: that of the occluder's kind, and that no class of the face is seen.
        """
        occluded = 1.0 - self.kind[OccluderKind.NONE]
        other = 1.0 - self.parsing[list(FACE_CLASSES)].sum(axis=0)
        result: Array = 0.5 * (occluded + other)
        return result

    def patch(self, field: Array, height: int, width: int, outside: float = 0.0) -> Patch:
        """A field (S, S) of the crop at the pixels of a (height, width) photo, as far as the crop reaches."""
        return patch_of_crop(field, self.frame, height, width, outside=outside)

    def in_photo(self, field: Array, height: int, width: int, outside: float = 0.0) -> Array:
        """A field (S, S) of the crop resampled to the photo, (height, width); ``outside`` beyond the crop."""
        whole = np.full((height, width), outside, dtype=np.float32)
        patch = self.patch(field, height, width, outside)
        whole[patch.slices] = patch.values
        return whole

    def labels_in_photo(self, height: int, width: int) -> NDArray[np.uint8]:
        """(height, width) :class:`ParsingClass` of each pixel; background outside the crop."""
        around = np.full((height, width), ParsingClass.BACKGROUND, dtype=np.uint8)
        return unwarp(self.labels, self.frame, around, filter="nearest")


class FaceParser:
    """Crops a face by its landmarks and runs the parsing network, and that of spectacles.

    Args:
        network: the trained network.
        eyewear: finds spectacles; None looks for none.
        size: edge of its input in pixels, a multiple of 32.
        classes: number of parsing classes.
        mirror: also look at the mirrored crop and average; twice as slow.
        batch: at most this many crops at once.

    Source: see :class:`wholeface.networks.ParsingNet`.
    """

    def __init__(
        self,
        network: NetworkFunction,
        *,
        eyewear: EyewearNetwork | None = None,
        size: int = 224,
        classes: int = len(ParsingClass),
        mirror: bool = False,
        batch: int = 8,
    ) -> None:
        self._network = network
        self.eyewear = eyewear
        self.batch = batch
        self.size = size
        self.classes = classes
        self.mirror = mirror

    def parse(self, pixels: NDArray[np.uint8], points: NDArray[np.floating[Any]]) -> FaceParsing:
        """Parse one face.

        Args:
            pixels: (H, W, 3) uint8, sRGB.
            points: (478, 2) its MediaPipe points, photo pixels (:attr:`FaceLandmarks.points_478`).
        """
        return self.parse_many([pixels], [points])[0]

    def parse_many(
        self, photos: Sequence[NDArray[np.uint8]], points: Sequence[NDArray[np.floating[Any]]]
    ) -> list[FaceParsing]:
        """Parse several faces, of one photo or of many, in batches of at most ``batch`` crops.

        Args:
            photos: (H, W, 3) uint8, sRGB, one for each face.
            points: (478, 2) as for :meth:`parse`, one for each face.

        Returns:
            One parsing a face, in order. A face's numbers do not depend on the others beyond the rounding of sums.
        """
        results: list[FaceParsing] = []
        for first in range(0, len(photos), self.batch):
            frames = [face_frame(p, self.size, PARSING_MARGIN) for p in points[first : first + self.batch]]
            crops = [
                warp(pixels, frame, (self.size, self.size), fill="edge")
                for pixels, frame in zip(photos[first : first + self.batch], frames)
            ]
            images = np.stack([crop.transpose(2, 0, 1) for crop in crops]).astype(np.float32) / np.float32(
                255
            )
            results += self._read(images, frames)
        if self.eyewear is None:
            return results
        worn = self.eyewear.find_many(photos, points)
        return [replace(r, eyewear=judged(e, r.occluder, r.frame)) for r, e in zip(results, worn)]

    def _read(self, images: Array, frames: Sequence[Similarity]) -> list[FaceParsing]:
        """What the network says of (N, 3, S, S) crops in [0, 1]."""
        n, k = len(images), self.classes
        raw = self._network(np.concatenate([images, images[..., ::-1]]) if self.mirror else images)
        parsing, kind = _softmax(raw[:, :k]), _softmax(raw[:, k:-1])
        face = 1.0 / (1.0 + np.exp(-np.clip(raw[:, -1], -30, 30)))
        if self.mirror:
            swap = mirrored_classes(k)
            half = np.float32(0.5)
            parsing = half * (parsing[:n] + parsing[n:, swap, :, ::-1])
            kind = half * (kind[:n] + kind[n:, ..., ::-1])
            face = half * (face[:n] + face[n:, ..., ::-1])
        return [
            FaceParsing(frame, _enlarged(parsing[i]), _enlarged(kind[i]), _enlarged(face[i][None])[0])
            for i, frame in enumerate(frames)
        ]


def mirrored_classes(count: int = len(ParsingClass)) -> NDArray[np.int64]:
    """(count,) the class that each class becomes in a mirrored photo."""
    names = [ParsingClass(i).name for i in range(count)]
    swaps = {"LEFT_": "RIGHT_", "RIGHT_": "LEFT_"}
    mirrored = [next((b + n[len(a) :] for a, b in swaps.items() if n.startswith(a)), n) for n in names]
    return np.array([names.index(name) for name in mirrored], dtype=np.int64)


def _softmax(logits: Array) -> Array:
    """Over axis 1."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Array = e / e.sum(axis=1, keepdims=True)
    return result


def _enlarged(fields: Array) -> Array:
    """(C, h, w) -> (C, 2h, 2w), bilinear, pixel edges aligned."""
    for axis in (1, 2):
        before = np.concatenate(
            [fields.take([0], axis), fields.take(range(fields.shape[axis] - 1), axis)], axis
        )
        after = np.concatenate(
            [fields.take(range(1, fields.shape[axis]), axis), fields.take([-1], axis)], axis
        )
        pair = np.stack([0.75 * fields + 0.25 * before, 0.75 * fields + 0.25 * after], axis=axis + 1)
        shape = list(fields.shape)
        shape[axis] *= 2
        fields = pair.reshape(shape).astype(np.float32)
    return fields
