"""How much of a face lies outside its photo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..render import Camera
from ..stages.posed import PosedFace

__all__ = ["outside_share"]


def outside_share(posed: PosedFace, camera: Camera, face_region: NDArray[np.bool_]) -> float:
    """Share of the projected face that lies beyond the photo's edges, in [0, 1].

    By the projected areas of the triangles that face the camera; a triangle lies where its centre does.

    Args:
        posed: one face; of a model without the region ``face`` it gives 0.
        camera: of the photo.
        face_region: (H, W) the projected face within the photo: where it meets no edge, nothing is outside.
    """
    model = posed.model
    edges = (face_region[0], face_region[-1], face_region[:, 0], face_region[:, -1])
    if "face" not in model.regions or (face_region.any() and not any(edge.any() for edge in edges)):
        return 0.0
    pixels = camera.project(posed.points).detach().double().numpy()
    inside = model.regions["face"].numpy()
    triangles = model.triangles.numpy()
    corners = pixels[triangles[inside[triangles].all(axis=1)]]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    # Counter-clockwise as seen from outside, and the pixels' y points down: what faces the camera is negative
    area = np.maximum(second[:, 0] * first[:, 1] - first[:, 0] * second[:, 1], 0.0)
    centre = corners.mean(axis=1)
    last = np.array([camera.width, camera.height]) - 0.5
    beyond = ((centre < -0.5) | (centre > last)).any(axis=1)
    return float(area[beyond].sum() / max(float(area.sum()), 1e-12))
