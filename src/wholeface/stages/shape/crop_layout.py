r"""The complete parameter vector of a face in a crop, as a network sees it, and the way back to the photo.

A network that looks at a crop does not know where in the photo the crop lies, nor how the photo was turned to make
the face upright. The vector therefore speaks of what the crop shows:

| block | size | what |
|---|---|---|
| identity, expression, albedo | of the model | as in :class:`wholeface.morphable.Parameters` |
| light | 27 | 9 × 3 harmonics, in the frame of the ray through the head |
| rotation | 3 | axis-angle, model to that frame |
| scale | 1 | logarithm of the edges of the crop that a millimetre covers at the model's origin |
| shift | 2 | where the model's origin is seen, from the middle of the crop, over its edge; u right, v down |
| distance | 1 | logarithm of the depth of the model's origin in metres |

The frame of the ray: the camera turned with the crop about its axis, then by the smallest rotation that leads −z to
the model's origin. A head aside in a photo looks turned by the angle of that ray, and the vector says what it looks
like. Scale, shift and the photo's focal length determine the translation; ``distance`` stands in for a focal length
that nobody knows. Both ways are exact inverses of each other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...morphable import ParameterLayout, Parameters
from ...render import Camera, axis_angle, rotate_light, rotation_matrix

__all__ = ["complete_layout", "crop_vector", "parameters_of_crop"]

_METRE = 1000.0  # mm


def complete_layout(identity: int, expression: int, albedo: int) -> ParameterLayout:
    """The layout of the vector for a model with so many coefficients."""
    return ParameterLayout(
        (
            ("identity", identity),
            ("expression", expression),
            ("albedo", albedo),
            ("light", 27),
            ("rotation", 3),
            ("scale", 1),
            ("shift", 2),
            ("distance", 1),
        )
    )


def crop_vector(parameters: Parameters, camera: Camera, crop: Tensor, size: int) -> Tensor:
    """The vector of a face in a crop.

    Args:
        parameters: of N faces, with a leading dimension.
        camera: of the photo; its numbers may be tensors (N,).
        crop: (N, 2, 3) similarity from photo to crop pixels, see :attr:`wholeface.photo.Similarity.matrix`.
        size: edge of the crop in pixels.

    Returns:
        (N, M) in the order of :func:`complete_layout`.
    """
    zoom, roll = _zoom_and_roll(crop)
    focal = torch.as_tensor(camera.focal).to(crop) * zoom
    centre = _moved_centre(camera, crop)
    translation = (roll @ parameters.translation[..., None])[..., 0]
    depth = -translation[..., 2]
    ray = _ray_rotation(translation)
    scale = focal / depth  # crop pixels per mm
    seen = centre + scale[..., None] * translation[..., :2] * crop.new_tensor([1.0, -1.0])
    turn = ray.mT @ roll
    parts = {
        "identity": parameters.identity,
        "expression": parameters.expression,
        "albedo": parameters.albedo,
        "light": rotate_light(parameters.light, turn).flatten(-2),
        "rotation": axis_angle(turn @ rotation_matrix(parameters.rotation)),
        "scale": (scale / size).log()[..., None],
        "shift": (seen - (size - 1) / 2) / size,
        "distance": (depth / _METRE).log()[..., None],
    }
    layout = complete_layout(*(parts[name].shape[-1] for name in ("identity", "expression", "albedo")))
    return layout.join(parts)


def parameters_of_crop(
    vector: Tensor,
    layout: ParameterLayout,
    crop: Tensor,
    size: int,
    camera: Camera,
    *,
    focal_known: bool,
) -> tuple[Parameters, Tensor]:
    """Inverse of :func:`crop_vector`; differentiable.

    Args:
        vector: (N, M).
        layout: of the vector, from :func:`complete_layout`.
        crop: (N, 2, 3) similarity from photo to crop pixels.
        size: edge of the crop in pixels.
        camera: of the photo; its principal point is used, and its focal length if ``focal_known``.
        focal_known: take the camera's focal length, and the distance from that; else the other way round.

    Returns:
        Parameters with a leading dimension, and the focal length (N,) in pixels of the photo.
    """
    parts = layout.split(vector)
    zoom, roll = _zoom_and_roll(crop)
    scale = parts["scale"][..., 0].exp() * size  # crop pixels per mm
    if focal_known:
        focal = torch.as_tensor(camera.focal).to(vector).expand_as(scale)
        depth = focal * zoom / scale
    else:
        depth = parts["distance"][..., 0].exp() * _METRE
        focal = scale * depth / zoom
    offset = parts["shift"] * size + (size - 1) / 2 - _moved_centre(camera, crop)
    aside = offset / scale[..., None] * vector.new_tensor([1.0, -1.0])
    translation = torch.cat([aside, -depth[..., None]], dim=-1)
    turn = _ray_rotation(translation).mT @ roll
    parameters = Parameters(
        identity=parts["identity"],
        expression=parts["expression"],
        albedo=parts["albedo"],
        light=rotate_light(parts["light"].reshape(*vector.shape[:-1], 9, 3), turn.mT),
        rotation=axis_angle(turn.mT @ rotation_matrix(parts["rotation"])),
        translation=(roll.mT @ translation[..., None])[..., 0],
    )
    return parameters, focal


def _zoom_and_roll(crop: Tensor) -> tuple[Tensor, Tensor]:
    """(N,) crop pixels per photo pixel, and (N, 3, 3) by which the camera turns with the crop."""
    zoom = torch.hypot(crop[..., 0, 0], crop[..., 1, 0])
    cos, sin = crop[..., 0, 0] / zoom, crop[..., 1, 0] / zoom
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    # v points down and y up, so a turn by +θ of the image is one by −θ about z
    rows = torch.stack((cos, sin, zero, -sin, cos, zero, zero, zero, one), dim=-1)
    return zoom, rows.reshape(*rows.shape[:-1], 3, 3)


def _moved_centre(camera: Camera, crop: Tensor) -> Tensor:
    """(N, 2) the photo's principal point in crop pixels."""
    centre = torch.stack(
        [torch.as_tensor(value).to(crop).expand(crop.shape[:-2]) for value in (camera.cx, camera.cy)], dim=-1
    )
    return (crop[..., :2] @ centre[..., None])[..., 0] + crop[..., 2]


def _ray_rotation(translation: Tensor) -> Tensor:
    """(N, 3, 3) the smallest rotation that leads −z to the direction of (N, 3)."""
    x, y, z = (translation / translation.norm(dim=-1, keepdim=True)).unbind(-1)
    # R = I + K + K² / (1 + cos), K the cross-product matrix of (−z) × d = (y, −x, 0), cos = −z
    k = 1 / (1 - z)
    rows = torch.stack((1 - x * x * k, -x * y * k, -x, -x * y * k, 1 - y * y * k, -y, x, y, -z), dim=-1)
    return rows.reshape(*rows.shape[:-1], 3, 3)
