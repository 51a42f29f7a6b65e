"""Stage: the texture without the shading of the folds that relief carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...core.threads import one_thread
from ..stage import faces_side_by_side
from ..state import FaceState
from ..tools import Tools
from .albedo import without_fold_shading

__all__ = ["TextureWithoutFolds"]


@dataclass(frozen=True)
class TextureWithoutFolds:
    """Divides the shading of ``relief`` out of ``texture``, so that a renderer, which shades the folds anew, does not
    show them twice.

    Args:
        strength: 1 takes all of it out, 0 nothing.
    """

    strength: float = 1.0

    name: ClassVar[str] = "texture without folds"
    reads: ClassVar[frozenset[str]] = frozenset({"fit", "texture", "relief"})
    writes: ClassVar[frozenset[str]] = frozenset({"texture"})

    @faces_side_by_side
    @one_thread()
    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """See :class:`wholeface.stages.Stage`."""
        assert face.fit is not None
        assert face.texture is not None
        assert face.relief is not None
        if face.texture.per_vertex:
            return face
        fit = face.fit
        return face.with_(
            texture=without_fold_shading(fit.model, fit.posed, face.texture, face.relief, self.strength)
        )
