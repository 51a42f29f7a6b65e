"""Stage: the whole UV texture, hidden parts of the face from the photo without occluders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...core.provenance import Provenance
from ..stage import face_by_face
from ..state import FaceState
from ..tools import Tools
from .completion import TextureCompletion
from .uv import CompletedTexture, CompleteSettings

__all__ = ["TextureFromImage"]

_TRUST = 0.5  # factor on the confidence of what was generated


@dataclass(frozen=True)
class TextureFromImage:
    """Fills ``texture`` as :class:`TextureCompletion` does, of ``image`` instead of the photo.

    What a generator put in the occluder's place is not hidden any more. Texels that come from there, those that the
    photo alone would not have filled, are ``GENERATED`` and half as sure.

    Args:
        size: edge in texels.
        settings: how to complete.
    """

    size: int = 1024
    settings: CompleteSettings | None = None

    name: ClassVar[str] = "texture"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks", "fit", "mask", "image"})
    writes: ClassVar[frozenset[str]] = frozenset({"texture", "fit"})

    @property
    def _completion(self) -> TextureCompletion:
        return TextureCompletion(self.size, self.settings)

    def prepare(self, tools: Tools) -> None:
        """Make the tables that belong to the face model and the texture's size."""
        self._completion.prepare(tools)

    @face_by_face
    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """See :class:`wholeface.stages.Stage`."""
        assert face.mask is not None
        assert face.image is not None
        (plain,) = self._completion([face], tools)
        made = face.image.provenance == Provenance.GENERATED
        if not made.any():
            return plain
        filled = face.with_(
            photo=replace(face.photo, pixels=face.image.pixels),
            mask=replace(face.mask, occluder=face.mask.occluder * ~made, spectacles=None),
        )
        (whole,) = self._completion([filled], tools)
        assert plain.texture is not None
        assert whole.texture is not None
        texture = _told_apart(whole.texture, plain.texture)
        return face.with_(texture=texture, fit=whole.fit)


def _told_apart(whole: CompletedTexture, plain: CompletedTexture) -> CompletedTexture:
    """``whole`` with what ``plain`` could not observe marked as generated."""
    generated = (whole.provenance == Provenance.OBSERVED) & (plain.provenance != Provenance.OBSERVED)
    return replace(
        whole,
        provenance=np.where(generated, np.uint8(Provenance.GENERATED), whole.provenance),
        confidence=np.where(generated, np.float32(_TRUST) * whole.confidence, whole.confidence),
        observed_fraction=plain.observed_fraction,
    )
