"""A face in an upright crop, as if that were the photo."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.short_repr import short_repr
from ..core.spherical_harmonics import rotated_about_z
from ..morphable import Parameters
from ..photo import Similarity
from ..render import Camera, axis_angle, rotation_matrix, to_camera
from .posed import PosedFace
from .state import FaceFit

__all__ = ["UprightFace", "crop_around", "upright"]


@dataclass(frozen=True)
class UprightFace:
    """A fitted face in the frame of a crop.

    Args:
        crop: from photo to crop pixels.
        parameters: of the face, its pose and light turned with the crop.
        camera: of the crop.
        posed: the face in the crop's camera space.
    """

    crop: Similarity
    parameters: Parameters
    camera: Camera
    posed: PosedFace

    __repr__ = short_repr


def upright(fit: FaceFit, crop: Similarity, size: int) -> UprightFace:
    r"""A fit in the frame of a similarity crop.

    A turn of the image by :math:`\theta` (clockwise on the screen) is a turn of camera space by
    :math:`R_z(-\theta)` about the optical axis, after which focal length and principal point follow the crop:

    .. math:: R' = R_z(-\theta) R, \quad t' = R_z(-\theta)\,t, \quad f' = s f, \quad c' = s R(\theta) c + t_{2D}

    Args:
        fit: of the photo.
        crop: from photo to crop pixels.
        size: edge of the crop in pixels.
    """
    cos, sin = math.cos(-crop.rotation), math.sin(-crop.rotation)
    old = fit.parameters
    turn = torch.tensor(
        [[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]],
        dtype=torch.float64,
        device=old.rotation.device,
    )
    with torch.no_grad():
        light = rotated_about_z(old.light.detach().cpu().numpy(), -crop.rotation)
        posed = fit.posed.turned(-crop.rotation, lambda: _turned(fit, turn))
        parameters = old.with_(
            rotation=posed.parameters.rotation,
            translation=posed.parameters.translation,
            light=torch.from_numpy(light).to(old.light),
        )
    centre = crop.apply(np.array([float(fit.camera.cx), float(fit.camera.cy)]))
    camera = Camera(float(fit.camera.focal) * crop.scale, float(centre[0]), float(centre[1]), size, size)
    return UprightFace(crop, parameters, camera, posed)


def _turned(fit: FaceFit, turn: torch.Tensor) -> PosedFace:
    """The posed face, turned about the optical axis by a matrix (3, 3)."""
    old, shape = fit.parameters, fit.posed.shape
    rotation = axis_angle(turn @ rotation_matrix(old.rotation.double())).to(old.rotation)
    translation = (turn @ old.translation.double()).to(old.translation)
    parameters = old.with_(rotation=rotation, translation=translation)
    return PosedFace(fit.model, parameters, shape, to_camera(shape, rotation, translation))


def crop_around(points: NDArray[np.float64], size: int, margin: float) -> Similarity:
    """From photo to crop pixels: the face upright in the middle.

    Args:
        points: (L, 2) landmarks, photo pixels: the 478 of MediaPipe, or any others, which then tell no roll.
        size: edge of the crop in pixels.
        margin: edge of the crop over the longer side of the face.
    """
    from ..perceive.frames import face_frame

    if len(points) == 478:
        return face_frame(points, size, margin)
    low, high = points.min(axis=0), points.max(axis=0)
    middle, side = (low + high) / 2, float((high - low).max()) * margin / 2
    box = np.concatenate([middle - side, middle + side])
    return Similarity.from_box(box, (size, size))
