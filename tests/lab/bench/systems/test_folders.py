"""Result folders of other systems, in miniature, as the published code of each one writes them."""

import numpy as np
import pytest
import scipy.io

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.bench.metrics.scan_error import SEVEN
from wholeface.lab.bench.systems import LAYOUTS, ResultFolder, load_systems

PIXELS = np.zeros((4, 4, 3), np.uint8)


@pytest.fixture
def head():
    """(V, 3) and (F, 3): a bumpy patch of 10 × 10 vertices; the first 68 serve as landmarks."""
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 10), np.linspace(1, -1, 10)), -1).reshape(-1, 2)
    vertices = np.column_stack([grid, 0.3 * np.cos(2 * grid).sum(axis=1)])
    index = np.arange(100).reshape(10, 10)
    a, b, c, d = (p.ravel() for p in (index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]))
    return vertices, np.concatenate([np.column_stack([a, b, c]), np.column_stack([c, b, d])])


def write_obj(path, head, extra=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    vertices, triangles = head
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}{extra}" for x, y, z in vertices]
    path.write_text("\n".join(lines + ["f {} {} {}".format(*(t + 1)) for t in triangles]) + "\n")


def write_ply(path, head):
    path.parent.mkdir(parents=True, exist_ok=True)
    vertices, triangles = head
    path.write_text(
        f"ply\nformat ascii 1.0\nelement vertex {len(vertices)}\nproperty float x\nproperty float y\n"
        f"property float z\nelement face {len(triangles)}\nproperty list uchar int vertex_indices\nend_header\n"
        + "\n".join(" ".join(f"{v:.6f}" for v in row) for row in vertices)
        + "\n"
        + "\n".join("3 {} {} {}".format(*t) for t in triangles)
        + "\n"
    )


def write_index(folder):
    (folder / "landmarks_68.txt").write_text("\n".join(map(str, range(68))))


def predict(kind, folder, stem="anna"):
    (system,) = load_systems([f"folder:{kind}={folder}"])
    assert system.name == kind
    return system.predict(PIXELS, folder.parent / "photos" / f"{stem}.jpg")


def test_every_layout_is_tested():
    assert set(LAYOUTS) == {"DECA", "Deep3DFaceRecon", "3DDFA", "SMIRK", "MICA", "FOCUS"}


def test_deca(tmp_path, head):
    write_obj(tmp_path / "anna" / "anna.obj", head)
    write_obj(tmp_path / "anna" / "anna_detail.obj", (9 * head[0], head[1]))  # not this one
    world = head[0][None, :68] + 0.001
    scipy.io.savemat(tmp_path / "anna" / "anna.mat", {"landmarks3d_world": world.astype(np.float32)})
    found = predict("DECA", tmp_path)
    np.testing.assert_allclose(found.vertices, 1000 * head[0], atol=1e-3)
    np.testing.assert_array_equal(found.triangles, head[1])
    np.testing.assert_allclose(found.landmarks, 1000 * world[0], atol=1e-3)
    assert found.metric
    assert found.neutral is None


def test_deep3d(tmp_path, head):
    write_obj(tmp_path / "anna.obj", head, " 0.5 0.4 0.3")
    scipy.io.savemat(tmp_path / "anna.mat", {"id": np.arange(5.0)[None], "lm68": np.zeros((1, 68, 2))})
    write_index(tmp_path)
    found = predict("Deep3DFaceRecon", tmp_path)
    np.testing.assert_allclose(found.vertices, 100 * head[0], atol=1e-3)
    np.testing.assert_allclose(found.landmarks, 100 * head[0][:68], atol=1e-3)
    np.testing.assert_array_equal(found.identity, np.arange(5.0))


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("anna_obj.obj", False),
        ("anna_ply.ply", False),
        ("anna/anna_extractTex.obj", True),
        ("anna/anna_pcaTex.obj", True),
    ],
)
def test_3ddfa(tmp_path, head, name, metric):
    (write_obj if name.endswith("obj") else write_ply)(tmp_path / name, head)
    write_index(tmp_path)
    found = predict("3DDFA", tmp_path)
    np.testing.assert_allclose(found.vertices, (100 if metric else 1) * head[0], atol=1e-3)
    assert found.metric is metric


def test_smirk_vertices_with_triangles(tmp_path, head):
    np.save(tmp_path / "anna_vertices.npy", head[0][None].astype(np.float32))
    write_index(tmp_path)
    with pytest.raises(DataError, match=r"expected triangles.npy \(F, 3\) or template.obj"):
        predict("SMIRK", tmp_path)
    np.save(tmp_path / "triangles.npy", head[1])
    found = predict("SMIRK", tmp_path)
    np.testing.assert_allclose(found.vertices, 1000 * head[0], atol=1e-3)
    (tmp_path / "triangles.npy").unlink()
    write_obj(tmp_path / "template.obj", head)
    np.testing.assert_array_equal(predict("SMIRK", tmp_path).triangles, head[1])


def test_mica(tmp_path, head):
    write_ply(tmp_path / "anna" / "mesh.ply", head)
    np.save(tmp_path / "anna" / "kpt7.npy", head[0][:7])
    np.save(tmp_path / "anna" / "identity.npy", np.ones(300, np.float32))
    found = predict("MICA", tmp_path)
    np.testing.assert_allclose(found.landmarks[list(SEVEN)], head[0][:7], atol=1e-5)
    assert np.isnan(found.landmarks).any(axis=1).sum() == 61
    np.testing.assert_array_equal(found.neutral, found.vertices)
    np.testing.assert_array_equal(found.identity, np.ones(300))
    np.save(tmp_path / "anna" / "kpt68.npy", head[0][None, :68])  # all of them are preferred
    np.testing.assert_allclose(predict("MICA", tmp_path).landmarks, head[0][:68], atol=1e-5)


def test_focus(tmp_path, head):
    large = (100 * head[0], head[1])
    write_obj(tmp_path / "anna.obj", large)
    (tmp_path / "anna.txt").write_text("\n".join("{:.0f} {:.0f} {:.0f}".format(*p) for p in large[0][:7]))
    found = predict("FOCUS", tmp_path)
    assert np.abs(found.landmarks[list(SEVEN)] - large[0][:7]).max() <= 0.5 + 1e-9


def test_hand_made_landmarks_serve_all(tmp_path, head):
    write_obj(tmp_path / "anna" / "anna.obj", head)
    np.savetxt(tmp_path / "anna" / "anna.txt", head[0][:68])
    np.testing.assert_allclose(predict("DECA", tmp_path).landmarks, 1000 * head[0][:68], atol=1e-3)


def test_missing_files_are_named(tmp_path, head):
    with pytest.raises(
        DataError, match=r"no mesh of DECA for 'anna'; expected one of anna/anna.obj, anna.obj"
    ):
        predict("DECA", tmp_path)
    write_obj(tmp_path / "anna" / "anna.obj", head)
    with pytest.raises(
        DataError, match=r"no landmarks of DECA for 'anna'; expected anna/anna.mat with landmarks3d_world"
    ):
        predict("DECA", tmp_path)
    with pytest.raises(UsageError, match="belong to photo files"):
        ResultFolder("DECA", tmp_path).predict(PIXELS)
    with pytest.raises(DataError, match="no mesh of DECA for 'bert'"):
        predict("DECA", tmp_path, "bert")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\n", "anna.obj: has 3 vertices but no faces"),
        ("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "anna.obj: vertex 1 .*not finite"),
        ("v 0 0 0\nv 1 0 0\nf 1 2 3\n", "anna.obj: a face names a vertex"),
        ("", "anna.obj: has no vertices"),
    ],
)
def test_damaged_meshes_are_named(tmp_path, text, message):
    (tmp_path / "anna.obj").write_text(text)
    write_index(tmp_path)
    with pytest.raises(DataError, match=message):
        predict("FOCUS", tmp_path)


def test_damaged_arrays_are_named(tmp_path, head):
    vertices = head[0].copy()
    vertices[3] = np.nan
    np.save(tmp_path / "triangles.npy", head[1])
    write_index(tmp_path)
    file = tmp_path / "anna_vertices.npy"
    for bad, message in (
        (vertices, "anna_vertices.npy: vertex 3 is not finite"),
        (head[0][:, :2], r"anna_vertices.npy: holds \(100, 2\); expected \(V, 3\)"),
        (head[0][:50], "50 vertices, but the triangles"),
    ):
        np.save(file, bad)
        with pytest.raises(DataError, match=message):
            predict("SMIRK", tmp_path)
    file.write_bytes(b"no array")
    with pytest.raises(DataError, match=r"anna_vertices.npy.*expected \(V, 3\) vertices"):
        predict("SMIRK", tmp_path)


def test_pickles_are_refused(tmp_path, head):
    np.save(tmp_path / "anna_vertices.npy", {"v3d": head[0]}, allow_pickle=True)
    with pytest.raises(DataError, match="holds Python objects"):
        predict("SMIRK", tmp_path)


def test_landmarks_must_be_the_meshs_own(tmp_path, head):
    write_ply(tmp_path / "anna" / "mesh.ply", head)
    np.save(tmp_path / "anna" / "kpt68.npy", 1000 * head[0][:68])  # another unit
    with pytest.raises(
        DataError, match=r"kpt68.npy: landmarks lie up to .* expected landmarks in the mesh's own frame"
    ):
        predict("MICA", tmp_path)
    np.save(tmp_path / "anna" / "kpt68.npy", head[0][:60])
    with pytest.raises(DataError, match=r"kpt68.npy: holds .*expected 68 or 7"):
        predict("MICA", tmp_path)
    (tmp_path / "anna" / "kpt68.npy").unlink()
    (tmp_path / "landmarks_68.txt").write_text("\n".join(["100", *map(str, range(67))]))
    with pytest.raises(DataError, match="landmarks_68 names vertex 100"):
        predict("MICA", tmp_path)
    (tmp_path / "landmarks_68.txt").write_text("1 2 3")
    with pytest.raises(DataError, match=r"landmarks_68\.txt"):
        predict("MICA", tmp_path)
