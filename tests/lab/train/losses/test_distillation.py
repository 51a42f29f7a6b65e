"""Losses between two parameter vectors, by hand and against whole meshes."""

from __future__ import annotations

import pytest
import torch

from wholeface.lab.train.losses import FaceGeometry, block_mse, coefficient_mse
from wholeface.morphable import MorphableModel, dense_embedding, load_model
from wholeface.render import Camera, sh_basis, to_camera, vertex_normals


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_model("wholeface")


@pytest.fixture(scope="module")
def geometry(model: MorphableModel) -> FaceGeometry:
    return FaceGeometry.of(model)


def test_the_published_loss_by_hand() -> None:
    found = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    wanted = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    # (0 + 4 + 9) / 3 and 1 / 3
    assert float(coefficient_mse(found, wanted)) == pytest.approx((13 / 3 + 1 / 3) / 2)


def test_blocks_count_alike_by_hand() -> None:
    found = {"a": torch.tensor([[2.0, 0.0]]), "b": torch.tensor([[3.0]])}
    wanted = {"a": torch.zeros(1, 2), "b": torch.zeros(1, 1)}
    spread = {"a": torch.tensor([2.0, 1.0]), "b": torch.tensor([1.5])}
    # a: (1 + 0) / 2, b: 4
    assert float(block_mse(found, wanted, spread)) == pytest.approx((0.5 + 4.0) / 2)


def test_small_matrices_say_what_whole_meshes_say(model: MorphableModel, geometry: FaceGeometry) -> None:
    g = torch.Generator().manual_seed(0)
    face = model.region("face")
    identity = torch.randn(3, model.identity_size, generator=g)
    expression = torch.rand(3, model.expression_size, generator=g)
    moved = (model.vertices(identity, expression) - model.mean)[:, face].double()
    mean = model.mean[face].double()
    centred = mean - mean.mean(dim=0)
    columns = [torch.eye(3, dtype=torch.float64)[k].expand_as(mean) for k in range(3)]
    columns += [
        torch.linalg.cross(torch.eye(3, dtype=torch.float64)[k].expand_as(mean), centred) for k in range(3)
    ]
    columns.append(centred)
    basis = torch.stack([c.flatten() for c in columns], dim=1)
    rest = moved.flatten(1).T - basis @ torch.linalg.lstsq(basis, moved.flatten(1).T).solution
    expected = (rest.square().sum(dim=0) / int(face.sum())).sqrt()
    torch.testing.assert_close(
        geometry.shape_error(identity, expression).double(), expected, rtol=2e-3, atol=0
    )
    neutral = geometry.shape_error(identity, torch.zeros_like(expression))
    torch.testing.assert_close(geometry.identity_error(identity), neutral, rtol=2e-3, atol=1e-4)


def test_albedo_and_shading_of_the_face(model: MorphableModel, geometry: FaceGeometry) -> None:
    g = torch.Generator().manual_seed(1)
    assert model.albedo is not None
    face = model.region("face")
    albedo = torch.randn(2, model.albedo_size, generator=g)
    log = torch.tensordot(albedo, model.albedo.basis[:, face], dims=1)
    expected = log.square().mean(dim=(1, 2)).sqrt()
    torch.testing.assert_close(geometry.albedo_error(albedo), expected, rtol=2e-3, atol=0)
    light = torch.randn(2, 9, 3, generator=g)
    normals = vertex_normals(model.mean, model.triangles)[face]
    shading = sh_basis(normals[normals[:, 2] > 0]) @ light
    expected = shading.square().mean(dim=(1, 2)).sqrt()
    torch.testing.assert_close(geometry.shading_error(light), expected, rtol=2e-3, atol=0)


def test_landmarks_are_those_of_the_mesh(model: MorphableModel, geometry: FaceGeometry) -> None:
    g = torch.Generator().manual_seed(2)
    identity, expression = torch.randn(2, 112, generator=g), torch.rand(2, 55, generator=g)
    rotation, translation = (
        0.3 * torch.randn(2, 3, generator=g),
        torch.tensor([[0.0, 5.0, -600.0]]).expand(2, 3),
    )
    camera = Camera(
        torch.tensor([900.0, 1100.0]), torch.tensor([90.0, 100.0]), torch.tensor([80.0, 90.0]), 192, 192
    )
    found = geometry.landmarks(identity, expression, rotation, translation, camera)
    vertices = to_camera(model.vertices(identity, expression), rotation, translation)
    assert model.landmarks_68 is not None
    expected = camera.project(
        torch.cat(
            [
                model.landmarks_68.points(vertices, model.triangles),
                dense_embedding(model).points(vertices, model.triangles),
            ],
            dim=1,
        )
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=0.01)
