"""The clean photos whose colours may teach what ships."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....core.errors import DataError

__all__ = ["ColourPhoto", "colour_photos"]

_LEAST_FACE = 88  # pixels of a portrait's face: about one per vertex
_FLAWS = ("glasses", "hair_over_face", "other_occluder", "discoloured")


@dataclass(frozen=True)
class ColourPhoto:
    """One photo.

    Args:
        name: of its collection and its file; what splits go by.
        path: of the image.
    """

    name: str
    path: Path


def colour_photos(data: Path) -> list[ColourPhoto]:
    """Photos of bare faces: computer-made and stock ones labelled clean, public-domain portraits without flaws.

    Args:
        data: folder of source material with ``faces_ai``, ``faces_stock``, ``portraits``; one that lacks is left out.

    Raises:
        DataError: a list of labels is damaged, or there is no photo at all.
    """
    found: list[ColourPhoto] = []
    for folder in ("faces_ai", "faces_stock"):
        listed = data / folder / "labels.json"
        if listed.is_file():
            labels = _read(listed)
            found += [
                ColourPhoto(f"{folder}/{name}", data / folder / name)
                for name in sorted(labels)
                if labels[name].get("clean")
            ]
    listed = data / "portraits" / "index.json"
    if listed.is_file():
        found += [
            ColourPhoto(f"portraits/{entry['file']}", data / "portraits" / entry["file"])
            for entry in sorted(_read(listed), key=lambda e: str(e["file"]))
            if entry["source"] == "bio_guide"
            and entry["face_px"] >= _LEAST_FACE
            and not any(entry.get(flaw) for flaw in _FLAWS)
        ]
    if not found:
        raise DataError(f"{data}: no faces_ai, faces_stock or portraits with their labels")
    return found


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
