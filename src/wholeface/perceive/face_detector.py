"""Faces in a photo: boxes and five points, by our own small network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.boxes import box_area, box_intersection, box_iou
from ..core.errors import UsageError
from ..core.short_repr import short_repr
from ..networks.backend import NetworkFunction
from ..photo import Similarity, warp

__all__ = ["DetectedFace", "FaceDetector", "cells", "decode_arrays", "suppress"]

Array = NDArray[np.float32]
_STRIDES = (8, 16, 32)
_SMALLEST = 16.0  # pixels of the network's input; smaller faces are hardly ever found
_SMALL = 48.0  # pixels of the network's input; beside faces below that even smaller ones are looked for
_LARGEST_INPUT = 4096  # pixels, of the longer side: what faces of a given size in a huge photo may cost


@dataclass(frozen=True)
class DetectedFace:
    """One face.

    Convention: pixel (0, 0) is the centre of the top-left pixel.

    Args:
        box: (4,) x0, y0, x1, y1 around the face from hairline to chin, photo pixels; it may leave the photo.
        points: (5, 2) right eye, left eye (the person's own), nose tip, right and left mouth corner.
        score: in [0, 1].
    """

    box: NDArray[np.float64]
    points: NDArray[np.float64]
    score: float

    __repr__ = short_repr


class FaceDetector:
    """Single-shot detector: the whole photo first, then enlarged for small faces, further where there are any.

    Where nothing is found, smaller (padded) and further enlarged versions of the photo follow.

    Args:
        network: the trained network.
        size: longer side of the first pass, pixels, a multiple of 32.
        min_score: threshold in (0, 1).
        max_faces: at most this many, the largest.
        thorough: go on searching where the passes so far show nothing.
        small_faces: search the enlarged photo in any case, for small faces beside large ones.
        min_face: height in photo pixels from which faces are wanted: the photo is enlarged as far as these need
            (more time for smaller ones; inputs grow to 4096 pixels), and smaller ones are left out. None: as small as
            the usual passes show, about 1/50 of the photo's longer side.

    Raises:
        UsageError: an argument is out of range.

    Source: see :class:`wholeface.networks.DetectorNet`.
    """

    def __init__(
        self,
        network: NetworkFunction,
        *,
        size: int = 192,
        min_score: float = 0.5,
        max_faces: int = 16,
        thorough: bool = True,
        small_faces: bool = True,
        min_face: float | None = None,
    ) -> None:
        if size < 64 or size % 32:
            raise UsageError(f"detector size {size}: a multiple of 32 of at least 64")
        if not 0.0 < min_score < 1.0:
            raise UsageError(f"min_score must lie between 0 and 1, got {min_score}")
        if max_faces < 1:
            raise UsageError(f"max_faces must be at least 1, got {max_faces}")
        if min_face is not None and not 1.0 <= min_face < np.inf:
            raise UsageError(f"min_face {min_face}: the height of a face in pixels, at least 1")
        self._network = network
        self.size = size
        self.min_score = min_score
        self.max_faces = max_faces
        self.thorough = thorough
        self.small_faces = small_faces
        self.min_face = min_face

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[DetectedFace, ...]:
        """All faces, largest first; an empty tuple when there are none.

        Args:
            pixels: (H, W, 3) uint8, sRGB.

        Raises:
            UsageError: ``pixels`` is not such an image.
        """
        found: list[DetectedFace] = []
        for faces in self.passes(pixels, lambda: bool(found), lambda: _smallest(found)):
            found[:] = suppress([*found, *faces])
        found.sort(key=lambda face: -float(box_area(face.box)))
        return tuple(found[: self.max_faces])

    def passes(
        self,
        pixels: NDArray[np.uint8],
        satisfied: Callable[[], bool],
        smallest: Callable[[], float],
        min_score: float | None = None,
    ) -> Iterator[list[DetectedFace]]:
        """The faces that each pass over the photo shows, in the order of the passes.

        Args:
            pixels: (H, W, 3) uint8, sRGB.
            satisfied: whether what was found so far will do: asked before each pass that only serves photos in which
                nothing was found.
            smallest: height in pixels of the smallest face found so far, infinite without any: where it is small,
                smaller ones may be beside it.
            min_score: another threshold than usual.

        Raises:
            UsageError: ``pixels`` is not such an image.
        """
        pixels = np.asarray(pixels)
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
            raise UsageError(f"detect() needs an (H, W, 3) uint8 image, got {pixels.dtype} {pixels.shape}")
        height, width = pixels.shape[:2]
        scale = min(self.size / max(height, width), 2.0)
        least = self.min_score if min_score is None else min_score
        yield self._pass(pixels, *_fit(height, width, scale), least)
        if self.thorough and not satisfied():  # faces that fill the photo and more
            yield self._pass(pixels, *_fit(height, width, 0.6 * scale), least)
        small = self.small_faces and self.min_face is None
        for factor, asked in self._enlargements(scale, max(height, width)):
            if asked or small or (self.thorough and not satisfied()):
                yield self._pass(pixels, *_fit(height, width, scale * factor), least)
                small = small and smallest() * scale * factor < _SMALL

    def _enlargements(self, scale: float, longer: int) -> Iterator[tuple[float, bool]]:
        """Factors on the first pass's scale, ascending, and whether the wanted size of faces asks for them."""
        needed = 0.0
        if self.min_face is not None:
            needed = min(_SMALLEST / self.min_face, 2.0, _LARGEST_INPUT / longer) / scale
        factor = 2.0
        while factor <= 4.0 or factor < 2.0 * needed:
            if scale * factor > 2.0:
                break
            yield factor, factor < 2.0 * needed
            factor *= 2.0

    def _pass(
        self, pixels: NDArray[np.uint8], similarity: Similarity, shape: tuple[int, int], least: float
    ) -> list[DetectedFace]:
        """The faces of one pass."""
        image = warp(pixels, similarity, (shape[1], shape[0]))
        planes = np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)
        raw = self._network(planes / np.float32(255))[0]
        score, boxes, points = decode_arrays(raw, *cells(*shape))
        keep = np.nonzero(score > least)[0]
        order = keep[np.argsort(-score[keep], kind="stable")][:400]
        back = similarity.inverse()
        placed = back.apply(boxes[order].reshape(-1, 2, 2)).reshape(-1, 4)
        faces = [
            DetectedFace(box, marks, float(sure))
            for box, marks, sure in zip(placed, back.apply(points[order]), score[order])
            if self.min_face is None or box[3] - box[1] >= self.min_face
        ]
        return suppress(faces)


def _fit(height: int, width: int, scale: float) -> tuple[Similarity, tuple[int, int]]:
    """The photo at ``scale`` in the top-left part of an input whose sides are multiples of 32."""
    rows = max(1, int(np.ceil(height * scale / 32))) * 32
    columns = max(1, int(np.ceil(width * scale / 32))) * 32
    offset = (scale - 1) / 2  # pixel edges, not centres, coincide
    return Similarity(scale, 0.0, offset, offset), (rows, columns)


def cells(height: int, width: int) -> tuple[Array, Array]:
    """Centres (C, 2) and strides (C,) of the network's cells; see :func:`networks.detector_net.cell_centres`."""
    centres, strides = [], []
    for stride in _STRIDES:
        y, x = np.mgrid[: height // stride, : width // stride].astype(np.float32)
        place = (np.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride - 0.5
        centres.append(place.astype(np.float32))
        strides.append(np.full(x.size, stride, dtype=np.float32))
    return np.concatenate(centres), np.concatenate(strides)


def decode_arrays(raw: Array, centres: Array, strides: Array) -> tuple[Array, Array, Array]:
    """Scores (C,) in [0, 1], boxes (C, 4) and points (C, 5, 2) in input pixels, from raw output (C, 15)."""
    one = np.float32(1)
    score: Array = one / (one + np.exp(-np.clip(raw[:, 0], -30, 30)))
    reach = np.exp(np.clip(raw[:, 1:5], -6, 6)) * strides[:, None]
    boxes = np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], axis=1)
    points = raw[:, 5:].reshape(-1, 5, 2) * strides[:, None, None] + centres[:, None]
    return score, boxes, points


def suppress(faces: list[DetectedFace], overlap: float = 0.4) -> list[DetectedFace]:
    """Non-maximum suppression: of faces whose boxes overlap (IoU) by more than ``overlap``, the surest remains.

    So it does where another box lies inside it (parts of faces look like small faces) or around it. The remaining box
    and points are the score-weighted means over those that overlap it.
    """
    rest = sorted(faces, key=lambda face: -face.score)
    kept = []
    while rest:
        best = rest[0]
        boxes = np.stack([face.box for face in rest])
        union = box_iou(best.box, boxes)
        smaller = np.minimum(box_area(best.box), box_area(boxes))
        inside = box_intersection(best.box, boxes) / np.maximum(smaller, 1e-9)
        same = (union > overlap) | (inside > 0.7)
        group = [face for face, near in zip(rest, union > overlap) if near] or [best]
        powers = np.array([face.score for face in group], dtype=np.float64) ** 4
        weights = powers / powers.sum()
        kept.append(
            DetectedFace(
                np.tensordot(weights, np.stack([face.box for face in group]), 1),
                np.tensordot(weights, np.stack([face.points for face in group]), 1),
                best.score,
            )
        )
        rest = [face for face, s in zip(rest[1:], same[1:]) if not s]
    return kept


def _smallest(faces: list[DetectedFace]) -> float:
    """Height of the smallest face, infinite without any."""
    return min((float(face.box[3] - face.box[1]) for face in faces), default=float("inf"))
