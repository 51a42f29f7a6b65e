"""Composites as face samples of one size, for the recipes that learn from pairs and parsing maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError
from ....photo import Similarity, warp
from ..samples.sample import FaceSample
from .composites import Composites

__all__ = ["CompositeSamples", "resampled"]

_ATTEMPTS = 12  # until something that hides a part of the face is drawn
_FURTHER = 5  # photos that take the place of one in which no face is found


class CompositeSamples:
    """Map-style data set of :class:`FaceSample`: what :func:`wholeface.lab.data.stores.build_store` takes.

    Samples ``k·together`` … ``k·together + together − 1`` show subject ``k`` modulo the number of photos, each with
    other things in front of the face, so that a photo is analysed once.

    Args:
        composites: where they come from; its ``size`` is not looked at.
        size: edge of the images in pixels.
        together: samples of a subject, one after the other.

    Raises:
        UsageError: a size or a number of samples below 1.
    """

    def __init__(self, composites: Composites, *, size: int = 192, together: int = 4) -> None:
        if size < 1 or together < 1:
            raise UsageError(f"size and together must be at least 1, got {size} and {together}")
        self.composites, self.size, self.together = composites, size, together

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the store says of itself."""
        known = self.composites
        return {
            "kind": "composites", "size": self.size, "together": self.together, "seed": known.seed,
            "designs": known.designs, "weights": known.weights, "photos": [photo.name for photo in known.photos],
        }  # fmt: skip

    def __getitem__(self, index: int) -> FaceSample:
        """Sample ``index`` ≥ 0.

        Raises:
            DataError: no face was found in this photo nor in the next ones, or nothing hid any of it.
        """
        count = len(self.composites.photos)
        lap, place = divmod(index // self.together, count)
        number = lap * self.together + index % self.together  # of the subject's samples
        for further in range(_FURTHER):
            at = number * count + (place + further) % count
            try:
                return self._sample(at)
            except DataError as error:
                last = error
        raise last

    def _sample(self, at: int) -> FaceSample:
        for attempt in range(_ATTEMPTS):
            found = self.composites.composite(at, attempt)
            if found is not None:
                seed = (self.composites.seed, at, attempt)
                return resampled(found.sample, self.size).with_(seed=seed, source=found.photo.stem)
        raise DataError(f"{self.composites.photos[at % len(self.composites.photos)]}: nothing hides the face")


def resampled(sample: FaceSample, size: int) -> FaceSample:
    """The same sample at another size: images antialiased, labels nearest, landmarks and camera moved along.

    Args:
        sample: of any size, without depth and normals.
        size: edge in pixels.

    Raises:
        UsageError: the sample has a geometry; its maps are not resampled.
    """
    if sample.depth is not None or sample.normals is not None:
        raise UsageError(f"{sample.source}: depth and normals are not resampled; set them to None first")
    edge = sample.size
    where = Similarity.from_box((-0.5, -0.5, edge - 0.5, edge - 0.5), (size, size))

    def labels(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        moved: NDArray[np.uint8] = warp(values, where, (size, size), filter="nearest")
        return moved

    known = dict(sample.parameters)
    if "focal" in known:
        known["focal"] = np.asarray(known["focal"] * where.scale, np.float32)
    if "cx" in known and "cy" in known:
        centre = where.apply(np.array([float(known["cx"]), float(known["cy"])]))
        known["cx"], known["cy"] = np.array(centre[0], np.float32), np.array(centre[1], np.float32)
    return sample.with_(
        image=warp(sample.image, where, (size, size), fill="edge"),
        clean=warp(sample.clean, where, (size, size), fill="edge"),
        parsing=labels(sample.parsing),
        occluder=labels(sample.occluder),
        face=labels(sample.face.astype(np.uint8)) > 0,
        landmarks_68=where.apply(sample.landmarks_68).astype(np.float32),
        dense=where.apply(sample.dense).astype(np.float32),
        parameters=known,
        eyewear=None if sample.eyewear is None else labels(sample.eyewear),
    )
