"""Heads with relief and without, from three sides: to be looked at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .....core.errors import DataError, WholeFaceError
from .....core.provenance import Provenance
from .....photo import Similarity, read_photo, warp
from .....render import Camera, rotation_from_degrees, to_camera
from .....stages import FaceState, ReliefMap, Tools
from .....stages.posed import PosedFace
from .....stages.relief.shading import ground_of, slopes_to_normals
from .....stages.upright import UprightFace
from ...heads.relief import bump_in_atlas, relief_in_crop
from ...protocol import Missing
from .systems import ReliefSystem, fitted, relief_frame

__all__ = ["AGES", "contact_sheet", "head_tile", "photos_by_age"]

Pixels = NDArray[np.uint8]

AGES = ("young", "middle", "old")
_TILE = 224
_YAWS = (0.0, 38.0, -38.0)
_LAMP = np.array([-0.55, 0.55, 0.63])  # from above at the image's left: folds throw shade
_FILL, _KEY = 0.10, 0.62
_MOST = 0.6  # mm at which the map's colours are full
_ATLAS = 768


def photos_by_age(data: Path, each: int) -> list[tuple[str, Path]]:
    """Clean photos by age, the first of every age by name, both sexes and beards among them.

    Args:
        data: folder of source material with ``faces_ai``.
        each: photos of each of :data:`AGES`.

    Returns:
        Age and path.

    Raises:
        DataError: no labels there.
    """
    folder = data / "faces_ai"
    try:
        labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / 'labels.json'}: cannot be read: {error}") from error
    chosen: list[tuple[str, Path]] = []
    for age in AGES:
        names = sorted(name for name, told in labels.items() if told.get("age") == age and told.get("clean"))
        step = max(1, len(names) // each)
        chosen += [(age, folder / name) for name in names[::step][:each]]
    return chosen


def contact_sheet(
    photos: Sequence[tuple[str, Path]], system: ReliefSystem, tools: Tools
) -> tuple[Pixels, list[Missing]]:
    """One row a photo: photo, relief (blue in, red out, full at 0.6 mm), then the grey head without and with relief
    from the front, from its right and from its left.

    Args:
        photos: label and path.
        system: finds the relief.
        tools: of the stages.

    Returns:
        (H, W, 3) uint8, and what could not be reconstructed.
    """
    rows: list[Pixels] = []
    missing: list[Missing] = []
    for label, path in photos:
        try:
            done = system(fitted(read_photo(path).pixels, tools), tools)
        except WholeFaceError as error:
            missing.append(Missing(path.name, system.name, str(error)))
            continue
        rows.append(_row(done, f"{label} {path.stem}"))
    if not rows:
        return np.full((_TILE, _TILE, 3), 255, np.uint8), missing
    return np.concatenate(rows), missing


def _row(face: FaceState, label: str) -> Pixels:
    assert face.fit is not None
    crop = relief_frame(face)
    shrunk = crop.then(Similarity(_TILE / 256))
    photo = Image.fromarray(warp(face.photo.pixels, shrunk, (_TILE, _TILE), fill="edge"))
    ImageDraw.Draw(photo).text((4, 3), label, fill=(255, 255, 0))
    relief = _relief_of(face)
    tiles = [np.asarray(photo)]
    for yaw in _YAWS:
        where = _turned(face, yaw)
        height, _ = relief_in_crop(relief, where)
        if yaw == 0.0:
            tiles.append(_coloured(height, where))
        tiles += [head_tile(where, np.zeros_like(height)), head_tile(where, height)]
    return np.concatenate(tiles, axis=1)


def _relief_of(face: FaceState) -> ReliefMap:
    """The relief of the atlas; where a system stops at the crop, what that knows of it."""
    if face.relief is not None:
        return face.relief
    assert face.fit is not None
    assert face.bump is not None
    found = bump_in_atlas(face.bump, face.fit, _ATLAS)
    source = np.where(found.known, np.uint8(Provenance.OBSERVED), np.uint8(Provenance.MODEL))
    return ReliefMap(found.displacement, source, found.known.astype(np.float32))


def _turned(face: FaceState, yaw: float) -> UprightFace:
    """The fitted face turned before a camera of its own, 700 mm away."""
    assert face.fit is not None
    old = face.fit.parameters
    rotation = rotation_from_degrees(yaw, 0.0, 0.0).to(old.rotation)
    shape = face.fit.posed.shape
    middle = 0.5 * (shape.amax(dim=0) + shape.amin(dim=0))
    with torch.no_grad():
        translation = (
            torch.tensor([0.0, 0.0, -700.0]).to(old.translation)
            - to_camera(middle[None], rotation, torch.zeros(3).to(old.translation))[0]
        )
        parameters = old.with_(rotation=rotation, translation=translation)
        points = to_camera(shape, rotation, translation)
    focal = _TILE * 700.0 / 240.0
    camera = Camera(focal, (_TILE - 1) / 2, (_TILE - 1) / 2, _TILE, _TILE)
    return UprightFace(Similarity(), parameters, camera, PosedFace(face.fit.model, parameters, shape, points))


def head_tile(where: UprightFace, height: NDArray[np.float32]) -> Pixels:
    """(S, S, 3) a grey head with a relief under one lamp.

    Args:
        where: the face before a camera.
        height: (S, S) mm along the normal.
    """
    ground = ground_of(where)
    there = (ground.normals != 0).any(axis=2)
    normals = slopes_to_normals(height, ground)
    lit = _FILL + _KEY * np.clip(normals @ _LAMP, 0, None)
    grey = np.where(there, 255 * np.clip(lit, 0, 1) ** (1 / 1.8), 245)
    return np.repeat(np.round(grey).astype(np.uint8)[..., None], 3, axis=2)


def _coloured(height: NDArray[np.float32], where: UprightFace) -> Pixels:
    """Blue for grooves, red for ridges, grey beside the head."""
    share = np.clip(height / _MOST, -1, 1)[..., None]
    colour = 255 * (1 - np.abs(share) * np.where(share > 0, [0, 1, 1], [1, 1, 0]))
    there = where.posed.seen(where.camera).triangle[0].numpy() >= 0
    return np.where(there[..., None], colour, 200).astype(np.uint8)
