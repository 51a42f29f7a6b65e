"""From the last face state to the result that people get."""

from __future__ import annotations

import numpy as np

from ..perceive.certainty import BADLY_SEEN
from ..render import pose_degrees
from ..stages import FaceState, Tools
from .colours import colour_spread, seen_level
from .outside import outside_share
from .quality import judge
from .reconstruction import Reconstruction

__all__ = ["reconstruction_of"]


def reconstruction_of(face: FaceState, method: str, tools: Tools) -> Reconstruction:
    """The reconstruction of a face whose ``fit``, ``mask`` and ``texture`` are filled, judged and with warnings."""
    fit, mask, texture = face.fit, face.mask, face.texture
    assert fit is not None
    assert mask is not None
    assert texture is not None
    rows = np.nonzero(mask.face_region.any(axis=1))[0]
    face_px = float(rows[-1] - rows[0] + 1) if len(rows) else 0.0
    return Reconstruction(
        photo=face.photo,
        landmarks=face.landmarks,
        model=fit.model,
        parameters=fit.parameters,
        camera=fit.camera,
        posed=fit.posed,
        occluder=mask.occluder,
        face_region=mask.face_region,
        completed=texture,
        generated=face.generated,
        image=face.image,
        relief=face.relief,
        spectacles=mask.spectacles,
        quality=judge(
            face_px=face_px,
            landmark_error=0.0 if np.isnan(fit.landmark_rms) else fit.landmark_rms / max(face_px, 1.0),
            hidden_fraction=mask.hidden_fraction,
            yaw_deg=float(pose_degrees(fit.parameters.rotation)[0]),
            outside_fraction=outside_share(fit.posed, fit.camera, mask.face_region),
            certainty=face.landmarks.certainty,
            colour_spread=colour_spread(face.photo.pixels, mask.visible),
            level=seen_level(face.photo.pixels, mask.visible),
        ),
        method=method,
        face_number=face.face_number,
        face_count=face.face_count,
        warnings=face.warn(*_warnings(face, face_px, tools)).warnings,
        timings_ms=dict(face.timings_ms),
    )


def _warnings(face: FaceState, face_px: float, tools: Tools) -> list[str]:
    found = []
    if tools.device.type == "cuda":
        found.append("this method computes on the CPU; device 'cuda' changes nothing yet")
    if face.fit is not None and not face.fit.converged:
        found.append("the landmark fit stopped before it settled; look at the result before you use it")
    height, width = face.photo.pixels.shape[:2]
    left, top, right, bottom = face.landmarks.box
    if left < 0 or top < 0 or right > width - 1 or bottom > height - 1:
        found.append("the face leaves the photo; what lies outside is estimated")
    if face.landmarks.certainty < BADLY_SEEN:
        found.append(
            f"the face is badly seen (certainty {face.landmarks.certainty:.2f}); much of this head is a guess"
        )
    if face.texture is not None and face.texture.per_vertex:
        name = "" if face.fit is None else f" {face.fit.model.name!r}"
        found.append(
            f"the face model{name} has no UV coordinates: colours, provenance and confidence are those of its "
            "vertices, in the mesh; there is no texture image"
        )
    if face_px < 60:
        found.append(f"the face is only {face_px:.0f} pixels high; the texture has little detail to show")
    return found
