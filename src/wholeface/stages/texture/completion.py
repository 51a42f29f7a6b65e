"""Stage: the whole UV texture, seen parts from the photo, the others mirrored or from the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from ...core.threads import one_thread
from ...perceive import ParsingClass
from ..stage import faces_side_by_side
from ..state import FaceState
from ..tools import Tools
from .uv import CompleteSettings, complete_texture, prepare

__all__ = ["TextureCompletion"]

_HEADGEAR = [ParsingClass.HAIR, ParsingClass.HAT]


@dataclass(frozen=True)
class TextureCompletion:
    """Fills ``texture`` by :func:`wholeface.stages.texture.complete_texture`, and puts the light that it divides out
    into ``fit``: the last estimate of the photo's light, to which the texture belongs. Where ``generated`` is there,
    hidden texels take their colours from it.

    Args:
        size: edge in texels.
        settings: how to complete.
    """

    size: int = 1024
    settings: CompleteSettings | None = None

    name: ClassVar[str] = "texture"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks", "fit", "mask"})
    writes: ClassVar[frozenset[str]] = frozenset({"texture", "fit"})

    def prepare(self, tools: Tools) -> None:
        """Make the tables that belong to the face model and the texture's size."""
        prepare(tools.model, self.size)

    @faces_side_by_side
    @one_thread()
    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """See :class:`wholeface.stages.Stage`."""
        assert face.fit is not None
        assert face.mask is not None
        hidden, spectacles = face.mask.occluder.copy(), face.mask.spectacles
        if spectacles is not None:  # temples beside the face, too, leave no colour on the head
            part = spectacles.slices
            glass = np.maximum(spectacles.frame_patch.values, spectacles.dark_patch.values)
            hidden[part] = np.maximum(hidden[part], glass)
        if face.parsing is not None:  # hair and hats over the forehead colour no skin, however thin
            hair = face.parsing.patch(face.parsing.parsing[_HEADGEAR].sum(axis=0), *hidden.shape)
            hidden[hair.slices] = np.maximum(hidden[hair.slices], np.clip(hair.values, 0, 1))
        texture = complete_texture(
            face.fit.model,
            face.photo.pixels,
            face.fit.parameters,
            face.fit.camera,
            hidden,
            size=self.size,
            settings=self.settings,
            landmarks=face.landmarks,
            posed=face.fit.posed,
            generated=None if face.generated is None or face.generated.is_nothing else face.generated,
        )
        parameters = face.fit.parameters
        light = torch.from_numpy(texture.light).to(parameters.light)
        return face.with_(texture=texture, fit=face.fit.with_(parameters=parameters.with_(light=light)))
