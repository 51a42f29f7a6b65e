"""Stage: what each pixel around the face shows, by the parsing network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .state import FaceState
from .tools import Tools

__all__ = ["Parse"]


@dataclass(frozen=True)
class Parse:
    """Fills ``parsing``; leaves it empty where there is no parsing network or the landmarks lack its 478 points."""

    name: ClassVar[str] = "parse"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks"})
    writes: ClassVar[frozenset[str]] = frozenset({"parsing"})

    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        """See :class:`wholeface.stages.Stage`; the network sees all faces as one batch."""
        parser = tools.networks.parser
        results = list(faces)
        if parser is None:
            return results
        able = [(i, points) for i, f in enumerate(faces) if (points := f.landmarks.points_478) is not None]
        found = parser.parse_many([faces[i].photo.pixels for i, _ in able], [points for _, points in able])
        for (i, _), parsing in zip(able, found):
            results[i] = faces[i].with_(parsing=parsing)
        return results
