"""Which photographs of people teach skin, what is known of each, and their colours on the atlas."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .....core.errors import ModelFileError
from .....perceive import FACE_CLASSES, FaceParser
from ..atlas import halved, sample_rows_cols, to_grid
from .portraits import Unwrapped, Unwrapper, choose_portraits

__all__ = ["Photo", "SharpColours", "choose_photos", "unwrap_photos"]

Array = NDArray[Any]
Bools = NDArray[np.bool_]
Detect = Callable[[Array], Array | None]

_LABELLED = ("faces_ai", "faces_stock")
_HELD_OUT_EVERY = 6
_DRAWN_IN = 0.012  # of the atlas, about 4 mm
_PORTRAIT_PX = 100.0  # least height of a face in a portrait
# What may be there without lying on the face.
_BESIDE = (None, "scarf", "hood", "headwrap", "hat", "cap")


@dataclass(frozen=True)
class Photo:
    """One photograph.

    Args:
        path: of the image.
        points: (478, 2) landmarks, pixels.
        source: ``faces_ai``, ``faces_stock`` or ``portraits``.
        tone: label of the skin's tone, 1 (lightest) to 6 (darkest), or 0 where there is none.
        age: ``young``, ``middle``, ``old`` or ``unknown``.
        bearded: has stubble, a moustache or a beard.
        cautious: hair covers parts of the face.
        held_out: kept apart for measuring.
    """

    path: Path
    points: Array
    source: str
    tone: int
    age: str
    bearded: bool
    cautious: bool
    held_out: bool

    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 sRGB."""
        with Image.open(self.path) as image:
            return np.asarray(image.convert("RGB"))


@dataclass(frozen=True)
class SharpColours:
    """Photographs at the resolution of the fine atlas.

    Args:
        log_colour: (N, T', 3) float16, logarithm of linear light, over the fine zone.
        weight: (N, T') float16, visibility in [0, 1].
    """

    log_colour: Array
    weight: Array


def choose_photos(source: Path, detect: Detect) -> list[Photo]:
    """Labelled photographs with bare, unspoilt faces, then the larger portraits.

    Of the labelled ones without spectacles, things on the face, profile or oddities every sixth of each tone is
    held out. Portraits are taken where the face is at least 100 pixels tall and no hair lies over it.

    Args:
        source: folder of the source material.
        detect: image (H, W, 3) uint8 -> (478, 2) landmarks or None.

    Raises:
        ModelFileError: source material is missing.
    """
    photos: list[Photo] = []
    seen: dict[int, int] = {}
    for folder in _LABELLED:
        file = source / folder / "labels.json"
        if not file.is_file():
            raise ModelFileError(f"{file}: not found; the albedo stage needs the labelled photographs there")
        labels = json.loads(file.read_text(encoding="utf-8"))
        for name in sorted(labels):
            label = labels[name]
            if not _usable(label):
                continue
            photo = Photo(
                source / folder / name, np.empty(0), folder, int(label["tone"]), str(label["age"]),
                label["facial_hair"] != "none", bool(label["hair_over_face"]), False,
            )  # fmt: skip
            points = detect(photo.pixels())
            if points is None:
                continue
            number = seen[photo.tone] = seen.get(photo.tone, 0) + 1
            apart = number % _HELD_OUT_EVERY == 3
            photos.append(Photo(**{**photo.__dict__, "points": np.asarray(points), "held_out": apart}))
    entries, landmarks = choose_portraits(source / "portraits")
    for entry, points in zip(entries, landmarks):
        if entry["face_px"] >= _PORTRAIT_PX and not entry["hair_over_face"]:
            path, bearded = source / "portraits" / entry["file"], bool(entry["facial_hair"])
            photos.append(Photo(path, points, "portraits", 0, "unknown", bearded, False, False))
    return photos


def _usable(label: dict[str, Any]) -> bool:
    return (
        label["glasses"] == "none"
        and label["yaw"] in ("front", "half")
        and label["other_occluder"] in _BESIDE
        and label["odd"] is None
    )


def unwrap_photos(
    photos: Sequence[Photo], unwrapper: Unwrapper, fine: Bools, zone: Bools, parser: FaceParser
) -> tuple[Unwrapped, SharpColours]:
    """Photographs on the fine zone, and averaged over 2 × 2 texels on the coarse one.

    What the parsing network takes for hair, cloth, spectacles or other things weighs nothing.

    Args:
        photos: N of them.
        unwrapper: for the texels of ``fine``.
        fine: (2 S, 2 S) bool.
        zone: (S, S) bool.
        parser: of faces.
    """
    count, texels, coarse = len(photos), int(fine.sum()), int(zone.sum())
    sharp = np.empty((count, texels, 3), dtype=np.float16)
    seen = np.empty((count, texels), dtype=np.float16)
    colours, normals = (np.empty((count, coarse, 3), dtype=np.float32) for _ in range(2))
    weights = np.empty((count, coarse), dtype=np.float32)
    errors = np.empty(count)
    for n, photo in enumerate(photos):
        pixels = photo.pixels()
        colour, normal, weight, fit, where = unwrapper.unwrap(pixels, photo.points)
        weight = weight * _drawn_in(_bare(parser, pixels, photo.points, where), fine)
        sharp[n] = np.log(np.maximum(colour, 2e-3))
        seen[n] = weight
        colours[n] = halved(colour, fine, zone)
        mean = halved(normal, fine, zone)
        normals[n] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-6)
        weights[n] = halved(weight[:, None], fine, zone)[:, 0]
        errors[n] = np.sqrt((fit.residual**2).sum(1).mean()) / np.ptp(photo.points[:468, 1])
    names = tuple(photo.path.name for photo in photos)
    return Unwrapped(names, colours, normals, weights, errors), SharpColours(sharp, seen)


def _bare(parser: FaceParser, pixels: NDArray[np.uint8], points: Array, where: Array) -> Array:
    """(T,) in [0, 1]: how surely the network sees the bare face at pixel positions (T, 2)."""
    parsing = parser.parse(pixels, points)
    face = parsing.parsing[list(FACE_CLASSES)].sum(0)
    field = parsing.in_photo(face, *pixels.shape[:2])
    sure = sample_rows_cols(field[..., None], where[:, ::-1])[:, 0]
    result: Array = np.clip((sure - 0.55) / 0.35, 0, 1)
    return result


def _drawn_in(bare: Array, fine: Bools) -> Array:
    """(T,) the same, drawn in by some millimetres where hair or cloth begins; not at eyes, mouth and rim."""
    reach = max(1, round(_DRAWN_IN * fine.shape[0]))
    grid = np.where(fine, to_grid(bare, fine), 1.0)
    result: Array = ndimage.minimum_filter(grid, 2 * reach + 1)[fine]
    return result
