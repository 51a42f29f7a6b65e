"""A face is posed once and rasterised once; what it hands out is what a fresh computation gives."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from wholeface.morphable import MorphableModel, Parameters, load_model
from wholeface.render import Camera, rasterize, to_camera, vertex_normals
from wholeface.stages.posed import PosedFace
from wholeface.stages.state import FaceFit


@pytest.fixture(scope="module")
def head() -> MorphableModel:
    return load_model("wholeface")


@pytest.fixture(scope="module")
def turned(head: MorphableModel) -> Parameters:
    generator = torch.Generator().manual_seed(3)
    return Parameters(
        identity=torch.randn(head.identity_size, generator=generator),
        expression=torch.rand(head.expression_size, generator=generator) * 0.3,
        albedo=torch.zeros(head.albedo_size),
        light=torch.ones(9, 3),
        rotation=torch.tensor([0.1, 0.4, -0.05]),
        translation=torch.tensor([5.0, -3.0, -900.0]),
    )


def _camera(cx: float, cy: float, width: int, height: int) -> Camera:
    return Camera(focal=700.0, cx=cx, cy=cy, width=width, height=height)


def test_points_and_normals(head: MorphableModel, turned: Parameters) -> None:
    posed = PosedFace.of(head, turned)
    shape = head.vertices(turned.identity, turned.expression)
    points = to_camera(shape, turned.rotation, turned.translation)
    assert torch.equal(posed.shape, shape)
    assert torch.equal(posed.points, points)
    assert torch.equal(posed.normals, vertex_normals(points, head.triangles))


def test_the_same_window_is_rasterised_once(head: MorphableModel, turned: Parameters) -> None:
    posed, camera = PosedFace.of(head, turned), _camera(149.5, 149.5, 300, 300)
    first = posed.seen(camera)
    assert posed.seen(_camera(149.5, 149.5, 300, 300)) is first
    fresh = rasterize(posed.points, head.triangles, camera)
    for name in ("triangle", "barycentric", "depth"):
        assert torch.equal(getattr(first, name), getattr(fresh, name))


def test_a_window_into_a_known_one_is_cut_out(head: MorphableModel, turned: Parameters) -> None:
    posed, camera = PosedFace.of(head, turned), _camera(149.5, 149.5, 300, 300)
    posed.seen(camera)
    part = camera.cropped(40, 60, 150, 120)
    cut, fresh = posed.seen(part), rasterize(posed.points, head.triangles, part)
    assert torch.equal(cut.triangle, fresh.triangle)
    assert torch.allclose(cut.barycentric, fresh.barycentric, atol=1e-5)
    assert torch.equal(cut.mask, fresh.mask)
    assert torch.allclose(cut.depth[cut.mask], fresh.depth[fresh.mask], rtol=1e-5)


@pytest.mark.parametrize(
    "camera",
    [
        _camera(149.5, 149.5, 400, 300),  # wider
        _camera(149.2, 149.5, 100, 100),  # not by whole pixels
        _camera(160.5, 149.5, 100, 100),  # begins outside
        Camera(focal=350.0, cx=74.5, cy=74.5, width=100, height=100),  # another scale
    ],
)
def test_other_windows_are_rasterised(head: MorphableModel, turned: Parameters, camera: Camera) -> None:
    posed = PosedFace.of(head, turned)
    posed.seen(_camera(149.5, 149.5, 300, 300))
    fresh = rasterize(posed.points, head.triangles, camera)
    assert torch.equal(posed.seen(camera).triangle, fresh.triangle)
    assert torch.equal(posed.seen(camera).depth, fresh.depth)


def test_a_fit_keeps_it_while_shape_and_pose_stay(head: MorphableModel, turned: Parameters) -> None:
    fit = FaceFit(head, turned, _camera(149.5, 149.5, 300, 300))
    posed = fit.posed
    lit = fit.with_(parameters=turned.with_(light=turned.light * 2, albedo=turned.albedo + 1))
    assert lit.posed is posed
    moved = fit.with_(parameters=turned.with_(translation=turned.translation + 1))
    assert moved.posed is not posed
    assert not torch.equal(moved.posed.points, posed.points)


def test_a_known_one_of_another_face_is_not_taken(head: MorphableModel, turned: Parameters) -> None:
    known = PosedFace.of(head, turned)
    assert PosedFace.of(head, turned, known) is known
    other = turned.with_(identity=turned.identity * 0.5)
    assert torch.equal(PosedFace.of(head, other, known).points, PosedFace.of(head, other).points)


def test_pickles_carry_no_images(head: MorphableModel, turned: Parameters) -> None:
    posed = PosedFace.of(head, turned)
    posed.seen(_camera(149.5, 149.5, 300, 300))
    before = len(pickle.dumps(PosedFace.of(head, turned)))
    _ = posed.normals
    assert len(pickle.dumps(posed)) < before * 1.05 + 12 * head.vertex_count + 1000
    fit = FaceFit(head, turned, _camera(149.5, 149.5, 300, 300))
    small = len(pickle.dumps(fit))
    _ = fit.posed
    assert len(pickle.dumps(fit)) == small


def test_attributes_of_vertices_are_mixed_where_the_mesh_is_seen(
    head: MorphableModel, turned: Parameters
) -> None:
    posed, camera = PosedFace.of(head, turned), Camera(600.0, 63.5, 63.5, 128, 128)
    there, triangle, points = posed.at_pixels(camera, posed.points.numpy())
    assert there.sum() == len(triangle) == len(points) > 1000
    # The surface point that is mixed for a pixel is seen there.
    seen = camera.project(torch.from_numpy(points)).numpy()
    rows, columns = np.nonzero(there)
    np.testing.assert_allclose(seen, np.stack([columns, rows], axis=1), atol=0.02)
