"""Stage: maximum a posteriori fit of the face model to the landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...morphable import MorphableModel
from ...perceive import FaceLandmarks
from ..stage import faces_side_by_side
from ..state import FaceFit, FaceState, MaskEstimate
from ..tools import Tools
from .landmark_fit import LandmarkFitSettings, fit_landmarks

__all__ = ["MapFit", "fit_of_face", "hidden_landmarks"]


@dataclass(frozen=True)
class MapFit:
    """Fills ``fit`` by :func:`wholeface.stages.shape.fit_landmarks`.

    Args:
        focal: focal length in pixels; None takes that of the photo's EXIF, or estimates it.
        from_mask: tell the fit which landmarks the mask hides, for detectors that do not know it themselves.
        settings: prior weights and limits of the fit.
    """

    focal: float | None = None
    from_mask: bool = False
    settings: LandmarkFitSettings | None = None

    name: ClassVar[str] = "landmark fit"
    writes: ClassVar[frozenset[str]] = frozenset({"fit"})

    @property
    def reads(self) -> frozenset[str]:
        """``mask`` too when the mask says which landmarks are hidden."""
        return frozenset({"photo", "landmarks", *(("mask",) if self.from_mask else ())})

    @faces_side_by_side
    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """See :class:`wholeface.stages.Stage`."""
        return face.with_(
            fit=fit_of_face(
                tools.model, face, focal=self.focal, from_mask=self.from_mask, settings=self.settings
            )
        )


def fit_of_face(
    model: MorphableModel,
    face: FaceState,
    *,
    focal: float | None = None,
    from_mask: bool = False,
    identity: NDArray[np.float64] | None = None,
    settings: LandmarkFitSettings | None = None,
) -> FaceFit:
    """The model laid over a face's landmarks by :func:`wholeface.stages.shape.fit_landmarks`.

    Args:
        model: face model.
        face: with ``photo`` and ``landmarks``, and ``mask`` for ``from_mask``.
        focal, from_mask, settings: see :class:`MapFit`.
        identity: (K,) the subject's coefficients where they are known.
    """
    height, width = face.photo.pixels.shape[:2]
    occluded = None
    if from_mask:
        assert face.mask is not None
        occluded = hidden_landmarks(face.landmarks, face.mask)
    found = fit_landmarks(
        model,
        face.landmarks,
        width,
        height,
        focal=focal if focal is not None else face.photo.focal_px,
        occluded=occluded,
        identity=identity,
        settings=settings,
    )
    return FaceFit(
        model=model,
        parameters=found.parameters,
        camera=found.camera,
        landmark_rms=found.rms,
        converged=found.converged,
        identity_information=found.identity_information,
    )


def hidden_landmarks(landmarks: FaceLandmarks, mask: MaskEstimate) -> NDArray[np.float64]:
    """(L,) the occluder's probability at the nearest pixel of each landmark; 0 outside the photo."""
    height, width = mask.occluder.shape
    column, row = np.rint(landmarks.points).astype(np.int64).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    values = np.zeros(len(landmarks.points))
    values[inside] = mask.occluder[row[inside], column[inside]]
    return values
