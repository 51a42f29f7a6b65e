"""How much of a face lies outside its photo."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..morphable import MorphableModel, Parameters
from ..render import Camera, to_camera

__all__ = ["outside_share"]


def outside_share(
    model: MorphableModel, parameters: Parameters, camera: Camera, face_region: NDArray[np.bool_]
) -> float:
    """Share of the projected face that lies beyond the photo's edges, in [0, 1].

    By the projected areas of the triangles that face the camera; a triangle lies where its centre does.

    Args:
        model: face model; one without the region ``face`` gives 0.
        parameters: of one face.
        camera: of the photo.
        face_region: (H, W) the projected face within the photo: where it meets no edge, nothing is outside.
    """
    edges = (face_region[0], face_region[-1], face_region[:, 0], face_region[:, -1])
    if "face" not in model.regions or (face_region.any() and not any(edge.any() for edge in edges)):
        return 0.0
    with torch.no_grad():
        posed = to_camera(
            model.vertices(parameters.identity, parameters.expression),
            parameters.rotation,
            parameters.translation,
        )
        pixels = camera.project(posed).double().numpy()
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
