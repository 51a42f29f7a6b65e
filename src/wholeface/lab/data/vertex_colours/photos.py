"""The clean photos whose colours may teach what ships."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..bare_photos import bare_photos

__all__ = ["ColourPhoto", "colour_photos"]

_LEAST_FACE = 88  # pixels of a portrait's face: about one per vertex


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
    return [ColourPhoto(f"{path.parent.name}/{path.name}", path) for path in bare_photos(data, _LEAST_FACE)]
