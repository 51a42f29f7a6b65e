"""Coefficient files of Deep3D and DECA, which people have who may use these systems.

A file holds the flat vector (``.npy``, or an array ``coeff`` in ``.npz`` or ``.mat``), or its parts by name:

- 257, Deep3D: ``id`` 80, ``exp`` 64, ``tex`` 80, ``angle`` 3, ``gamma`` 27, ``trans`` 3, flat in this order;
- 236, DECA: ``shape`` 100, ``tex`` 50, ``exp`` 50, ``pose`` 6, ``cam`` 3, ``light`` 27, flat in this order.

What is read is put in the order of :data:`wholeface.morphable.LAYOUTS`, where Deep3D's light comes before its angles.

Source: the published code of Deng et al. 2019 (``coeff``; in PyTorch the named arrays of ``save_coeff``) and of Feng
et al. 2021 (the ``codedict`` of DECA's encoder; its detail code is not read).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError
from ....morphable import LAYOUTS

__all__ = ["TAUGHT_LAYOUTS", "TaughtLayout", "TaughtPhoto", "read_coefficients", "taught_photos"]

TaughtLayout = Literal["236", "257"]
TAUGHT_LAYOUTS: tuple[TaughtLayout, ...] = get_args(TaughtLayout)

# Name in the file, block of our layout; in the order of the flat vectors
_NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "257": (
        ("id", "identity"),
        ("exp", "expression"),
        ("tex", "albedo"),
        ("angle", "rotation"),
        ("gamma", "light"),
        ("trans", "translation"),
    ),
    "236": (
        ("shape", "identity"),
        ("tex", "albedo"),
        ("exp", "expression"),
        ("pose", "pose"),
        ("cam", "camera"),
        ("light", "light"),
    ),
}
_ENDINGS = (".npy", ".npz", ".mat")
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class TaughtPhoto:
    """A picture and the file of what a teacher said of it."""

    photo: Path
    coefficients: Path


def read_coefficients(path: Path, layout: TaughtLayout) -> NDArray[np.float32]:
    """The vector of one picture.

    Args:
        path: ``.npy``, ``.npz`` or ``.mat`` (MATLAB 5); nothing in it is executed.
        layout: ``257`` of Deep3D, or ``236`` of DECA.

    Returns:
        (N,) float32 in the order of ``LAYOUTS[layout]``.

    Raises:
        UsageError: another layout.
        DataError: the file cannot be read, lacks an array, or holds other sizes or values that are not finite.
    """
    if layout not in TAUGHT_LAYOUTS:
        raise UsageError(
            f"teachers' files are of layout {' or '.join(TAUGHT_LAYOUTS)}, not {layout!r}; a vector of another "
            "system can be read by code of yours"
        )
    arrays = _arrays(path)
    sizes = dict(LAYOUTS[layout].blocks)
    flat = arrays.get("coeff", arrays.get(""))
    blocks: dict[str, NDArray[np.float32]] = {}
    if flat is not None:
        vector = np.ravel(flat)
        if vector.shape != (LAYOUTS[layout].size,):
            raise DataError(f"{path}: {vector.size} coefficients, layout {layout} has {LAYOUTS[layout].size}")
        start = 0
        for _, block in _NAMES[layout]:
            blocks[block] = vector[start : start + sizes[block]]
            start += sizes[block]
    else:
        for name, block in _NAMES[layout]:
            if name not in arrays:
                raise DataError(
                    f"{path}: holds no array {name!r} (it has {', '.join(sorted(arrays)) or 'none'}); layout "
                    f"{layout} needs {', '.join(n for n, _ in _NAMES[layout])}, or one called coeff"
                )
            values = np.ravel(arrays[name])
            if values.shape != (sizes[block],):
                raise DataError(
                    f"{path}: {name} has {values.size} numbers, layout {layout} has {sizes[block]}"
                )
            blocks[block] = values
    found = np.concatenate([blocks[name] for name, _ in LAYOUTS[layout].blocks]).astype(np.float32)
    if not np.isfinite(found).all():
        raise DataError(f"{path}: a coefficient is not finite")
    return found


def _arrays(path: Path) -> Mapping[str, Any]:
    """Name -> array; a bare array has an empty name."""
    try:
        if path.suffix == ".npy":
            return {"": np.asarray(np.load(path, allow_pickle=False), np.float32)}
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as held:
                return {name: np.asarray(held[name], np.float32) for name in held.files}
        if path.suffix == ".mat":
            from scipy.io import loadmat

            found = loadmat(path)
            return {
                n: np.asarray(v, np.float32)
                for n, v in found.items()
                if isinstance(v, np.ndarray) and v.dtype.kind in "fiu"
            }
    except Exception as error:  # NumPy and SciPy raise almost any type on a damaged file
        reason = str(error)[:120] or type(error).__name__
        raise DataError(f"{path}: cannot be read as coefficients: {reason}") from error
    raise DataError(f"{path}: coefficient files end in {', '.join(_ENDINGS)}")


def taught_photos(photos: Path, coefficients: Path) -> list[TaughtPhoto]:
    """Pictures with a coefficient file of the same name, sorted by it.

    Args:
        photos: folder of pictures as the teacher saw them.
        coefficients: folder of its files.

    Raises:
        DataError: a folder is missing, or no picture has a file.
    """
    for folder in (photos, coefficients):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
    told = {p.stem: p for p in sorted(coefficients.iterdir()) if p.suffix in _ENDINGS}
    found = [
        TaughtPhoto(path, told[path.stem])
        for path in sorted(photos.iterdir())
        if path.suffix.lower() in _PICTURES and path.stem in told
    ]
    if not found:
        raise DataError(
            f"no picture in {photos} has a coefficient file of its name in {coefficients} ({', '.join(_ENDINGS)})"
        )
    return found
