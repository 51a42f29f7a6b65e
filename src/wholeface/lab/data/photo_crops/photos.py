"""The photos of a folder, with masks of what hides the face where somebody has drawn them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from ....photo import read_photo, readable_suffixes

__all__ = ["FolderPhoto", "folder_photos"]

_MASKS = ("_face", "_occluder")
_CELEBA = "CelebAMask-HQ-mask-anno"
_Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class FolderPhoto:
    """One photo.

    Args:
        name: its path below the folder; it also says which photos are held out.
        size: of the file in bytes: a folder whose photos are of other sizes is another one.
        load: gives pixels (H, W, 3) uint8 sRGB, and (H, W) uint8 :class:`~.store.Truth` or None where nobody knows.
    """

    name: str
    size: int
    load: Callable[[], tuple[_Bytes, _Bytes | None]]


def folder_photos(folder: Path) -> list[FolderPhoto]:
    """Photos by name, those of subfolders included.

    Three layouts are known: any photos; annotated ones, ``<stem>.png`` beside ``<stem>_face.png`` (the whole face,
    hidden parts included) and ``<stem>_occluder.png``; and CelebAMask-HQ, whose maps say what is seen of the face.

    Args:
        folder: of photos.

    Raises:
        DataError: no such folder, or no photo in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of photos")
    found = _celeba(folder) if (folder / _CELEBA).is_dir() else _plain(folder)
    if not found:
        raise DataError(f"{folder}: no photo in a format that can be read")
    return found


def _plain(folder: Path) -> list[FolderPhoto]:
    suffixes = readable_suffixes()
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    annotated = {
        path.with_name(path.name.replace("_face.png", ""))
        for path in files
        if path.name.endswith("_face.png")
    }
    found = []
    for path in files:
        if path.stem.endswith(_MASKS) and _stem(path) in annotated:
            continue
        masked = path.with_suffix("") in annotated
        found.append(
            FolderPhoto(path.relative_to(folder).as_posix(), path.stat().st_size, _loader(path, masked))
        )
    return found


def _stem(path: Path) -> Path:
    return path.with_name(path.stem.rsplit("_", 1)[0])


def _loader(path: Path, masked: bool) -> Callable[[], tuple[_Bytes, _Bytes | None]]:
    def load() -> tuple[_Bytes, _Bytes | None]:
        pixels = read_photo(path).pixels
        if not masked:
            return pixels, None
        face, hidden = (
            read_photo(path.with_name(f"{path.stem}{part}.png")).pixels[..., 0] > 127 for part in _MASKS
        )
        if not face.shape == hidden.shape == pixels.shape[:2]:
            raise DataError(f"{path}: its masks have other sizes than the photo")
        return pixels, np.where(face, np.where(hidden, np.uint8(2), np.uint8(1)), np.uint8(0))

    return load


def _celeba(folder: Path) -> list[FolderPhoto]:
    from ..datasets import CelebAMaskHQ, MapItem, occlusion_masks

    def loader(item: MapItem) -> Callable[[], tuple[_Bytes, _Bytes | None]]:
        def load() -> tuple[_Bytes, _Bytes | None]:
            labels = item.labels()
            visible, hiding = occlusion_masks(labels)
            truth = np.where(visible, np.uint8(1), np.where(hiding, np.uint8(2), np.uint8(0)))
            return item.image(labels.shape[0]), truth

        return load

    dataset = CelebAMaskHQ(folder, "train")
    items = (dataset[i] for i in range(len(dataset)))
    return [FolderPhoto(item.name, item.path.stat().st_size, loader(item)) for item in items]
