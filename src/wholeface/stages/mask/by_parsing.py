"""Stage: the occluder mask that the parsing network sees, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..stage import faces_side_by_side
from ..state import FaceState, MaskEstimate
from ..tools import Tools
from .by_synthesis import MaskBySynthesis, beyond_the_fit
from .spectacles import prior_with, spectacles_of, with_spectacles
from .synthesis import OccluderSettings
from .synthesis.upsample import to_photo
from .synthesis.view import face_view
from .synthesis.zones import face_zones

__all__ = ["MaskByParsing"]

_PERHAPS_FACE = 0.3  # probability, the network's


@dataclass(frozen=True)
class MaskByParsing:
    """Fills ``mask``: the network's probability of an occluder, within the outline of the fitted face.

    Half as slow as :class:`wholeface.stages.mask.by_synthesis.MaskBySynthesis`, which asks the fitted model, too, and
    which does the work where there is no ``parsing``, at the same working size.

    Args:
        face_size: longer side of the face at which its outline is drawn, pixels.
    """

    face_size: int = 64

    name: ClassVar[str] = "occluder"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks", "fit"})
    writes: ClassVar[frozenset[str]] = frozenset({"mask", "fit"})

    @faces_side_by_side
    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """See :class:`wholeface.stages.Stage`."""
        assert face.fit is not None
        settings = OccluderSettings(face_size=self.face_size, iterations=2)
        if face.parsing is None:
            return MaskBySynthesis(settings)([face], tools)[0]
        fit, pixels, parsing = face.fit, face.photo.pixels, face.parsing
        height, width = pixels.shape[:2]
        zones = face_zones(fit.model)
        view = face_view(
            pixels, fit.posed, fit.parameters, fit.camera, zones, self.face_size, settings.margin
        )
        beyond_photo, region = to_photo(pixels, view, (~view.content).astype(np.float32))
        network = parsing.patch(parsing.occluder, height, width, outside=np.nan)
        spectacles = spectacles_of(parsing.eyewear, height, width)
        if spectacles is not None:
            network = prior_with(network, spectacles)
        part, whole = network.slices, parsing.patch(parsing.face, height, width)
        occluder = np.where(region, beyond_photo, np.float32(0.0))
        seen = np.where(region[part], np.fmax(occluder[part], network.values), np.float32(0.0))
        occluder[part] = beyond_the_fit(seen, region[part], network.values, whole.values)
        if spectacles is not None:
            face_there = region.copy()
            face_there[part] |= whole.values > _PERHAPS_FACE
            occluder = with_spectacles(occluder, face_there, spectacles)
        return face.with_(mask=MaskEstimate(occluder, region, spectacles))
