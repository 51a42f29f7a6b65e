"""CelebAMask-HQ as samples for a store: its maps, and landmarks of WholeFace's own detector."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....core.errors import DataError
from ....perceive import FACE_CLASSES, FaceLandmarks, LandmarkDetector, load_detector
from ..samples.sample import FaceSample
from .celebamask import CelebAMaskHQ, CelebAMaskSplit

__all__ = ["CelebAMaskSamples"]


class CelebAMaskSamples:
    """One sample an image, for :func:`wholeface.lab.data.stores.build_store`.

    There are no images of the same faces without what hides them, so ``clean`` is ``image``, and ``occluder`` is
    empty: the recipes that need pairs hide parts themselves. Known are ``parsing`` and ``landmarks``, which are the
    detector's.

    Args:
        root: see :class:`CelebAMaskHQ`.
        split: likewise.
        size: edge of the samples in pixels.
        detector: finds the landmarks, 668 of them; None loads WholeFace's own when it is first needed.

    Raises:
        DataError: see :class:`CelebAMaskHQ`.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: CelebAMaskSplit = "train",
        *,
        size: int = 256,
        detector: LandmarkDetector | None = None,
    ) -> None:
        self.items = CelebAMaskHQ(root, split)
        self.size = size
        self._given = detector

    @property
    def settings(self) -> Mapping[str, Any]:
        """For the manifest of the store."""
        return {"kind": "CelebAMask-HQ", "split": self.items.split, "size": self.size}

    def __len__(self) -> int:
        return len(self.items)

    def usable(self, indices: Iterable[int] | None = None) -> NDArray[np.int64]:
        """Those of the samples (None = all) in which a face is found: the indices for a store."""
        asked = range(len(self)) if indices is None else indices
        return np.array([i for i in asked if self._landmarks(self._image(i)) is not None], dtype=np.int64)

    def __getitem__(self, index: int) -> FaceSample:
        """The sample.

        Raises:
            DataError: no face is found in its image, or a file cannot be read.
        """
        item, image = self.items[index], self._image(index)
        found = self._landmarks(image)
        if found is None:
            raise DataError(f"{item.path}: no face is found; leave the sample {index} out (see usable())")
        map_ = Image.fromarray(item.labels()).resize((self.size, self.size), Image.Resampling.NEAREST)
        labels = np.asarray(map_, dtype=np.uint8)
        points, facing = found.points.astype(np.float32), found.visibility > 0.5
        return FaceSample(
            image=image,
            clean=image,
            parsing=labels,
            occluder=np.zeros_like(labels),
            face=np.isin(labels, FACE_CLASSES),
            landmarks_68=points[:68],
            facing_68=facing[:68],
            dense=points[68:],
            facing_dense=facing[68:],
            known=frozenset({"parsing", "landmarks"}),
            parameters={},
            depth=None,
            normals=None,
            source=f"celebamask_{item.name}",
            seed=(int(item.name),),
        )

    @cached_property
    def _detector(self) -> LandmarkDetector:
        return load_detector() if self._given is None else self._given

    def _image(self, index: int) -> NDArray[np.uint8]:
        return self.items[index].image(self.size)

    def _landmarks(self, image: NDArray[np.uint8]) -> FaceLandmarks | None:
        """Of the largest face, with all 668 points; None where there is none."""
        faces = self._detector.detect(image)
        return faces[0] if faces and faces[0].scheme == "wholeface668" else None
