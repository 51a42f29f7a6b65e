"""What datasets hold: one item type per kind of truth. Images are read when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError
from ....perceive import FACE_CLASSES, ParsingClass
from ._reading import read_grey, read_rgb

__all__ = ["MapItem", "PairItem", "PhotoItem", "PointsItem", "occlusion_masks"]

PointScheme = Literal["ibug68", "wflw98", "celeba5"]

# Rows of the 98 points that stand where the 68 of iBUG stand.
_WFLW_TO_IBUG = np.array(
    [
        *range(0, 33, 2),  # jaw
        *range(33, 38),  # upper edge of the image's left brow
        *range(42, 47),
        *range(51, 60),  # nose
        *(60, 61, 63, 64, 65, 67),  # the image's left eye
        *(68, 69, 71, 72, 73, 75),
        *range(76, 96),  # mouth
    ]
)
_OCCLUDERS = (
    ParsingClass.EYEGLASSES,
    ParsingClass.HAIR,
    ParsingClass.HAT,
    ParsingClass.EARRING,
    ParsingClass.NECKLACE,
    ParsingClass.CLOTH,
    ParsingClass.OBJECT,
)


@dataclass(frozen=True, eq=False)
class PhotoItem:
    """An image of a known person.

    Args:
        path: the image.
        name: what the dataset calls it.
        identity: who it is, in the dataset's own words.
        attributes: what else the dataset says, by name.
    """

    path: Path
    name: str
    identity: str
    attributes: Mapping[str, str | int] = field(default_factory=dict)

    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 sRGB. Raises DataError where the file cannot be read."""
        return read_rgb(self.path)


@dataclass(frozen=True, eq=False)
class PointsItem:
    """An image with landmarks.

    Convention: pixel (0, 0) is the centre of the top-left pixel.

    Args:
        path: the image.
        name: what the dataset calls it.
        points: (P, 2) float32 pixels; may lie outside the image.
        scheme: ``ibug68``, ``wflw98`` or ``celeba5`` (eyes, nose, corners of the mouth; the image's left first).
        box: (left, top, right, bottom) of the face in pixels, or None where the dataset has none.
        attributes: what the dataset says about the image, by name.
    """

    path: Path
    name: str
    points: NDArray[np.float32]
    scheme: PointScheme
    box: tuple[float, float, float, float] | None = None
    attributes: Mapping[str, bool] = field(default_factory=dict)

    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 sRGB. Raises DataError where the file cannot be read."""
        return read_rgb(self.path)

    def points_68(self) -> NDArray[np.float32]:
        """(68, 2) pixels in iBUG order.

        Of the 98 points of WFLW those at the same places: every other one of the jaw line, the upper edges of the
        brows, and eyes without the middle of the lids.

        Raises:
            UsageError: five points are not enough.
        """
        if self.scheme == "ibug68":
            return self.points
        if self.scheme == "wflw98":
            return self.points[_WFLW_TO_IBUG]
        raise UsageError(f"{self.name}: the scheme {self.scheme} has no 68 points")


@dataclass(frozen=True, eq=False)
class MapItem:
    """An image with a parsing map in parts.

    Args:
        path: the image.
        name: what the dataset calls it.
        parts: class and mask file of each part, in the order in which they overwrite each other.
        original: name of the image in the dataset that it comes from, or empty.
    """

    path: Path
    name: str
    parts: tuple[tuple[ParsingClass, Path], ...]
    original: str = ""

    def image(self, size: int | None = None) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 sRGB, or (size, size, 3). Raises DataError where the file cannot be read."""
        return read_rgb(self.path, size)

    def labels(self) -> NDArray[np.uint8]:
        """(H, W) :class:`ParsingClass`, the size of the masks: later parts overwrite earlier ones.

        Raises:
            DataError: a mask cannot be read, or has another size than the first.
        """
        labels: NDArray[np.uint8] | None = None
        for label, path in self.parts:
            mask = read_grey(path)
            if labels is None:
                labels = np.zeros(mask.shape, dtype=np.uint8)
            if mask.shape != labels.shape:
                raise DataError(
                    f"{path}: {mask.shape} pixels; expected {labels.shape} as {self.parts[0][1].name}"
                )
            labels[mask != 0] = label
        if labels is None:
            raise DataError(f"{self.path}: has no masks")
        return labels


@dataclass(frozen=True, eq=False)
class PairItem:
    """Two images, of one person or of two.

    Args:
        first: an image.
        second: another one.
        same: whether they show the same person.
        fold: part of the protocol, counted from 0.
    """

    first: Path
    second: Path
    same: bool
    fold: int = 0

    def images(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Both images, (H, W, 3) uint8 sRGB. Raises DataError where a file cannot be read."""
        return read_rgb(self.first), read_rgb(self.second)


def occlusion_masks(labels: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Merges a parsing map into what is seen of the face, and what may be in front of it.

    Face: skin, brows, eyes, nose, lips and inner mouth. Occluder: eyeglasses, hair, hats, jewellery, cloth, objects.
    Background, ears and neck are neither. Hair and cloth count wherever they are: only what lies inside the projected
    face region, which the map does not know, hides the face; eyes that are seen through glasses are face.

    Args:
        labels: (…, H, W) :class:`ParsingClass`.

    Returns:
        Two (…, H, W) bool masks, face and occluder.

    Source: Li et al. 2023, "Robust model-based face reconstruction through weakly-supervised outlier segmentation",
    §4 (CelebA-HQ test set: all masks merged).
    """
    return np.isin(labels, FACE_CLASSES), np.isin(labels, _OCCLUDERS)
