"""The photos of which references are made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ....core.errors import DataError
from ....photo import readable_suffixes
from ..bare_photos import bare_photos

__all__ = ["reference_photos"]

_COLLECTIONS = ("faces_ai", "faces_stock", "portraits")


def reference_photos(sources: Sequence[Path], least_face: float) -> list[Path]:
    """Photos and the photos of folders, in order.

    Args:
        sources: photos; folders of photos, with what is below them; or the folder of source material, of which those
            are taken whose labels say that nothing hides the face.
        least_face: pixels of face height from which a labelled portrait is sharp enough.

    Raises:
        DataError: a source that is not there, or no photo at all.
    """
    suffixes = readable_suffixes()
    found: list[Path] = []
    for source in sources:
        if source.is_file():
            found.append(source)
        elif not source.is_dir():
            raise DataError(f"{source}: no such photo or folder")
        elif any((source / name).is_dir() for name in _COLLECTIONS):
            found += bare_photos(source, least_face)
        else:
            found += sorted(p for p in source.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
    if not found:
        raise DataError(f"no photo in {', '.join(map(str, sources)) or 'nothing'}")
    return found
