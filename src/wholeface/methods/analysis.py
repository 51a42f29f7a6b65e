"""Landmarks, MAP fit, mask by analysis by synthesis, photometric refinement, completion.

The mask weighs what the model explains against what the parsing network, where there is one, sees in the pixels.
It needs a fit, and the fit should not believe landmarks that lie behind an occluder. Our own landmark network says
of each point how far to trust it. With a detector that does not, the fit runs twice: a first one places the face, a
first mask says what is hidden, and a second one gives the hidden landmarks the far larger noise that was measured
behind occluders.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._quality import judge
from ..complete import complete_texture
from ..fit import estimate_occluder, fit_landmarks, refine_photometric
from ..perceive import FaceLandmarks
from ..reconstruction import Reconstruction
from ..render import pose_degrees
from ._job import FaceJob

__all__ = ["run"]

_PERHAPS_FACE = 0.3  # probability, the network's
_ENOUGH_HIDDEN = 0.08  # share of hidden landmarks from which a second fit is worth its time


def run(job: FaceJob) -> Reconstruction:
    """Reconstruct one face; see the module's docstring for the order of the steps.

    Source: Egger et al., "Occlusion-aware 3D morphable models and an illumination prior for face image
    analysis", IJCV 2018, for the alternation of segmentation and fit.
    """
    pixels, clock, model = job.photo.pixels, job.stopwatch, job.model
    height, width = pixels.shape[:2]
    with clock.room("landmark fit"):
        fit = fit_landmarks(model, job.landmarks, width, height, focal=job.focal)
    with clock.room("parse"):
        told, face = _told(job)
    with clock.room("occluder"):
        estimate = estimate_occluder(pixels, model, fit.parameters, fit.camera, job.landmarks, told=told)
    if job.landmarks.modes is None:  # the detector does not know which of its points are hidden
        hidden = _at_points(estimate.probability, job.landmarks)
        if (hidden > 0.5).mean() > _ENOUGH_HIDDEN:
            with clock.room("landmark fit"):
                fit = fit_landmarks(model, job.landmarks, width, height, focal=job.focal, occluded=hidden)
            with clock.room("occluder"):
                estimate = estimate_occluder(
                    pixels, model, fit.parameters, fit.camera, job.landmarks, told=told
                )
    parameters, camera = estimate.parameters, fit.camera
    occluder = estimate.probability
    if told is not None and face is not None:
        occluder = beyond_the_fit(occluder, estimate.face_region, told, face)
    if job.refine:
        with clock.room("refine"):
            refined = refine_photometric(
                pixels, model, parameters, camera, estimate.face_region & ~estimate.mask, job.landmarks
            )
        parameters, camera = refined.parameters, refined.camera
    with clock.room("texture"):
        completed = complete_texture(
            model,
            pixels,
            parameters,
            camera,
            occluder,
            size=job.texture_size,
            landmarks=job.landmarks,
        )
    yaw = float(pose_degrees(parameters.rotation)[0])
    rows = np.nonzero(estimate.face_region.any(axis=1))[0]
    face_px = float(rows[-1] - rows[0] + 1) if len(rows) else 0.0
    hidden_fraction = float(estimate.mask.sum() / max(int(estimate.face_region.sum()), 1))
    return Reconstruction(
        photo=job.photo,
        landmarks=job.landmarks,
        model=model,
        parameters=parameters,
        camera=camera,
        occluder=occluder,
        face_region=estimate.face_region,
        completed=completed,
        quality=judge(
            face_px=face_px,
            landmark_error=fit.rms / max(face_px, 1.0),
            hidden_fraction=hidden_fraction,
            yaw_deg=yaw,
        ),
        method="analysis",
        face_number=job.face_number,
        face_count=job.face_count,
        warnings=_warnings(job, fit.converged, face_px),
        timings_ms=dict(clock.milliseconds),
    )


def _told(job: FaceJob) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """What the parsing network says, both (H, W): the probability of an occluder, NaN where it does not look, and
    that of the face, hidden parts included. None without it.
    """
    points = job.landmarks.points_478
    if job.parser is None or points is None:
        return None, None
    height, width = job.photo.pixels.shape[:2]
    parsing = job.parser.parse(job.photo.pixels, points)
    told = parsing.in_photo(parsing.occluder, height, width, outside=np.nan)
    return told, parsing.in_photo(parsing.face, height, width)


def beyond_the_fit(
    occluder: NDArray[np.float32],
    face_region: NDArray[np.bool_],
    told: NDArray[np.float32],
    face: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The mask, and what the network sees in front of the face where the fitted face already ends.

    Hats, hair and hands hide the outline, and with it where the face ends: the fit and the network guess it apart,
    and what either holds for face can be covered.

    Args:
        occluder: (H, W) probability, 0 outside ``face_region``.
        face_region: (H, W) the projected face.
        told: (H, W) the network's probability of an occluder, NaN where it does not look.
        face: (H, W) its probability of the face, hidden parts included.
    """
    further = ~face_region & (face > _PERHAPS_FACE)
    return np.where(further, np.nan_to_num(told, nan=0.0), occluder).astype(np.float32)


def _at_points(probability: NDArray[np.float32], landmarks: FaceLandmarks) -> NDArray[np.float64]:
    """(L,) the mask at the nearest pixel of each landmark; 0 outside the photo."""
    height, width = probability.shape
    column, row = np.rint(landmarks.points).astype(np.int64).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    values = np.zeros(len(landmarks.points))
    values[inside] = probability[row[inside], column[inside]]
    return values


def _warnings(job: FaceJob, converged: bool, face_px: float) -> tuple[str, ...]:
    found = list(job.photo.warnings)
    if job.device == "cuda":
        found.append("this method computes on the CPU; device 'cuda' changes nothing yet")
    if not converged:
        found.append("the landmark fit stopped before it settled; look at the result before you use it")
    height, width = job.photo.pixels.shape[:2]
    left, top, right, bottom = job.landmarks.box
    if left < 0 or top < 0 or right > width - 1 or bottom > height - 1:
        found.append("the face leaves the photo; what lies outside is estimated")
    if face_px < 60:
        found.append(f"the face is only {face_px:.0f} pixels high; the texture has little detail to show")
    return tuple(found)
