"""Vertex colours on disk: one folder of memory-mapped arrays and a manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from ....core.short_repr import short_repr

__all__ = ["ColourSample", "ColourStore", "Views", "held_out", "write_store"]

_SCHEMA = 1
_ARRAYS = ("colours", "model", "known", "target", "trust")
_HELD_OUT = 5


def held_out(name: str) -> bool:
    """Whether a photo is kept apart from training: every fifth, by a hash of its name."""
    return crc32(name.encode()) % _HELD_OUT == 0


@dataclass(frozen=True)
class ColourSample:
    """One face with one part of it hidden; M vertices of the face mesh, log linear-light colours.

    Args:
        colours: (M, 3) float32, of the texture that was completed without the hidden part.
        model: (M, 3) float32, of the fitted model.
        known: (M, 3) float32, shares of observed and mirrored texels, confidence.
        target: (M, 3) float32, of the texture of the whole photo, at the level of ``colours``.
        trust: (M,) float32 in [0, 1], how far the whole photo shows the vertex.
    """

    colours: NDArray[np.float32]
    model: NDArray[np.float32]
    known: NDArray[np.float32]
    target: NDArray[np.float32]
    trust: NDArray[np.float32]

    __repr__ = short_repr

    @property
    def hidden(self) -> NDArray[np.float32]:
        """(M,) weight of the vertices that the photo shows and the completion did not see."""
        return self.trust * (1 - self.known[:, 0])

    def mirrored(self, mirror: NDArray[Any]) -> ColourSample:
        """The face as a mirror shows it; ``mirror`` (M,) numbers the mirrored vertices."""
        return ColourSample(*(getattr(self, name)[mirror] for name in _ARRAYS))


@dataclass(frozen=True)
class Views:
    """All samples of one photo: arrays of :class:`ColourSample` with a leading dimension, and their kinds."""

    name: str
    kinds: Sequence[str]
    arrays: Mapping[str, NDArray[np.float32]]


class ColourStore:
    """Samples of a folder that :func:`wholeface.lab.data.vertex_colours.build_colours` made.

    Args:
        folder: of the store.

    Raises:
        DataError: no store there, or a damaged one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        try:
            manifest = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
            self._arrays = {
                name: np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in _ARRAYS
            }
        except (OSError, ValueError) as error:
            raise DataError(
                f"{folder}: no store of vertex colours ({error}); make one with "
                "`python -m wholeface.lab.data.vertex_colours OUT --data FOLDER`"
            ) from error
        if manifest.get("schema") != _SCHEMA:
            raise DataError(f"{folder}: a store of another version; make it anew")
        self.model: str = manifest["model"]
        self.names: list[str] = manifest["names"]
        self.kinds: list[str] = manifest["kinds"]
        sizes = {len(array) for array in self._arrays.values()} | {len(self.names), len(self.kinds)}
        if len(sizes) != 1:
            raise DataError(f"{folder}: its arrays are of different lengths; make it anew")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: int) -> ColourSample:
        values = {name: np.asarray(array[row], dtype=np.float32) for name, array in self._arrays.items()}
        scale = np.float32(1 / 255)
        return ColourSample(
            values["colours"],
            values["model"],
            values["known"] * scale,
            values["target"],
            values["trust"] * scale,
        )

    @property
    def vertices(self) -> int:
        """M."""
        return int(self._arrays["trust"].shape[1])

    def rows(self, *, held: bool) -> NDArray[np.int64]:
        """Rows of the photos that are kept apart, or of the others."""
        return np.flatnonzero([held_out(name) == held for name in self.names])


def write_store(folder: Path, model: str, views: Sequence[Views], settings: Mapping[str, Any]) -> None:
    """Write the samples of several photos, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _ARRAYS:
        whole = np.concatenate([v.arrays[name] for v in views])
        packed = (
            np.round(255 * whole).astype(np.uint8) if name in ("known", "trust") else whole.astype(np.float16)
        )
        _replace(folder / f"{name}.npy", partial(_save, packed))
    manifest = {
        "schema": _SCHEMA,
        "model": model,
        "settings": dict(settings),
        "names": [v.name for v in views for _ in v.kinds],
        "kinds": [kind for v in views for kind in v.kinds],
    }
    text = json.dumps(manifest, indent=1) + "\n"
    _replace(folder / "manifest.json", lambda file: file.write(text.encode()))


def _save(array: NDArray[Any], file: BinaryIO) -> None:
    np.save(file, array, allow_pickle=False)


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write under another name first: who has mapped the old file keeps it."""
    new = path.with_name(path.name + ".part")
    with new.open("wb") as file:
        write(file)
    os.replace(new, path)
