import math

import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.render import Camera

POINTS = torch.tensor([[0.0, 0.0, -500.0], [10.0, 20.0, -400.0], [-30.0, 5.0, -900.0]], dtype=torch.float64)


def test_projection_follows_the_convention():
    camera = Camera(800.0, 99.5, 49.5, 200, 100)
    pixel = camera.project(POINTS)
    assert pixel[0].tolist() == [99.5, 49.5]
    assert pixel[1].tolist() == [99.5 + 800 * 10 / 400, 49.5 - 800 * 20 / 400]  # +x right, +y up


def test_photo_camera_has_the_principal_point_in_the_middle():
    camera = Camera.of_photo(640, 481)
    assert (camera.cx, camera.cy, camera.focal) == (319.5, 240.0, 1.2 * 640)
    assert Camera.of_photo(640, 481, 700).focal == 700.0


def test_unproject_inverts_project():
    camera = Camera(812.3, 99.1, 51.2, 200, 100)
    back = camera.unproject(camera.project(POINTS), -POINTS[:, 2])
    torch.testing.assert_close(back, POINTS, rtol=1e-13, atol=1e-12)
    assert (camera.rays(camera.project(POINTS))[:, 2] == -1).all()


def test_batched_intrinsics_match_single_cameras():
    focal = torch.tensor([500.0, 900.0], dtype=torch.float64)
    cx = torch.tensor([10.0, 20.0], dtype=torch.float64)
    both = Camera(focal, cx, 30.0, 64, 48).project(POINTS.expand(2, 3, 3))
    for n in range(2):
        assert (both[n] == Camera(float(focal[n]), float(cx[n]), 30.0, 64, 48).project(POINTS)).all()


def test_crop_shifts_and_scaling_keeps_pixel_corners():
    camera = Camera(800.0, 99.5, 49.5, 200, 100)
    pixel = camera.project(POINTS)
    cropped = camera.cropped(30, -5, 50, 60)
    assert (cropped.width, cropped.height) == (50, 60)
    assert torch.equal(cropped.project(POINTS), pixel - torch.tensor([30.0, -5.0], dtype=torch.float64))
    double = camera.scaled(2.0)
    assert (double.width, double.height) == (400, 200)
    # Corners, not centres, scale: (u + ½) doubles.
    torch.testing.assert_close(double.project(POINTS) + 0.5, 2 * (pixel + 0.5), rtol=0, atol=1e-12)
    assert camera.resized(400, 200) == double
    assert camera.resized(67, 33).width == 67


def test_bad_cameras_say_what_is_wrong():
    with pytest.raises(UsageError, match="aspect ratio"):
        Camera(800.0, 0, 0, 200, 100).resized(100, 100)
    with pytest.raises(UsageError, match="positive image size"):
        Camera(800.0, 0, 0, 0, 100)
    with pytest.raises(UsageError, match="focal"):
        Camera(torch.ones(2, 2), 0, 0, 10, 100)


def test_projection_is_differentiable_in_points_and_intrinsics():
    points = POINTS.clone().requires_grad_()
    intrinsics = torch.tensor([800.0, 99.0, 50.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda p, i: Camera(i[0], i[1], i[2], 200, 100).project(p), (points, intrinsics)
    )


def test_moves_its_tensors():
    camera = Camera(torch.tensor(2.0), 1.0, torch.tensor([3.0]), 4, 5).to(dtype=torch.float64)
    assert camera.focal.dtype == camera.cy.dtype == torch.float64
    assert math.isclose(camera.cx, 1.0)
