from __future__ import annotations

import numpy as np
import pytest

from wholeface.lab.data.synthetic.faces import SyntheticFaces, SyntheticSettings

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def plain() -> SyntheticFaces:
    settings = SyntheticSettings(effects=False, cloth=False, geometry=True)
    return SyntheticFaces(seed=3, size=128, settings=settings)


def test_a_plain_image_is_what_the_renderer_makes_of_its_parameters(plain: SyntheticFaces) -> None:
    from wholeface.morphable import load_model
    from wholeface.render import Camera, interpolate, rasterize, rotation_matrix, sh_basis, vertex_normals

    model = load_model("wholeface")
    albedo = model.albedo
    assert albedo is not None
    assert albedo.mean_texture is not None
    assert albedo.basis_texture is not None
    assert model.uv is not None
    assert model.uv_triangles is not None
    for index in range(3):
        sample = plain.sample(index)
        known = {name: torch.from_numpy(np.asarray(value)) for name, value in sample.parameters.items()}
        vertices = model.vertices(known["identity"], known["expression"])
        rotation = rotation_matrix(known["rotation"].double()).float()
        points = vertices @ rotation.T + known["translation"]
        camera = Camera(float(known["focal"]), float(known["cx"]), float(known["cy"]), 128, 128)
        fragments = rasterize(points[None], model.triangles, camera)
        depth = fragments.depth[0].numpy()
        assert sample.depth is not None
        assert sample.normals is not None
        assert (
            np.isfinite(depth) != np.isfinite(sample.depth)
        ).mean() < 0.01  # antialiased, so a little wider
        both = np.isfinite(depth) & np.isfinite(sample.depth)
        assert both.mean() > 0.1
        assert np.median(np.abs(depth[both] - sample.depth[both])) < 0.05
        normals = interpolate(vertex_normals(points, model.triangles)[None], model.triangles, fragments)[0]
        normals = torch.nn.functional.normalize(normals, dim=-1)
        cosine = (normals.numpy() * sample.normals).sum(-1) / np.linalg.norm(sample.normals + 1e-9, axis=-1)
        assert np.median(cosine[both]) > 0.9999
        light = np.maximum(sh_basis(normals).numpy() @ sample.parameters["light"], 0)
        added = (known["albedo"][:, None, None, None] * albedo.basis_texture).sum(0)[None]
        edge = albedo.mean_texture.shape[-1]
        wide = torch.nn.functional.interpolate(added, size=edge, mode="bilinear", align_corners=False)[0]
        log = (albedo.mean_texture + wide).numpy()
        uv = interpolate(model.uv[None], model.uv_triangles, fragments)[0].numpy()
        column = np.rint(np.clip(uv[..., 0] * edge - 0.5, 0, edge - 1)).astype(int)
        row = np.rint(np.clip((1 - uv[..., 1]) * edge - 0.5, 0, edge - 1)).astype(int)
        linear = np.clip(np.exp(log[:, row, column].transpose(1, 2, 0)) * light, 0, 1)
        code = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        away = 255 * np.abs(code - sample.image / 255.0)[both]
        assert np.median(away) < 1.5


def test_landmarks_lie_where_the_face_is_and_face_the_camera_where_they_are_seen(
    plain: SyntheticFaces,
) -> None:
    for index in range(6):
        sample = plain.sample(index)
        pixel = np.rint(sample.dense).astype(int)
        inside = ((pixel >= 0) & (pixel < 128)).all(1) & sample.facing_dense
        assert inside.sum() > 150
        assert sample.face[pixel[inside, 1], pixel[inside, 0]].mean() > 0.9


def test_a_sample_depends_on_seed_and_index_alone() -> None:
    first, again = SyntheticFaces(seed=4, size=96), SyntheticFaces(seed=4, size=96)
    first.sample(0)
    for name in ("image", "parsing", "face", "dense"):
        one = getattr(first.sample(1), name)
        np.testing.assert_array_equal(one, getattr(again.sample(1), name))
        assert (one != getattr(first.sample(2), name)).any()


def test_one_person_in_two_images_has_one_shape_and_depth_is_given_on_demand() -> None:
    faces = SyntheticFaces(seed=4, size=64)
    first, second = faces.sample(0, person=7), faces.sample(1, person=7, depth=True)
    np.testing.assert_array_equal(first.parameters["identity"], second.parameters["identity"])
    np.testing.assert_array_equal(first.parameters["albedo"], second.parameters["albedo"])
    assert (first.parameters["expression"] != second.parameters["expression"]).any()
    assert first.depth is None
    assert second.depth is not None
    assert np.isfinite(second.depth[second.face]).mean() > 0.95
