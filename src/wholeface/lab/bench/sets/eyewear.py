"""Photos with spectacles drawn by hand, and portraits of which somebody said whether they show any."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ....core.errors import DataError
from ....perceive import EyewearPart

__all__ = ["EyewearPhoto", "Worn", "drawn_parts", "labelled_photos", "worn_or_not"]

_LABELS = Path(__file__).with_name("eyewear_labels.json")
_FINE = 4  # subpixels along each side of a pixel when outlines become maps


@dataclass(frozen=True)
class EyewearPhoto:
    """A photo and its spectacles.

    Args:
        name: of the file.
        pixels: (H, W, 3) uint8 sRGB.
        parts: (H, W) uint8 :class:`EyewearPart`, drawn by hand.
    """

    name: str
    pixels: NDArray[np.uint8]
    parts: NDArray[np.uint8]


@dataclass(frozen=True)
class Worn:
    """A portrait, and whether it shows spectacles.

    Args:
        path: of the file.
        group: which collection it is of.
        glasses: whether it shows any.
    """

    path: Path
    group: str
    glasses: bool


def labelled_photos(data: Path) -> list[EyewearPhoto]:
    """The photos of ``data/faces_stock`` whose spectacles were drawn by hand; none of them is trained on.

    Raises:
        DataError: a photo is missing.
    """
    photos = []
    for name, label in json.loads(_LABELS.read_text(encoding="utf-8"))["photos"].items():
        path = data / "faces_stock" / name
        if not path.is_file():
            raise DataError(f"{path} is missing; the labels of its spectacles are here")
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        parts = drawn_parts(
            list(label["frame"]),
            [(lens["kind"], lens["outline"]) for lens in label["lens"]],
            pixels.shape[0],
            pixels.shape[1],
        )
        photos.append(EyewearPhoto(name, pixels, parts))
    return photos


def drawn_parts(
    frame: list[list[list[float]]], lenses: list[tuple[str, list[list[float]]]], height: int, width: int
) -> NDArray[np.uint8]:
    """(height, width) :class:`EyewearPart` from outlines in photo pixels.

    Args:
        frame: outlines whose union, without the lenses, is the frame.
        lenses: kind (``clear`` or ``dark``) and outline of each.
        height, width: of the photo.
    """

    def filled(outlines: list[list[list[float]]]) -> NDArray[np.bool_]:
        canvas = Image.new("L", (width * _FINE, height * _FINE))
        draw = ImageDraw.Draw(canvas)
        for outline in outlines:
            draw.polygon([((x + 0.5) * _FINE, (y + 0.5) * _FINE) for x, y in outline], fill=1)
        cover = np.asarray(canvas).reshape(height, _FINE, width, _FINE).mean(axis=(1, 3))
        return cover >= 0.5

    parts = np.where(filled(frame), np.uint8(EyewearPart.FRAME), np.uint8(EyewearPart.NONE))
    for name, part in (("clear", EyewearPart.CLEAR_LENS), ("dark", EyewearPart.DARK_LENS)):
        parts[filled([outline for kind, outline in lenses if kind == name])] = part
    return parts


def worn_or_not(data: Path, most: int) -> list[Worn]:
    """Portraits with and without spectacles, by the labels of ``portraits`` and ``faces_ai``.

    Args:
        data: folder of the source material.
        most: at most so many of each collection with spectacles, and without, evenly spread.
    """
    found: list[Worn] = []
    index = data / "portraits" / "index.json"
    if index.is_file():
        entries = json.loads(index.read_text(encoding="utf-8"))
        everyone = [(entry["file"], bool(entry["glasses"])) for entry in entries]
        found += _spread(data / "portraits", "portraits", everyone, most)
    labels = data / "faces_ai" / "labels.json"
    if labels.is_file():
        told = json.loads(labels.read_text(encoding="utf-8"))
        everyone = [(name, label["glasses"] != "none") for name, label in sorted(told.items())]
        found += _spread(data / "faces_ai", "faces_ai", everyone, most)
    return found


def _spread(folder: Path, group: str, everyone: list[tuple[str, bool]], most: int) -> list[Worn]:
    found = []
    for glasses in (True, False):
        names = [name for name, says in everyone if says == glasses]
        picked = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).astype(int))
        found += [Worn(folder / names[i], group, glasses) for i in picked]
    return found
