"""Stage: the occluder mask by analysis by synthesis, joined by what the parsing network sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..stage import faces_side_by_side
from ..state import FaceState, MaskEstimate
from ..tools import Tools
from .spectacles import prior_with, spectacles_of, with_spectacles
from .synthesis import OccluderSettings, estimate_occluder

__all__ = ["MaskBySynthesis", "beyond_the_fit"]

_PERHAPS_FACE = 0.3  # probability, the network's


@dataclass(frozen=True)
class MaskBySynthesis:
    """Fills ``mask`` by :func:`wholeface.stages.mask.estimate_occluder` and puts the light that it finds into
    ``fit``.

    Where ``parsing`` is there, the network's opinion joins the evidence, and the mask goes on where the network sees
    the face go on beyond the fitted one. Where it found spectacles, their frames and dark lenses are occluders and
    their clear lenses are face.

    Args:
        settings: working size and weights.
    """

    settings: OccluderSettings | None = None

    name: ClassVar[str] = "occluder"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks", "fit"})
    writes: ClassVar[frozenset[str]] = frozenset({"mask", "fit"})

    @faces_side_by_side
    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """See :class:`wholeface.stages.Stage`."""
        assert face.fit is not None
        pixels, parsing = face.photo.pixels, face.parsing
        height, width = pixels.shape[:2]
        network = None if parsing is None else parsing.patch(parsing.occluder, height, width, outside=np.nan)
        spectacles = None if parsing is None else spectacles_of(parsing.eyewear, height, width)
        if network is not None and spectacles is not None:
            network = prior_with(network, spectacles)
        found = estimate_occluder(
            pixels,
            face.fit.model,
            face.fit.parameters,
            face.fit.camera,
            face.landmarks,
            occluder_prior=network,
            posed=face.fit.posed,
            settings=self.settings,
        )
        occluder = found.probability
        if parsing is not None and network is not None:
            whole = parsing.patch(parsing.face, height, width)
            part = network.slices
            occluder[part] = beyond_the_fit(
                occluder[part], found.face_region[part], network.values, whole.values
            )
            if spectacles is not None:
                face_there = found.face_region.copy()
                face_there[part] |= whole.values > _PERHAPS_FACE
                occluder = with_spectacles(occluder, face_there, spectacles)
        return face.with_(
            mask=MaskEstimate(occluder, found.face_region, spectacles),
            fit=face.fit.with_(parameters=found.parameters),
        )


def beyond_the_fit(
    occluder: NDArray[np.float32],
    face_region: NDArray[np.bool_],
    network: NDArray[np.float32],
    face: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The mask, and what the network sees in front of the face where the fitted face already ends.

    Hats, hair and hands hide the outline, and with it where the face ends: the fit and the network guess it apart,
    and what either holds for face can be occluded.

    Args:
        occluder: (H, W) probability, 0 outside ``face_region``.
        face_region: (H, W) the projected face.
        network: (H, W) the network's probability of an occluder, NaN where it does not look.
        face: (H, W) its probability of the face, hidden parts included.
    """
    further = ~face_region & (face > _PERHAPS_FACE)
    return np.where(further, np.nan_to_num(network, nan=0.0), occluder).astype(np.float32)
