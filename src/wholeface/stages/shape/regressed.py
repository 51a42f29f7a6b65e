"""Faces from the parameter vectors of encoders that look at upright crops, in the crop and in the photo.

Two vectors are known: the complete one (:func:`wholeface.stages.shape.crop_layout.complete_layout`), and that of
layout 257, which speaks of the published 224 × 224 crops and their fixed camera, scaled to the crop.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...morphable import LAYOUTS, MorphableModel, ParameterLayout, Parameters
from ...render import Camera, ambient_light, axis_angle, rotate_light, rotation_matrix
from .crop_layout import complete_layout, parameters_of_crop
from .layouts import deep3d_camera, parameters_from_vector

__all__ = ["encoder_layout", "face_in_crop", "face_in_photo", "usual_vector"]

_DISTANCE = 0.6  # m, of a usual portrait
_AMBIENT = 0.8
_DECIMETRE = 100.0  # mm
_SPREADS = {"light": 0.25, "rotation": 0.3, "scale": 0.15, "shift": 0.06, "distance": 0.2, "translation": 0.3}


def encoder_layout(blocks: Sequence[tuple[str, int]]) -> ParameterLayout:
    """The layout of an encoder's vector.

    Args:
        blocks: of :class:`wholeface.networks.ParameterNetConfig`.

    Raises:
        UsageError: neither the complete layout nor 257.
    """
    found = ParameterLayout(tuple((name, size) for name, size in blocks))
    sizes = dict(found.blocks)
    if found != LAYOUTS["257"] and (
        not {"identity", "expression", "albedo"} <= set(sizes)
        or found != complete_layout(sizes["identity"], sizes["expression"], sizes["albedo"])
    ):
        raise UsageError(f"an encoder's vector has the complete layout or layout 257, not {found}")
    return found


def face_in_crop(
    vector: Tensor, layout: ParameterLayout, model: MorphableModel, size: int
) -> tuple[Parameters, Camera]:
    """The faces in the frame of their crops; differentiable.

    Args:
        vector: (N, M).
        layout: of :func:`encoder_layout`.
        model: face model; of layout 257, coefficients beyond its modes are left out.
        size: edge of the crop in pixels.

    Returns:
        Parameters with a leading dimension and the camera of the crops, with N focal lengths or a fixed one.
    """
    if layout == LAYOUTS["257"]:
        parameters, camera = parameters_from_vector(vector, "257", model, resize=True)
        return parameters, camera.resized(size, size)
    crop = torch.eye(2, 3, dtype=vector.dtype, device=vector.device).expand(len(vector), 2, 3)
    middle = (size - 1) / 2
    camera = Camera(float(size), middle, middle, size, size)
    parameters, focal = parameters_of_crop(vector, layout, crop, size, camera, focal_known=False)
    return parameters, Camera(focal, middle, middle, size, size)


def face_in_photo(
    vector: Tensor,
    layout: ParameterLayout,
    model: MorphableModel,
    crop: Tensor,
    size: int,
    camera: Camera,
    *,
    focal_known: bool,
) -> tuple[Parameters, Camera]:
    """The faces in the frame of the photo.

    Args:
        vector: (N, M).
        layout: of :func:`encoder_layout`.
        model: face model; of layout 257, coefficients beyond its modes are left out.
        crop: (N, 2, 3) similarity from photo to crop pixels.
        size: edge of the crop in pixels.
        camera: of the photo. Layout 257 brings a camera of its own, whose centre is seen where the crop lies.
        focal_known: believe the camera's focal length.

    Returns:
        Parameters with a leading dimension and the camera, with N intrinsics.
    """
    if layout != LAYOUTS["257"]:
        parameters, focal = parameters_of_crop(vector, layout, crop, size, camera, focal_known=focal_known)
        return parameters, Camera(focal, camera.cx, camera.cy, camera.width, camera.height)
    parameters, own = face_in_crop(vector, layout, model, size)
    linear, shift = crop[..., :2], crop[..., 2]
    zoom = torch.hypot(linear[..., 0, 0], linear[..., 1, 0])
    cos, sin = linear[..., 0, 0] / zoom, linear[..., 1, 0] / zoom
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    # The crop is the photo turned by θ (clockwise, v down), so the photo's camera space is turned by +θ about z
    turn = torch.stack((cos, -sin, zero, sin, cos, zero, zero, zero, one), dim=-1)
    turn = turn.reshape(*cos.shape, 3, 3)
    centre = crop.new_tensor([float(own.cx), float(own.cy)]) - shift
    seen = torch.linalg.solve(linear, centre)
    moved = parameters.with_(
        rotation=axis_angle(turn @ rotation_matrix(parameters.rotation)),
        translation=(turn @ parameters.translation[..., None])[..., 0],
        light=rotate_light(parameters.light, turn),
    )
    return moved, Camera(float(own.focal) / zoom, seen[..., 0], seen[..., 1], camera.width, camera.height)


def usual_vector(
    layout: ParameterLayout, model: MorphableModel, landmarks: Tensor, size: int
) -> tuple[Tensor, Tensor]:
    """The vector of the mean face where faces usually lie, under even light, and by how much vectors differ from it.

    Args:
        layout: of :func:`encoder_layout`.
        model: with 68 landmarks.
        landmarks: (68, 2) crop pixels, mean over many faces.
        size: edge of the crop in pixels.

    Returns:
        (M,) mean and (M,) positive spread, for :meth:`wholeface.networks.ParameterNet.set_statistics`.

    Raises:
        UsageError: the model has no 68 landmarks.
    """
    if model.landmarks_68 is None:
        raise UsageError(f"face model {model.name!r} has no 68 landmarks")
    points = model.landmarks_68.points(model.mean, model.triangles).to(landmarks)
    flat = points[:, :2] * landmarks.new_tensor([1.0, -1.0])
    scale = float((landmarks - landmarks.mean(0)).norm() / (flat - flat.mean(0)).norm())  # crop pixels per mm
    origin = landmarks.mean(0) - scale * flat.mean(0)  # where the model's origin is seen
    mean = {name: torch.zeros(count) for name, count in layout.blocks}
    spread = {name: torch.full((count,), _SPREADS.get(name, 1.0)) for name, count in layout.blocks}
    bounded = model.prior.bounded
    if bool(bounded.any()):  # weights of blendshapes
        spread["expression"][: len(bounded)] = torch.where(bounded, 0.2, 1.0)[: len(spread["expression"])]
    if layout == LAYOUTS["257"]:
        camera = deep3d_camera().resized(size, size)
        depth = float(camera.focal) / scale
        aside = (origin - origin.new_tensor([float(camera.cx), float(camera.cy)])) / scale
        mean["translation"] = torch.stack([aside[0], -aside[1], origin.new_tensor(10 * _DECIMETRE - depth)])
        mean["translation"] = mean["translation"].float() / _DECIMETRE
    else:
        mean["light"] = ambient_light(_AMBIENT).flatten()
        mean["scale"][:] = torch.tensor(scale / size).log()
        mean["shift"] = ((origin - (size - 1) / 2) / size).float()
        mean["distance"][:] = torch.tensor(_DISTANCE).log()
    return layout.join(mean), layout.join(spread)
