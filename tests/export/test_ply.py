import numpy as np
import trimesh

from wholeface.export import encode_ply, write_ply


def test_trimesh_reads_it(mesh, tmp_path):
    loaded = trimesh.load(write_ply(tmp_path / "face.ply", mesh), process=False)
    np.testing.assert_array_equal(loaded.vertices.astype(np.float32), mesh.vertices)
    np.testing.assert_array_equal(loaded.faces, mesh.triangles)
    data = loaded.metadata["_ply_raw"]["vertex"]["data"]
    # UV points away from the seam: texel colours are linear in the row and column
    uv_of = np.full(len(mesh.vertices), -1)
    uv_of[mesh.triangles.ravel()] = mesh.uv_triangles.ravel()
    seam = np.arange(len(mesh.vertices)) % 12 == 0
    column = mesh.uv[uv_of, 0] * 64 - 0.5
    row = (1 - mesh.uv[uv_of, 1]) * 64 - 0.5
    expected = np.stack([row * 4, column * 4, (row + column) * 2], -1)
    colours = loaded.visual.vertex_colors[:, :3].astype(float)
    assert np.abs(colours - expected)[~seam].max() <= 0.501
    # both sides of the seam: u = 0.05 and 0.95, on average 0.5
    np.testing.assert_allclose(colours[seam, 1], 4 * 31.5, atol=0.501)
    codes = mesh.provenance[np.floor(row + 0.5).astype(int), np.floor(column + 0.5).astype(int)]
    np.testing.assert_array_equal(np.ravel(data["provenance"])[~seam], codes[~seam])
    np.testing.assert_allclose(np.ravel(data["confidence"])[~seam], (column / 63)[~seam], atol=1e-5)
    normals = np.stack([np.ravel(data[n]) for n in ("nx", "ny", "nz")], -1)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)


def test_bare_mesh_has_only_geometry(mesh_factory):
    bare = dict.fromkeys(["uv", "uv_triangles", "texture", "provenance", "confidence"])
    header = encode_ply(mesh_factory(**bare)).split(b"end_header\n")[0].decode()
    properties = [line.split()[-1] for line in header.splitlines() if line.startswith("property float")]
    assert properties == ["x", "y", "z", "nx", "ny", "nz"]
    assert "uchar red" not in header


def test_vertices_without_a_triangle_are_kept(mesh_factory, tmp_path):
    mesh = mesh_factory()
    some = mesh_factory(triangles=mesh.triangles[:7], uv_triangles=mesh.uv_triangles[:7], glossy=None)
    loaded = trimesh.load(write_ply(tmp_path / "face.ply", some), process=False)
    assert len(loaded.vertices) == len(mesh.vertices)
    used = np.unique(some.triangles)
    rest = np.setdiff1d(np.arange(len(mesh.vertices)), used)
    colours = loaded.visual.vertex_colors[:, :3]
    assert (colours[rest] == 0).all()
    assert (colours[used] > 0).any(1).all()
