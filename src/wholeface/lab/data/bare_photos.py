"""Clean photos of bare faces, of sources that may teach what ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...core.errors import DataError

__all__ = ["bare_photos"]

_FLAWS = ("glasses", "hair_over_face", "other_occluder", "discoloured")


def bare_photos(data: Path, least_face: float) -> list[Path]:
    """Photos by their labels: the face unhidden, without spectacles, in colour. Each shows another subject.

    Computer-made and stock ones that are labelled clean, and portraits that are works of the US government, without
    any flag but facial hair.

    Args:
        data: folder of source material with ``faces_ai``, ``faces_stock``, ``portraits``; one that lacks is left out.
        least_face: pixels of face height from which a portrait is sharp enough.

    Returns:
        The folders in that order, the photos of each by name.

    Raises:
        DataError: a list of labels is damaged, or there is no photo at all.
    """
    found: list[Path] = []
    for folder in ("faces_ai", "faces_stock"):
        listed = data / folder / "labels.json"
        if listed.is_file():
            labels = _read(listed)
            found += [data / folder / name for name in sorted(labels) if labels[name].get("clean")]
    listed = data / "portraits" / "index.json"
    if listed.is_file():
        found += [
            data / "portraits" / entry["file"]
            for entry in sorted(_read(listed), key=lambda e: str(e["file"]))
            if entry["source"] == "bio_guide"
            and entry["face_px"] >= least_face
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
