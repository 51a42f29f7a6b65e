"""What the page and programs read about a finished face: of ``face.json`` what concerns people, and shares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...core.errors import DataError
from ...core.provenance import Provenance
from ...result.files import RECORD

__all__ = ["face_summary", "read_record"]

_TAKEN = ("hidden_fraction", "spectacles", "quality", "warnings", "timings_ms", "method", "relief")


def read_record(folder: Path) -> dict[str, Any]:
    """``face.json`` of a result.

    Raises:
        DataError: the folder holds no complete result.
    """
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        whole = isinstance(record["face"]["number"], int) and isinstance(record["quality"]["verdict"], str)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder} holds no complete result; `wholeface reconstruct PHOTO -o OUT` makes one in OUT"
        ) from error
    if not whole:
        raise DataError(f"{folder / RECORD} is not of a face")
    return record


def face_summary(folder: Path) -> dict[str, Any]:
    """Of one face: number, box, verdict, warnings, pose, camera, and which shares of the texture come from where.

    Nothing in it tells where anything lies.

    Args:
        folder: of the result.

    Raises:
        DataError: the folder holds no complete result.
    """
    record = read_record(folder)
    options = record.get("options") or {}
    return {
        "number": record["face"]["number"],
        "of": record["face"]["of"],
        "box": record["face"].get("box"),
        **{name: record[name] for name in _TAKEN if name in record},
        "rotation": record["parameters"]["rotation"],
        "translation": record["parameters"]["translation"],
        "camera": record["camera"],
        "provenance": _shares(folder / "provenance.png"),
        "expressions": bool(options.get("expressions")),
    }


def _shares(path: Path) -> dict[str, float] | None:
    """Name of each provenance -> share of the texture's texels, those of no place left out."""
    if not path.is_file():
        return None
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        codes = np.asarray(image)
    if codes.ndim != 2:
        return None
    counts = np.bincount(codes.ravel(), minlength=len(Provenance))[: len(Provenance)]
    counts[Provenance.NONE] = 0
    total = max(int(counts.sum()), 1)
    return {code.name.lower(): round(int(counts[code]) / total, 4) for code in Provenance if code}
