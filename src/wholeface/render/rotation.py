"""Rotations: axis-angle, matrices, and the head pose in degrees."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["axis_angle", "pose_degrees", "rotation_from_degrees", "rotation_matrix", "to_camera"]

_SMALL_ANGLE_SQUARED = 1e-4


def rotation_matrix(axis_angle: Tensor) -> Tensor:
    r"""Rotation matrices by Rodrigues' formula.

    .. math:: R = I + \frac{\sin\theta}{\theta} K + \frac{1 - \cos\theta}{\theta^2} K^2

    with :math:`K` the cross-product matrix of the rotation vector. Both quotients are replaced by their
    series near zero, so values and gradients are right at and around the identity.

    Args:
        axis_angle: (..., 3) radians.

    Returns:
        (..., 3, 3) with R @ p rotating the column p.
    """
    squared = (axis_angle * axis_angle).sum(-1)
    small = squared < _SMALL_ANGLE_SQUARED
    # The unused branch of `where` must stay finite, or its gradient poisons the used one.
    safe = torch.where(small, torch.ones_like(squared), squared)
    theta = safe.sqrt()
    sinc = torch.where(small, 1 - squared / 6 * (1 - squared / 20 * (1 - squared / 42)), theta.sin() / theta)
    # (1 − cos θ)/θ² = ½ sinc²(θ/2): no cancellation
    half = (theta / 2).sin() / (theta / 2)
    versine = torch.where(
        small, 0.5 * (1 - squared / 12 * (1 - squared / 30 * (1 - squared / 56))), 0.5 * half * half
    )
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1)
    cross = cross.reshape(*axis_angle.shape[:-1], 3, 3)
    eye = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    result: Tensor = eye + sinc[..., None, None] * cross + versine[..., None, None] * (cross @ cross)
    return result


def axis_angle(rotation: Tensor) -> Tensor:
    """Inverse of :func:`rotation_matrix`, stable for every angle in [0, π].

    Goes through the quaternion component of largest magnitude, so nothing cancels near 0 or near π.

    Args:
        rotation: (..., 3, 3) proper rotation matrices.

    Returns:
        (..., 3) radians, of norm ≤ π. At exactly π the sign of the axis is arbitrary.
    """
    m = rotation
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    a = m[..., 2, 1] - m[..., 1, 2]
    b = m[..., 0, 2] - m[..., 2, 0]
    c = m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    # Rows: 4 q_i · (w, x, y, z) for i = w, x, y, z
    candidates = torch.stack(
        (
            torch.stack((1 + trace, a, b, c), -1),
            torch.stack((a, 1 + 2 * m[..., 0, 0] - trace, xy, xz), -1),
            torch.stack((b, xy, 1 + 2 * m[..., 1, 1] - trace, yz), -1),
            torch.stack((c, xz, yz, 1 + 2 * m[..., 2, 2] - trace), -1),
        ),
        dim=-2,
    )
    best = candidates.diagonal(dim1=-2, dim2=-1).argmax(-1)
    quaternion = candidates.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    quaternion = quaternion / quaternion.norm(dim=-1, keepdim=True)
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    w, vector = quaternion[..., 0], quaternion[..., 1:]
    squared = (vector * vector).sum(-1)
    small = squared < 1e-12
    sine = torch.where(small, torch.ones_like(squared), squared).sqrt()
    # θ / sin(θ/2); 2 to first order near the identity
    scale = torch.where(small, torch.full_like(w, 2.0), 2 * torch.atan2(sine, w) / sine)
    return vector * scale[..., None]


def rotation_from_degrees(
    yaw: float | Tensor,
    pitch: float | Tensor = 0.0,
    roll: float | Tensor = 0.0,
    *,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Axis-angle of a head pose: R = R_y(yaw) · R_x(−pitch) · R_z(roll).

    Convention: at (0, 0, 0) the face looks into the camera. Positive yaw: the face turns to its own left,
    which is image right. Positive pitch: it looks up. Positive roll: a frontal face tilts counter-clockwise
    in the image (towards its own right shoulder). Roll turns about the nose, then pitch, then yaw about the
    vertical; the angles are unique except at pitch = ±90°.

    Args:
        yaw, pitch, roll: degrees, numbers or tensors that broadcast.
        dtype: of the result when all angles are numbers; float32 if None.

    Returns:
        (..., 3) radians.
    """
    if not any(isinstance(angle, Tensor) for angle in (yaw, pitch, roll)):
        dtype = dtype or torch.float32
    angles: tuple[Tensor, ...] = torch.broadcast_tensors(  # type: ignore[no-untyped-call]
        *(torch.as_tensor(angle, dtype=torch.float64) for angle in (yaw, pitch, roll))
    )
    result_dtype = dtype or next(a.dtype for a in (yaw, pitch, roll) if isinstance(a, Tensor))
    yaw_, pitch_, roll_ = (torch.deg2rad(angle) for angle in angles)
    zero = torch.zeros_like(yaw_)
    turn = rotation_matrix(torch.stack((zero, yaw_, zero), -1))
    nod = rotation_matrix(torch.stack((-pitch_, zero, zero), -1))
    tilt = rotation_matrix(torch.stack((zero, zero, roll_), -1))
    return axis_angle(turn @ nod @ tilt).to(result_dtype)


def pose_degrees(rotation: Tensor) -> Tensor:
    """Yaw, pitch and roll of an axis-angle rotation; inverse of :func:`rotation_from_degrees`.

    Args:
        rotation: (..., 3) radians, model to camera.

    Returns:
        (..., 3) degrees: yaw in (−180, 180], pitch in [−90, 90], roll in (−180, 180].
    """
    matrix = rotation_matrix(rotation)
    # Third column: where the nose points, (sin y cos p, sin p, cos y cos p)
    yaw = torch.atan2(matrix[..., 0, 2], matrix[..., 2, 2])
    pitch = torch.atan2(matrix[..., 1, 2], torch.hypot(matrix[..., 0, 2], matrix[..., 2, 2]))
    # Second row: (cos p sin r, cos p cos r, sin p)
    roll = torch.atan2(matrix[..., 1, 0], matrix[..., 1, 1])
    return torch.rad2deg(torch.stack((yaw, pitch, roll), dim=-1))


def to_camera(points: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
    """Camera-space points R · p + t.

    Args:
        points: (..., P, 3) mm, model space.
        rotation: (..., 3) axis-angle in radians with as many dimensions as ``translation``, or (..., 3, 3)
            matrices with one dimension more.
        translation: (..., 3) mm.

    Returns:
        (..., P, 3) mm.
    """
    matrix = rotation if rotation.ndim == translation.ndim + 1 else rotation_matrix(rotation)
    # q_pi = sum_j R_ij p_pj + t_i
    return points @ matrix.transpose(-1, -2) + translation[..., None, :]
