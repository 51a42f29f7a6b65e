import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wholeface.render import axis_angle, pose_degrees, rotation_from_degrees, rotation_matrix, to_camera

NOSE, CROWN = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 1.0, 0.0])


def _vectors(scale: float, count: int = 50) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    vectors = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    return scale * vectors / vectors.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 0.0099, 0.0101, 0.5, 2.0, math.pi - 1e-9, math.pi])
def test_rodrigues_is_the_matrix_exponential(angle):
    vectors = _vectors(angle)
    x, y, z = vectors.unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), 1).reshape(-1, 3, 3)
    matrices = rotation_matrix(vectors)
    torch.testing.assert_close(matrices, torch.linalg.matrix_exp(cross), rtol=0, atol=1e-14)
    # The inverse gives the same rotation (at exactly π the sign of the axis is free).
    torch.testing.assert_close(rotation_matrix(axis_angle(matrices)), matrices, rtol=0, atol=1e-14)
    if angle < math.pi - 1e-6:
        torch.testing.assert_close(axis_angle(matrices), vectors, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.01, 0.5, 3.0])
def test_gradients_are_right_at_and_near_zero(angle):
    vectors = _vectors(angle, 4).requires_grad_()
    assert torch.autograd.gradcheck(rotation_matrix, vectors, eps=1e-6, atol=1e-8)


def test_gradient_at_zero_is_the_generator():
    jacobian = torch.autograd.functional.jacobian(rotation_matrix, torch.zeros(3))
    assert jacobian[1, 0].tolist() == [0, 0, 1]  # ∂R_yx/∂z
    assert jacobian[0, 2].tolist() == [0, 1, 0]
    assert jacobian[2, 1].tolist() == [1, 0, 0]


def test_signs_of_the_pose():
    def turned(point, **angles):
        return rotation_matrix(rotation_from_degrees(**angles)) @ point

    assert turned(NOSE, yaw=30.0)[0] > 0.4  # towards its own left: image right
    assert turned(NOSE, yaw=0.0, pitch=30.0)[1] > 0.4  # looks up
    assert turned(CROWN, yaw=0.0, roll=30.0)[0] < -0.4  # crown goes to image left: counter-clockwise


@given(
    st.floats(-179, 179),
    st.floats(-89, 89),
    st.floats(-179, 179),
)
def test_pose_round_trip(yaw, pitch, roll):
    angles = torch.tensor([yaw, pitch, roll], dtype=torch.float64)
    torch.testing.assert_close(pose_degrees(rotation_from_degrees(*angles)), angles, rtol=0, atol=1e-7)


def test_pose_angles_broadcast():
    assert rotation_from_degrees(torch.zeros(4), 10.0).shape == (4, 3)
    assert rotation_from_degrees(10.0).dtype == torch.float32


def test_to_camera_batches_and_accepts_matrices():
    points = torch.randn(2, 5, 3, dtype=torch.float64)
    rotation, translation = _vectors(1.0, 2), torch.randn(2, 3, dtype=torch.float64)
    moved = to_camera(points, rotation, translation)
    for n in range(2):
        expected = torch.stack([rotation_matrix(rotation[n]) @ p + translation[n] for p in points[n]])
        torch.testing.assert_close(moved[n], expected)
        torch.testing.assert_close(to_camera(points[n], rotation[n], translation[n]), expected)
    torch.testing.assert_close(to_camera(points, rotation_matrix(rotation), translation), moved)
