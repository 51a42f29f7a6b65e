"""Crops on disk: memory-mapped arrays and a manifest."""

from __future__ import annotations

import json
import os
from enum import IntEnum
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError

__all__ = ["ARRAYS", "DONE", "MANIFEST", "SCHEMA", "PhotoCrops", "Truth", "read_manifest"]

SCHEMA = 1
MANIFEST = "manifest.json"
DONE, NOTHING = 1, 2
ARRAYS = ("image", "landmarks", "matrix", "truth")


class Truth(IntEnum):
    """What a pixel of an annotated photo shows."""

    BESIDE = 0
    VISIBLE = 1
    OCCLUDED = 2
    UNKNOWN = 255


class PhotoCrops:
    """Read-only view of a folder that :func:`build_photo_crops` wrote.

    Args:
        folder: the store.

    Attributes:
        size: S, edge of the crops in pixels.
        margin: edge of a crop over the longer side of the face.
        names: of the photos, for each crop.
        skipped: photos without a crop.

    Raises:
        DataError: no store there, one of another version, or one without any face.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        manifest = read_manifest(self.folder)
        done = np.load(self.folder / "done.npy", mmap_mode="r")
        self._rows = np.flatnonzero(done == DONE)
        if len(self._rows) == 0:
            raise DataError(f"{self.folder}: no photo shows a face that the detector finds")
        names = [str(name) for name, _ in manifest["photos"]]
        self.size, self.margin = int(manifest["size"]), float(manifest["margin"])
        self.names = [names[row] for row in self._rows]
        self.skipped = [names[row] for row in np.flatnonzero(done != DONE)]
        self._arrays = {name: np.load(self.folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}

    def __len__(self) -> int:
        return len(self._rows)

    def array(self, name: str, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Some rows of an array, copied.

        Args:
            name: ``image`` (B, S, S, 3) uint8 sRGB; ``landmarks`` (B, 68, 2) float32 crop pixels; ``matrix``
                (B, 2, 3) float32 from photo to crop pixels; ``truth`` (B, S, S) uint8 :class:`Truth`.
            indices: (B,) of the crops.
        """
        return np.array(self._arrays[name][self._rows[indices]])

    @property
    def annotated(self) -> NDArray[np.int64]:
        """Crops of photos whose truth is known."""
        middle = self.size // 2
        known = self._arrays["truth"][self._rows, middle, middle] != Truth.UNKNOWN
        return np.flatnonzero(known)

    def split(self, share: int = 20) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Crops to learn from and held-out ones, about one in ``share``, by the names of the photos alone."""
        held = np.array([crc32(name.encode()) % share == 0 for name in self.names])
        return np.flatnonzero(~held), np.flatnonzero(held)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a store was made of.

    Raises:
        DataError: it is missing, damaged, or of another version.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: no store of face crops there ({error})") from error
    if manifest.get("schema") != SCHEMA:
        raise DataError(f"{folder}: a store of another version of wholeface; make it again")
    return manifest
