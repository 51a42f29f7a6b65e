"""Stage: light, albedo, shape and pose refined by the colours of the visible skin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..stage import faces_side_by_side
from ..state import FaceState
from ..tools import Tools
from .photometric import PhotometricSettings, refine_photometric

__all__ = ["PhotometricRefinement"]


@dataclass(frozen=True)
class PhotometricRefinement:
    """Replaces ``fit`` by :func:`wholeface.stages.shape.refine_photometric`.

    Args:
        settings: prior weights and limits.
        name: in words, for timings and errors.
    """

    settings: PhotometricSettings | None = None
    name: str = "refine"

    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks", "fit", "mask"})
    writes: ClassVar[frozenset[str]] = frozenset({"fit"})

    @faces_side_by_side
    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """See :class:`wholeface.stages.Stage`."""
        assert face.fit is not None
        assert face.mask is not None
        refined = refine_photometric(
            face.photo.pixels,
            face.fit.model,
            face.fit.parameters,
            face.fit.camera,
            face.mask.visible,
            face.landmarks,
            posed=face.fit.posed,
            settings=self.settings,
        )
        return face.with_(fit=face.fit.with_(parameters=refined.parameters, camera=refined.camera))
