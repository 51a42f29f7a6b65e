"""Landmarks, MAP fit, parsing, mask by analysis by synthesis, photometric refinement, completion.

The mask weighs what the model explains against what the parsing network, where there is one, sees in the pixels.
It needs a fit, and the fit should not believe landmarks that lie behind an occluder. Our own landmark network says
of each point how reliable it is. With a detector that does not, the fit runs twice: a first one places the face, a
first mask says what is hidden, and a second one gives the hidden landmarks the far larger noise that was measured
behind occluders.

Source: Egger et al., "Occlusion-aware 3D morphable models and an illumination prior for face image analysis", IJCV
2018, for the alternation of segmentation and fit.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..stages import FaceState, Stage, Tools, Where
from ..stages.mask.by_synthesis import MaskBySynthesis
from ..stages.parse import Parse
from ..stages.shape import PhotometricSettings
from ..stages.shape.map_fit import MapFit, hidden_landmarks
from ..stages.shape.photometric_refinement import PhotometricRefinement
from ..stages.shape.shared_identity import MeanIdentity, SharedIdentity
from ..stages.texture.completion import TextureCompletion
from .spec import MethodOptions, MethodSpec

__all__ = ["METHOD", "fit_and_mask", "fit_and_refine"]

# Without refinement the shape stays as the landmarks have it, but everybody keeps a skin tone of their own.
_TONE = PhotometricSettings(identity_modes=0, albedo_modes=10, iterations=2, samples=600)
# After photos of one subject were refined each by itself, pose, light and tone follow the mean shape.
_AGAIN = PhotometricRefinement(PhotometricSettings(identity_modes=0, iterations=3), name="refine again")
_ENOUGH_HIDDEN = 0.08  # share of hidden landmarks from which a second fit is worth its time


def _believed_hidden_points(face: FaceState) -> bool:
    """Whether the detector did not know which of its points are hidden, and enough of them are."""
    assert face.mask is not None
    if face.landmarks.modes is not None:
        return False
    return bool((hidden_landmarks(face.landmarks, face.mask) > 0.5).mean() > _ENOUGH_HIDDEN)


def _of_a_subject(face: FaceState) -> bool:
    return face.subject is not None


def fit_and_mask(focal: float | None = None, *, parse: bool = True) -> tuple[Stage, ...]:
    """The stages that fill ``fit`` and ``mask``, in one round or, where the detector believed hidden points, in two.

    Args:
        focal: focal length in pixels when known.
        parse: let the parsing network join the evidence; without it the mask is training-free.
    """
    again = (
        MapFit(focal=focal, from_mask=True),
        SharedIdentity(focal=focal, from_mask=True),
        MaskBySynthesis(),
    )
    return (
        MapFit(focal=focal),
        SharedIdentity(focal=focal),
        *((Parse(),) if parse else ()),
        MaskBySynthesis(),
        Where(_believed_hidden_points, again, name="fit without hidden landmarks"),
    )


def fit_and_refine(options: MethodOptions) -> tuple[Stage, ...]:
    """The stages that fill ``fit`` and ``mask``, refinement by the pixels included."""
    refinement: tuple[Stage, ...]
    if options.refine:
        refinement = (
            PhotometricRefinement(),
            Where(_of_a_subject, (MeanIdentity(), _AGAIN), name="one subject"),
        )
    else:  # photos that were fitted twice, see fit_and_mask, may have left the shape of the others
        refinement = (
            Where(_of_a_subject, (MeanIdentity(),), name="one subject"),
            PhotometricRefinement(_TONE, name="tone"),
        )
    return (*fit_and_mask(options.focal), *refinement)


def _stages(options: MethodOptions, tools: Tools) -> Sequence[Stage]:
    return (*fit_and_refine(options), TextureCompletion(size=options.texture_size))


METHOD = MethodSpec(
    name="analysis",
    paper="Egger et al. 2018, Occlusion-aware 3D morphable models and an illumination prior, IJCV 126",
    stages=_stages,
    weights=("detector", "landmarks", "parsing", "eyewear"),
    summary="model-based: landmark fit, analysis by synthesis, photometric refinement, completion",
)
