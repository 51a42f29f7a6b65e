"""From a folder of photos to a store of crops; a build that was cut off goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ....core.errors import DataError, NoFaceError, WholeFaceError
from ....perceive import LandmarkDetector, load_detector
from ....photo import Photo, warp, working_copy
from ....stages.upright import crop_around
from .photos import FolderPhoto, folder_photos
from .store import DONE, MANIFEST, NOTHING, SCHEMA, PhotoCrops, Truth, read_manifest

__all__ = ["build_photo_crops", "cached_photo_crops"]

_LONGEST = 1280  # pixels of a photo that the detector sees
Progress = Callable[[int, int, str], None]


def build_photo_crops(
    folder: Path,
    photos: Sequence[FolderPhoto],
    *,
    size: int,
    margin: float,
    detector: LandmarkDetector | None = None,
    progress: Progress | None = None,
) -> PhotoCrops:
    """Find the largest face of each photo and its 68 landmarks, and cut it out upright.

    Photos that cannot be read or show no face are left out; ``skipped.csv`` says why.

    Args:
        folder: of the store, made where it is missing.
        photos: to go through.
        size: edge of the crops in pixels.
        margin: edge of a crop over the longer side of the face.
        detector: with the 68 points; None takes WholeFace's own.
        progress: called with finished and all photos and the name of the one that was just finished.

    Raises:
        DataError: the folder holds a store of other photos or settings, or no photo shows a face.
    """
    told = _told(photos, size, margin)
    count = len(photos)
    if (folder / MANIFEST).is_file():
        if read_manifest(folder) != told:
            raise DataError(f"{folder} holds crops of other photos or settings; choose another folder")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        for name, shape, kind in (
            ("image", (count, size, size, 3), np.uint8),
            ("landmarks", (count, 68, 2), np.float32),
            ("matrix", (count, 2, 3), np.float32),
            ("truth", (count, size, size), np.uint8),
            ("done", (count,), np.uint8),
        ):
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape).flush()
        (folder / MANIFEST).write_text(json.dumps(told), encoding="utf-8")
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r+")
        for name in ("image", "landmarks", "matrix", "truth", "done")
    }
    for row in np.flatnonzero(arrays["done"] == 0):
        photo = photos[int(row)]
        detector = load_detector() if detector is None else detector
        try:
            found = _crop(photo, size, margin, detector)
        except WholeFaceError as error:
            with (folder / "skipped.csv").open("a", encoding="utf-8") as file:
                reason = str(error).replace('"', "'")
                file.write(f'"{photo.name}","{reason}"\n')
            arrays["done"][row] = NOTHING
        else:
            for name, values in zip(("image", "landmarks", "matrix", "truth"), found):
                arrays[name][row] = values
            arrays["done"][row] = DONE  # last: a row that is half written is written again
        if progress is not None:
            progress(int((arrays["done"] > 0).sum()), count, photo.name)
    for values in arrays.values():
        values.flush()
    return PhotoCrops(folder)


def cached_photo_crops(
    data: Path,
    *,
    size: int,
    margin: float,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> PhotoCrops:
    """The crops of a folder of photos; made on the first call, found again on the next ones.

    Args:
        data: folder of photos, see :func:`folder_photos`.
        size: edge of the crops in pixels.
        margin: edge of a crop over the longer side of the face.
        cache: folder in which the stores lie, one for each folder of photos and size; None takes
            ``$XDG_CACHE_HOME/wholeface`` or ``~/.cache/wholeface``.
        progress: see :func:`build_photo_crops`.

    Raises:
        DataError: no photos there, or none shows a face.
    """
    photos = folder_photos(data)
    told = json.dumps([_told(photos, size, margin), str(data.resolve())]).encode()
    if cache is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wholeface"
    name = f"crops-{data.resolve().name}-{hashlib.sha256(told).hexdigest()[:12]}"
    return build_photo_crops(cache / name, photos, size=size, margin=margin, progress=progress)


def _told(photos: Sequence[FolderPhoto], size: int, margin: float) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "size": size,
        "margin": margin,
        "photos": [[photo.name, photo.size] for photo in photos],
    }


def _crop(
    photo: FolderPhoto, size: int, margin: float, detector: LandmarkDetector
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels, landmarks, matrix and truth of a photo's largest face."""
    pixels, truth = photo.load()
    small, shrunk = working_copy(Photo(pixels, source=photo.name), _LONGEST)
    faces = detector.detect(small.pixels)
    if not faces:
        raise NoFaceError(f"{photo.name}: no face was found")
    found = faces[0]
    if found.points_68 is None:
        raise DataError(f"{photo.name}: the detector does not give the 68 landmarks")
    points = found.points if found.points_478 is None else found.points_478
    crop = crop_around(shrunk.inverse().apply(points), size, margin)
    edge = (size, size)
    return (
        warp(pixels, crop, edge, fill="edge"),
        shrunk.inverse().then(crop).apply(found.points_68),
        crop.matrix,
        np.full(edge, Truth.UNKNOWN, np.uint8)
        if truth is None
        else warp(truth, crop, edge, fill=int(Truth.BESIDE), filter="nearest"),
    )
