"""Stage: relief by classical shape from shading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...core.provenance import Provenance
from ...core.threads import one_thread
from ..stage import faces_side_by_side
from ..state import BumpMap, FaceState
from ..tools import Tools
from .inputs import relief_input
from .shading import ShadingSettings, shading_evidence, shape_from_shading

__all__ = ["ReliefByShading"]

_SEEN = 127  # of 255


@dataclass(frozen=True)
class ReliefByShading:
    """Fills ``bump`` without a network: the height along the foundation's normal whose shading explains what the
    photo shows beyond the rendering of fitted albedo and light.

    Albedo that the model does not know (freckles, stubble, make-up, blotches) becomes relief, too; a baseline, and a
    source of surrogate targets.

    Args:
        size: edge of the crop in pixels.
        settings: see :class:`wholeface.stages.relief.shading.ShadingSettings`.
    """

    size: int = 256
    settings: ShadingSettings | None = None

    name: ClassVar[str] = "relief by shading"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks", "fit", "mask"})
    writes: ClassVar[frozenset[str]] = frozenset({"bump"})

    @faces_side_by_side
    @one_thread()
    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """See :class:`wholeface.stages.Stage`."""
        settings = self.settings or ShadingSettings()
        given, where = relief_input(face, self.size)
        seen = shading_evidence(given, where, settings.high_pass_mm)
        height = shape_from_shading(seen.log_ratio, seen.weight, seen.surface, seen.light, settings)
        skin = given.visible > _SEEN
        source = np.where(skin, np.uint8(Provenance.OBSERVED), np.uint8(Provenance.NONE))
        height = np.where(skin, height, np.float32(0))
        confidence = np.where(skin, seen.weight, np.float32(0))
        return face.with_(bump=BumpMap(where.crop, height, source, confidence))
