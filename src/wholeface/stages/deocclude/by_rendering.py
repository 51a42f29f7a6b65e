"""Stage: the photo with the occluder replaced by the rendered face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...core.provenance import Provenance
from ..stage import face_by_face
from ..state import DeoccludedImage, FaceState
from ..tools import Tools
from .rendering import DeoccludeSettings, deocclude

__all__ = ["DeoccludeByRendering"]


@dataclass(frozen=True)
class DeoccludeByRendering:
    """Fills ``image`` by :func:`wholeface.stages.deocclude.rendering`.

    Pixels that differ from the photo's are the ``MODEL``'s, the others ``OBSERVED``.

    Args:
        settings: margins and widths of the transitions.
    """

    settings: DeoccludeSettings | None = None

    name: ClassVar[str] = "deocclude"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "fit", "mask", "texture"})
    writes: ClassVar[frozenset[str]] = frozenset({"image"})

    @face_by_face
    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """See :class:`wholeface.stages.Stage`."""
        assert face.fit is not None
        assert face.mask is not None
        assert face.texture is not None
        pixels = deocclude(
            face.photo.pixels,
            face.fit.model,
            face.fit.parameters,
            face.fit.camera,
            face.mask.occluder,
            face.texture,
            posed=face.fit.posed,
            settings=self.settings,
        )
        return face.with_(image=DeoccludedImage.changed(pixels, face.photo.pixels, Provenance.MODEL))
