import numpy as np
import pytest
import trimesh
from PIL import Image

from wholeface.core.errors import UsageError
from wholeface.export import write_obj


def test_trimesh_reads_it(mesh_factory, tmp_path):
    mesh = mesh_factory(glossy=None)
    files = write_obj(tmp_path / "face.obj", mesh)
    assert [f.name for f in files] == ["face_texture.png", "face.mtl", "face.obj"]
    loaded = trimesh.load(files[-1], process=False)
    np.testing.assert_allclose(
        loaded.vertices[loaded.faces], mesh.vertices[mesh.triangles], rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(loaded.visual.uv[loaded.faces], mesh.uv[mesh.uv_triangles], atol=1e-6)
    np.testing.assert_array_equal(np.asarray(loaded.visual.material.image), mesh.texture)


def parse(text: str) -> dict[str, list[list[str]]]:
    rows: dict[str, list[list[str]]] = {}
    for line in filter(None, text.splitlines()):
        key, *rest = line.split()
        rows.setdefault(key, []).append(rest)
    return rows


def test_content_is_the_mesh(mesh, tmp_path):
    rows = parse(write_obj(tmp_path / "face.obj", mesh)[-1].read_text())
    np.testing.assert_allclose(np.array(rows["v"], float), mesh.vertices, atol=5e-7)
    np.testing.assert_allclose(np.array(rows["vt"], float), mesh.uv, atol=5e-8)
    np.testing.assert_allclose(np.linalg.norm(np.array(rows["vn"], float), axis=1), 1, atol=1e-4)
    corners = np.array([[c.split("/") for c in row] for row in rows["f"]], int) - 1
    order = np.concatenate([np.flatnonzero(~mesh.glossy), np.flatnonzero(mesh.glossy)])
    np.testing.assert_array_equal(corners[..., 0], mesh.triangles[order])
    np.testing.assert_array_equal(corners[..., 1], mesh.uv_triangles[order])
    np.testing.assert_array_equal(corners[..., 2], mesh.triangles[order])
    assert rows["usemtl"] == [["skin"], ["glossy"]]


def test_names_are_safe(mesh_factory, tmp_path):
    mesh = mesh_factory(name="my face\nv 1 2 3")
    png, mtl, obj = write_obj(tmp_path / "größe 1.obj", mesh)
    assert (png.name, mtl.name, obj.name) == ("gr__e_1_texture.png", "gr__e_1.mtl", "größe 1.obj")
    rows = parse(obj.read_text("ascii"))
    assert rows["mtllib"] == [[mtl.name]]
    assert rows["o"] == [["my_face_v_1_2_3"]]
    assert len(rows["v"]) == len(mesh.vertices)
    assert parse(mtl.read_text("ascii"))["map_Kd"] == [[png.name]] * 2
    np.testing.assert_array_equal(np.asarray(Image.open(png)), mesh.texture)


def test_a_normal_map_is_written_and_named_for_the_skin(mesh_factory, tmp_path):
    normals = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    files = write_obj(tmp_path / "face.obj", mesh_factory(normal_map=normals))
    assert [f.name for f in files] == ["face_texture.png", "face_normals.png", "face.mtl", "face.obj"]
    np.testing.assert_array_equal(np.asarray(Image.open(files[1])), normals)
    skin, glossy = files[2].read_text().split("newmtl ")[1:]
    assert "\nnorm face_normals.png\nmap_Bump -bm 1 face_normals.png\n" in skin
    assert "normals" not in glossy


def test_bare_mesh(mesh_factory, tmp_path):
    bare = dict.fromkeys(["uv", "uv_triangles", "texture", "provenance", "confidence", "glossy"])
    mesh = mesh_factory(**bare)
    files = write_obj(tmp_path / "face.obj", mesh)
    assert [f.name for f in files] == ["face.mtl", "face.obj"]
    loaded = trimesh.load(files[-1], process=False)
    np.testing.assert_array_equal(loaded.faces, mesh.triangles)


def test_wrong_ending(mesh, tmp_path):
    with pytest.raises(UsageError, match=r"\.obj"):
        write_obj(tmp_path / "face.glb", mesh)
