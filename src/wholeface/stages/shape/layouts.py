r"""Published parameter vectors to and from ``Parameters`` and ``Camera``.

Coefficients are taken as they are: the vector must have been regressed on the model that is given. What differs
between the systems is the pose, the camera and the light:

| layout | rotation | camera | light |
|---|---|---|---|
| 257 Deep3D, FOCUS | Euler angles x, y, z; R = R_z R_y R_x | perspective, fixed; in dm, 10 dm ahead | 3 × 9 |
| 239 eyeglasses | pitch, yaw, roll; R = R_z R_y R_x | scale f (pixels per mm), t2D (pixels) | 9, white |
| 175 parsing-map guided | the same | the same | 9, white |
| 236 DECA on FLAME | axis-angle of the root joint, and of the jaw | orthographic: scale, shift | 9 × 3 |

The pose {pitch, yaw, roll, f, t2D} of 239 and 175 is a scaled orthographic camera, V = f · P · R · S + t2D. Ours is a
perspective one. The two agree to first order about the model's origin, so the converter puts the origin where t2D
says, in the given camera at the distance at which a millimetre covers f pixels; the way back inverts it exactly.
The same holds for DECA's orthographic camera, in the square crop that the given camera describes.

Convention: t2D in photo pixels, u to the right and v down, of the model's origin.

Source: Deng et al. 2019 and its published code (focal length 1015, centre 112, camera 10 dm away, 224 × 224);
Zhao & Qi, parsing-map guided (§3.4, eq. 10) and eyeglasses (§3, eq. 7); Feng et al. 2021 (DECA) and its code.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from ...core.errors import UsageError
from ...morphable import MorphableModel, Parameters
from ...morphable.parameters import LAYOUTS
from ...render import Camera, axis_angle, rotation_matrix

__all__ = ["LayoutName", "deep3d_camera", "parameters_from_vector", "vector_from_parameters"]

LayoutName = Literal["257", "239", "175", "236"]
_DECIMETRE = 100.0  # mm
_AHEAD = 10 * _DECIMETRE
_JAW_OPEN = math.radians(15)  # what weight 1 of FLAME's ``jawOpen`` is, see ``load_flame``
_SAME = 1e-4
# Deep3D's light: order 1, y, z, x, xy, yz, 3z² − 1, xz, x² − y² as ours, with the cosine lobe's factors and signs
# that our orthonormal functions do not have; the network's output is an offset from 0.8 ambient.
_A1, _A2 = 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8)
_DEEP3D_LIGHT = (math.pi, -_A1, _A1, -_A1, _A2, -_A2, _A2, -_A2, _A2)
_DEEP3D_AMBIENT = 0.8
# DECA's light: order 1, x, y, z, xy, xz, yz, x² − y², 3z² − 1, with factors 1, 2π/3 and π/4.
_DECA_ORDER = (0, 2, 3, 1, 4, 6, 8, 5, 7)  # of each of ours, its place in DECA's
_DECA_LIGHT = (1.0, *(3 * [2 * math.pi / 3]), *(5 * [math.pi / 4]))


def deep3d_camera() -> Camera:
    """The camera of the 224 × 224 crops that 257-vectors describe; its centre is counted from the lower edge."""
    return Camera(1015.0, 112.0, 111.0, 224, 224)


def parameters_from_vector(
    vector: Tensor,
    layout: LayoutName,
    model: MorphableModel,
    camera: Camera | None = None,
    *,
    resize: bool = False,
) -> tuple[Parameters, Camera]:
    """Parameters and camera of a published vector.

    Args:
        vector: (N,) or (B, N) with N = 257, 239, 175 or 236.
        layout: which of :data:`wholeface.morphable.LAYOUTS`.
        model: the face model that the vector speaks of.
        camera: of the image that the vector was regressed from; None for 257, whose camera is fixed.
        resize: cut coefficients off, or fill up with zeros, where the model has other basis sizes; leave out turns of
            the jaw that a linear model does not show.

    Returns:
        Parameters with as many coefficients as the model has modes, in the vector's dtype, and the camera.

    Raises:
        UsageError: a vector of another length, basis sizes that do not fit without ``resize``, a camera that is
            missing or not the layout's, or a scale that is not positive.

    Example:
        >>> crop = Camera.of_photo(224, 224)
        >>> parameters, camera = parameters_from_vector(vector, "239", model, crop)  # doctest: +SKIP
    """
    parts = _layout(layout).split(vector)
    camera = _camera(layout, camera)
    coefficients = {
        name: _sized(parts[name], size, name, model, resize)
        for name, size in _sizes(model, layout).items()
        if name in parts
    }
    if layout == "175":  # without an expression block: neutral
        coefficients["expression"] = vector.new_zeros(*vector.shape[:-1], model.expression_size)
    if layout == "257":
        rotation = _from_euler(parts["rotation"])
        translation = parts["translation"] * _DECIMETRE - vector.new_tensor([0.0, 0.0, _AHEAD])
        light = parts["light"].unflatten(-1, (3, 9)).transpose(-1, -2)
        light = (light + _ambient(vector)) * vector.new_tensor(_DEEP3D_LIGHT)[:, None]
    elif layout == "236":
        rotation = parts["pose"][..., :3]
        coefficients["expression"] = _with_jaw(
            coefficients["expression"], parts["pose"][..., 3:], model, resize
        )
        scale, shift = _from_deca(parts["camera"], camera)
        translation = _placed(scale, shift, camera)
        translation = translation + _about_root(model, coefficients["identity"], rotation)
        light = parts["light"].unflatten(-1, (9, 3))[..., list(_DECA_ORDER), :]
        light = light * _deca_factors(vector)
    else:
        rotation = _from_euler(parts["rotation"])
        translation = _placed(parts["scale"], parts["shift"], camera)
        light = parts["light"][..., None].expand(*vector.shape[:-1], 9, 3).clone()
    return Parameters(light=light, rotation=rotation, translation=translation, **coefficients), camera


def vector_from_parameters(
    parameters: Parameters,
    camera: Camera,
    layout: LayoutName,
    model: MorphableModel,
    *,
    resize: bool = False,
    lossy: bool = False,
) -> Tensor:
    """The published vector of parameters and camera; inverse of :func:`parameters_from_vector`.

    Args:
        parameters: of one face, or of a batch with one leading dimension.
        camera: of the image.
        layout: which of :data:`wholeface.morphable.LAYOUTS`.
        model: the face model of the parameters.
        resize: cut coefficients off, or fill up with zeros, where the model has other basis sizes.
        lossy: drop what the layout has no place for: coloured light in 239 and 175 becomes white light, expression is
            left out of 175.

    Returns:
        (N,) or (B, N).

    Raises:
        UsageError: something that the layout has no place for without ``lossy``, basis sizes that do not fit without
            ``resize``, a camera that is not the layout's, or a face that is not in front of the camera.
    """
    found = _layout(layout)
    sizes = dict(found.blocks)
    parts: dict[str, Tensor] = {}
    whole = {
        "identity": parameters.identity,
        "expression": parameters.expression,
        "albedo": parameters.albedo,
    }
    if layout == "236":
        whole["expression"], jaw = _without_jaw(parameters.expression, model)
    if layout == "175" and not lossy and bool((parameters.expression != 0).any()):
        raise UsageError("layout 175 has no expression block; give lossy=True to leave the expression out")
    for name, values in whole.items():
        if name in sizes:
            parts[name] = _sized(values, sizes[name], name, model, resize)
    light = parameters.light
    if layout == "257":
        fixed = _camera(layout, None)
        _require_same(camera, fixed)
        parts["rotation"] = _to_euler(parameters.rotation)
        ahead = parameters.translation.new_tensor([0.0, 0.0, _AHEAD])
        parts["translation"] = (parameters.translation + ahead) / _DECIMETRE
        gamma = light / light.new_tensor(_DEEP3D_LIGHT)[:, None] - _ambient(light)
        parts["light"] = gamma.transpose(-1, -2).flatten(-2)
    elif layout == "236":
        parts["pose"] = torch.cat([parameters.rotation, jaw], dim=-1)
        root = _about_root(model, parameters.identity, parameters.rotation)
        parts["camera"] = _to_deca(*_seen(parameters.translation - root, camera), camera)
        order = torch.tensor(_DECA_ORDER).argsort().tolist()
        parts["light"] = (light / _deca_factors(light))[..., order, :].flatten(-2)
    else:
        white = light.mean(dim=-1)
        if not lossy and not torch.allclose(light, white[..., None].expand_as(light), rtol=1e-4, atol=1e-6):
            raise UsageError(
                f"layout {layout} has one light for all colours; give lossy=True to take their mean"
            )
        parts["light"] = white
        parts["rotation"] = _to_euler(parameters.rotation)
        parts["scale"], parts["shift"] = _seen(parameters.translation, camera)
    return found.join(parts)


def _layout(name: str) -> Any:
    if name not in LAYOUTS:
        raise UsageError(f"unknown parameter layout {name!r}; choose from {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def _sizes(model: MorphableModel, layout: str) -> dict[str, int]:
    """Coefficients that a vector must bring; FLAME's jaw is no expression of DECA's."""
    jaw = layout == "236" and "jawOpen" in model.expression_names
    return {
        "identity": model.identity_size,
        "expression": model.expression_size - int(jaw),
        "albedo": model.albedo_size,
    }


def _sized(values: Tensor, size: int, name: str, model: MorphableModel, resize: bool) -> Tensor:
    count = values.shape[-1]
    if count == size:
        return values
    if not resize:
        raise UsageError(
            f"{count} {name} coefficients where {size} are needed (face model {model.name!r}); "
            "give resize=True to cut them off or to fill up with zeros"
        )
    if count > size:
        return values[..., :size]
    return torch.nn.functional.pad(values, (0, size - count))


def _camera(layout: str, camera: Camera | None) -> Camera:
    if layout == "257":
        fixed = deep3d_camera()
        if camera is not None:
            _require_same(camera, fixed)
        return fixed
    if camera is None:
        raise UsageError(f"layout {layout} does not say the focal length: give the camera of the image")
    return camera


def _require_same(camera: Camera, fixed: Camera) -> None:
    for name in ("focal", "cx", "cy", "width", "height"):
        if abs(float(getattr(camera, name)) - float(getattr(fixed, name))) > _SAME * float(fixed.focal):
            raise UsageError(
                f"layout 257 has a fixed camera with {name} {float(getattr(fixed, name)):g}, this one has "
                f"{float(getattr(camera, name)):g}; fit the face in the network's 224 × 224 crop (deep3d_camera())"
            )


def _from_euler(angles: Tensor) -> Tensor:
    """Axis-angle of R_z(roll) R_y(yaw) R_x(pitch), angles (..., 3) in radians."""
    zero = torch.zeros_like(angles[..., 0])
    turns = []
    for axis in range(3):
        vector = [zero, zero, zero]
        vector[axis] = angles[..., axis]
        turns.append(rotation_matrix(torch.stack(vector, dim=-1)))
    return axis_angle(turns[2] @ turns[1] @ turns[0])


def _to_euler(rotation: Tensor) -> Tensor:
    """Inverse of :func:`_from_euler`, yaw in [−π/2, π/2]."""
    matrix = rotation_matrix(rotation)
    yaw = torch.atan2(-matrix[..., 2, 0], torch.hypot(matrix[..., 2, 1], matrix[..., 2, 2]))
    pitch = torch.atan2(matrix[..., 2, 1], matrix[..., 2, 2])
    roll = torch.atan2(matrix[..., 1, 0], matrix[..., 0, 0])
    return torch.stack([pitch, yaw, roll], dim=-1)


def _placed(scale: Tensor, shift: Tensor, camera: Camera) -> Tensor:
    """(..., 3) mm where the model's origin is seen at ``shift`` (..., 2) and a mm there covers ``scale`` (..., 1)."""
    if not bool((scale > 0).all()):
        raise UsageError("the scale of a pose must be positive")
    cx, cy = (torch.as_tensor(v).to(shift) for v in (camera.cx, camera.cy))
    focal = torch.as_tensor(camera.focal).to(shift)
    x, y = (shift[..., :1] - cx[..., None]) / scale, (cy[..., None] - shift[..., 1:]) / scale
    return torch.cat([x, y, -focal[..., None] / scale], dim=-1)


def _seen(translation: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Inverse of :func:`_placed`."""
    if not bool((translation[..., 2] < 0).all()):
        raise UsageError("the face is not in front of the camera: its translation must have a negative z")
    focal = torch.as_tensor(camera.focal).to(translation)
    scale = focal[..., None] / -translation[..., 2:]
    return scale, camera.project(translation[..., None, :])[..., 0, :]


def _from_deca(values: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Pixels per mm and place of FLAME's origin: x' = s (x + t) in [−1, 1] across the crop, x in metres."""
    half = camera.width / 2
    scale = values[..., :1] * half / 1000
    middle = values.new_tensor([(camera.width - 1) / 2, (camera.height - 1) / 2])
    return scale, middle + values[..., :1] * values[..., 1:] * half * values.new_tensor([1.0, -1.0])


def _to_deca(scale: Tensor, shift: Tensor, camera: Camera) -> Tensor:
    half = camera.width / 2
    size = scale * 1000 / half
    middle = shift.new_tensor([(camera.width - 1) / 2, (camera.height - 1) / 2])
    return torch.cat([size, (shift - middle) / (size * half) * shift.new_tensor([1.0, -1.0])], dim=-1)


def _about_root(model: MorphableModel, identity: Tensor, rotation: Tensor) -> Tensor:
    """(..., 3) mm, j − R j: FLAME turns about its root joint j, our models about their origin."""
    regressor = model.extras.get("joint_regressor")
    if regressor is None:
        return torch.zeros_like(rotation)
    joint = regressor[0].to(identity) @ model.vertices(identity.to(model.mean)).to(identity)
    return joint - (rotation_matrix(rotation) @ joint[..., None])[..., 0]


def _with_jaw(expression: Tensor, jaw: Tensor, model: MorphableModel, resize: bool) -> Tensor:
    """Expression with the jaw's turn about x as the weight of ``jawOpen``, the one joint that our FLAME keeps."""
    has_jaw = "jawOpen" in model.expression_names
    lost = jaw[..., 1:] if has_jaw else jaw
    if not resize and bool((lost.abs() > _SAME).any()):
        raise UsageError(
            f"the jaw turns in a way that the face model {model.name!r} has no expression for; "
            "give resize=True to leave that out"
        )
    if not has_jaw:
        return expression
    at = model.expression_names.index("jawOpen")
    return torch.cat([expression[..., :at], jaw[..., :1] / _JAW_OPEN, expression[..., at:]], dim=-1)


def _without_jaw(expression: Tensor, model: MorphableModel) -> tuple[Tensor, Tensor]:
    """Expression without ``jawOpen``, and the jaw's axis-angle (..., 3)."""
    jaw = expression.new_zeros(*expression.shape[:-1], 3)
    if "jawOpen" not in model.expression_names:
        return expression, jaw
    at = model.expression_names.index("jawOpen")
    jaw[..., 0] = expression[..., at] * _JAW_OPEN
    return torch.cat([expression[..., :at], expression[..., at + 1 :]], dim=-1), jaw


def _ambient(like: Tensor) -> Tensor:
    """(9, 1) Deep3D's initial light."""
    ambient = like.new_zeros(9, 1)
    ambient[0] = _DEEP3D_AMBIENT
    return ambient


def _deca_factors(like: Tensor) -> Tensor:
    """(9, 1) by our order."""
    return like.new_tensor(_DECA_LIGHT)[:, None]
