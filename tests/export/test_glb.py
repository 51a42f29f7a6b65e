import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import trimesh

from wholeface.core.errors import OutputError, UsageError
from wholeface.core.provenance import Provenance
from wholeface.export import Mesh, encode_glb, write_glb

_spec = importlib.util.spec_from_file_location("gltf_check", Path(__file__).with_name("gltf_check.py"))
gltf_check = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gltf_check)

KINDS = {
    "full": {},
    "no glossy": {"glossy": None},
    "all glossy": {"glossy": np.ones(192, bool)},
    "no maps": {"provenance": None, "confidence": None},
    "no texture": {"texture": None},
    "odd texture": {"texture": np.zeros((33, 47, 3), np.uint8)},
    "bare": dict.fromkeys(["uv", "uv_triangles", "texture", "provenance", "confidence", "glossy"]),
    "no targets": {"morph_targets": {}},
    "relief": {"normal_map": np.full((32, 32, 3), (140, 110, 250), np.uint8)},
    "relief alone": {
        **dict.fromkeys(["texture", "provenance", "confidence", "glossy"]),
        "normal_map": np.full((32, 32, 3), (128, 128, 255), np.uint8),
    },
    "weights": {"morph_weights": (0.5, 0, 1)},
    "Unicode": {"name": "Gesicht für „Ärger“", "extras": {"méthode": ["ü", None, 1.5]}},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"morph_targets": False}, {"texture_format": "jpeg"}])
def test_structure(mesh_factory, kind, options):
    gltf_check.Glb(encode_glb(mesh_factory(**KINDS[kind]), **options))


def validator_folder() -> Path | None:
    """Where ``npm install gltf-validator`` was run: $WHOLEFACE_GLTF_VALIDATOR or the cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "wholeface"
    for folder in (os.environ.get("WHOLEFACE_GLTF_VALIDATOR"), cache):
        if folder and (Path(folder) / "node_modules" / "gltf-validator").is_dir():
            return Path(folder)
    return None


VALIDATE = """
const validator = require(process.argv[1]);
const read = file => new Uint8Array(require('fs').readFileSync(file));
const jobs = process.argv.slice(2).map(file => validator.validateBytes(read(file)));
Promise.all(jobs).then(reports => console.log(JSON.stringify(reports.map(r => r.issues))));
"""


def test_khronos_validator_has_nothing_to_say(mesh_factory, tmp_path):
    folder = validator_folder()
    if folder is None or shutil.which("node") is None:
        pytest.skip("needs node and gltf-validator: npm install --prefix ~/.cache/wholeface gltf-validator")
    paths = []
    for number, kind in enumerate(KINDS):
        for option, options in enumerate(({}, {"morph_targets": False}, {"texture_format": "jpeg"})):
            path = tmp_path / f"{number}_{option}.glb"
            paths.append(write_glb(path, mesh_factory(**KINDS[kind]), **options))
    package = folder / "node_modules" / "gltf-validator"
    command = ["node", "-e", VALIDATE, str(package), *map(str, paths)]
    reports = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    for path, issues in zip(paths, reports):
        # a remark on the texture that is 33 × 47 pixels on purpose is all there may be
        found = [m for m in issues["messages"] if m["code"] != "IMAGE_NPOT_DIMENSIONS"]
        assert (found, issues["numErrors"], issues["numWarnings"]) == ([], 0, 0), path.name


def corners(glb, name: str) -> np.ndarray:
    """A vertex attribute at every triangle corner, in the order skin, glossy."""
    parts = []
    for primitive in glb.document["meshes"][0]["primitives"]:
        values = glb.arrays[primitive["attributes"][name]]
        parts.append(values[glb.arrays[primitive["indices"]][:, 0]].reshape(-1, 3, values.shape[1]))
    return np.concatenate(parts)


def in_file_order(mesh: Mesh, triangles: np.ndarray) -> np.ndarray:
    return np.concatenate([triangles[~mesh.glossy], triangles[mesh.glossy]])


def test_every_corner_says_what_the_mesh_says(mesh):
    glb = gltf_check.Glb(encode_glb(mesh))
    position = mesh.vertices[in_file_order(mesh, mesh.triangles)]
    uv = mesh.uv[in_file_order(mesh, mesh.uv_triangles)]
    np.testing.assert_array_equal(
        corners(glb, "POSITION"), (position.astype(np.float64) * 1e-3).astype(np.float32)
    )
    np.testing.assert_array_equal(corners(glb, "TEXCOORD_0"), np.stack([uv[..., 0], 1 - uv[..., 1]], -1))
    normal = corners(glb, "NORMAL")
    # smooth over the seam: one normal per original vertex
    owner = in_file_order(mesh, mesh.triangles).ravel()
    first = {int(v): n for v, n in zip(owner, normal.reshape(-1, 3))}
    np.testing.assert_array_equal(normal.reshape(-1, 3), np.stack([first[int(v)] for v in owner]))
    assert (np.einsum("fkc,fkc->fk", normal, position * [1, 0, 1]) > 0).all()  # out of the tube
    pairs = {(int(v), int(t)) for v, t in zip(mesh.triangles.ravel(), mesh.uv_triangles.ravel())}
    assert glb.document["accessors"][0]["count"] == len(pairs) == len(mesh.vertices) + 9


def test_morph_targets_follow_the_split(mesh):
    glb = gltf_check.Glb(encode_glb(mesh))
    shape = glb.document["meshes"][0]
    assert shape["extras"]["targetNames"] == ["jawOpen", "all", "nothing"]
    assert shape["weights"] == [0, 0, 0]
    accessors = [glb.document["accessors"][t["POSITION"]] for t in shape["primitives"][0]["targets"]]
    assert ["sparse" in a for a in accessors] == [True, False, False]
    assert ["bufferView" in a for a in accessors] == [False, True, False]
    owner = in_file_order(mesh, mesh.triangles).ravel()
    index = np.concatenate([glb.arrays[p["indices"]][:, 0] for p in shape["primitives"]])
    for target, offsets in zip(shape["primitives"][0]["targets"], mesh.morph_targets.values()):
        expected = (offsets[owner].astype(np.float64) * 1e-3).astype(np.float32)
        np.testing.assert_array_equal(glb.arrays[target["POSITION"]][index], expected)


def test_negligible_offsets_are_dropped(mesh_factory):
    offsets = np.full((108, 3), 5e-4)
    offsets[4, 1] = 2.0
    glb = gltf_check.Glb(encode_glb(mesh_factory(morph_targets={"a": offsets})))
    target = glb.document["meshes"][0]["primitives"][0]["targets"][0]["POSITION"]
    assert glb.document["accessors"][target]["sparse"]["count"] == 1
    assert glb.arrays[target].max() == np.float32(0.002)


def test_weights_are_written(mesh_factory):
    glb = gltf_check.Glb(encode_glb(mesh_factory(morph_weights=[0.25, 0, 1])))
    assert glb.document["meshes"][0]["weights"] == [0.25, 0, 1]


def test_images_are_exact(mesh):
    glb = gltf_check.Glb(encode_glb(mesh))
    texture, provenance, confidence = glb.images
    np.testing.assert_array_equal(np.asarray(texture), mesh.texture)
    np.testing.assert_array_equal(np.asarray(provenance), mesh.provenance)  # indices are the codes
    shown = np.asarray(mesh.provenance_colours)[mesh.provenance]
    np.testing.assert_array_equal(np.asarray(provenance.convert("RGB")), shown)
    np.testing.assert_allclose(np.asarray(confidence) / 255, mesh.confidence, atol=0.5 / 255 + 1e-6)
    jpeg = gltf_check.Glb(encode_glb(mesh, texture_format="jpeg")).images[0]
    assert np.abs(np.asarray(jpeg).astype(int) - mesh.texture).mean() < 4


def test_vertices_know_their_provenance_and_confidence(mesh):
    glb = gltf_check.Glb(encode_glb(mesh))
    uv = corners(glb, "TEXCOORD_0").astype(np.float64)
    row, column = np.floor(uv[..., 1] * 64).astype(int), np.floor(uv[..., 0] * 64).astype(int)
    np.testing.assert_array_equal(corners(glb, "_PROVENANCE")[..., 0], mesh.provenance[row, column])
    expected = np.clip((uv[..., 0] * 64 - 0.5) / 63, 0, 1)
    np.testing.assert_allclose(corners(glb, "_CONFIDENCE")[..., 0], expected, atol=1e-5)
    extras = glb.document["asset"]["extras"]
    assert extras["provenance_codes"] == {name.name.lower(): int(name) for name in Provenance}
    assert (extras["units"], extras["schema"], extras["face_model"]) == ("m", "wholeface.glb/2", "test 1")
    assert extras["sigma"] == 0.5


def test_variants_show_the_maps(mesh):
    document = gltf_check.Glb(encode_glb(mesh)).document
    names = [v["name"] for v in document["extensions"]["KHR_materials_variants"]["variants"]]
    assert names == ["photo", "provenance", "confidence"]
    for primitive in document["meshes"][0]["primitives"]:
        mappings = primitive["extensions"]["KHR_materials_variants"]["mappings"]
        shown = [document["materials"][m["material"]]["pbrMetallicRoughness"] for m in mappings]
        assert [s["baseColorTexture"]["index"] for s in shown] == [0, 1, 2]
        assert primitive["material"] == mappings[0]["material"]
    roughness = [m["pbrMetallicRoughness"]["roughnessFactor"] for m in document["materials"]]
    assert roughness == [0.7] * 3 + [0.2] * 3


def test_relief_is_a_normal_texture_of_what_is_not_glossy(mesh_factory):
    normals = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    plain, bumpy = (gltf_check.Glb(encode_glb(mesh_factory(normal_map=n))) for n in (None, normals))
    np.testing.assert_array_equal(np.asarray(bumpy.images[-1]), normals)
    index = bumpy.document["materials"][0]["normalTexture"]["index"]
    assert bumpy.document["textures"][index]["name"] == "normal_map"
    assert all(("normalTexture" in m) == m["name"].startswith("skin") for m in bumpy.document["materials"])
    assert not any("normalTexture" in m for m in plain.document["materials"])
    skin, glossy = bumpy.document["meshes"][0]["primitives"]
    assert ("TANGENT" in skin["attributes"], "TANGENT" in glossy["attributes"]) == (True, False)
    for name in ("POSITION", "NORMAL", "TEXCOORD_0"):  # nothing else changes
        np.testing.assert_array_equal(corners(plain, name), corners(bumpy, name))


def test_tangents_point_where_u_grows_and_bitangents_up_the_image(mesh_factory):
    """Also where the texture is seen in a mirror: the right half of the tube shows the left half's."""
    mesh = mesh_factory(glossy=None, normal_map=np.full((8, 8, 3), 128, np.uint8))
    folded = mesh.uv.copy()
    folded[:, 0] = np.abs(folded[:, 0] - 0.5)
    for uv in (mesh.uv, folded):
        glb = gltf_check.Glb(encode_glb(mesh_factory(glossy=None, uv=uv, normal_map=mesh.normal_map)))
        point, normal, tangent = (corners(glb, n).astype(float) for n in ("POSITION", "NORMAL", "TANGENT"))
        place = corners(glb, "TEXCOORD_0").astype(float)
        bitangent = np.cross(normal, tangent[..., :3]) * tangent[..., 3:]
        edges = np.roll(point, -1, axis=1) - point
        for column, direction, sign in (
            (0, tangent[..., :3], 1),
            (1, bitangent, -1),
        ):  # glTF's v grows downwards
            grows = sign * (np.roll(place[..., column], -1, axis=1) - place[..., column])
            ahead = np.einsum("fkc,fkc->fk", edges, direction)
            along = np.abs(grows) > 0.01
            assert (np.sign(ahead[along]) == np.sign(grows[along])).mean() > 0.97, column
        if uv is folded:
            assert set(tangent[..., 3].ravel()) == {-1, 1}
            assert (np.ptp(tangent[..., 3], axis=1) == 0).all()  # within a triangle there is one handedness


def test_large_meshes_use_wide_indices(mesh_factory):
    big = mesh_factory(300, 230, morph_targets={}, glossy=None)
    glb = gltf_check.Glb(encode_glb(big))
    indices = glb.document["meshes"][0]["primitives"][0]["indices"]
    assert glb.document["accessors"][indices]["componentType"] == 5125
    expected = (big.vertices[big.triangles].astype(np.float64) * 1e-3).astype(np.float32)
    np.testing.assert_array_equal(corners(glb, "POSITION"), expected)


def test_trimesh_reads_it(mesh, tmp_path):
    path = write_glb(tmp_path / "face.glb", mesh)
    scene = trimesh.load(path, process=False)
    parts = list(scene.geometry.values())
    assert len(parts) == 2
    position = np.concatenate([p.vertices[p.faces] for p in parts])
    expected = mesh.vertices[in_file_order(mesh, mesh.triangles)].astype(np.float64) * 1e-3
    np.testing.assert_allclose(position, expected, atol=1e-8)
    uv = np.concatenate([p.visual.uv[p.faces] for p in parts])
    np.testing.assert_allclose(uv, mesh.uv[in_file_order(mesh, mesh.uv_triangles)], atol=1e-7)
    for part in parts:
        image = np.asarray(part.visual.material.baseColorTexture.convert("RGB"))
        np.testing.assert_array_equal(image, mesh.texture)
        assert part.visual.material.metallicFactor == 0


def test_mesh_without_uv_is_not_split(mesh_factory):
    bare = mesh_factory(**KINDS["bare"])
    glb = gltf_check.Glb(encode_glb(bare, morph_targets=False))
    np.testing.assert_array_equal(
        glb.arrays[glb.document["meshes"][0]["primitives"][0]["indices"]].reshape(-1, 3), bare.triangles
    )
    assert "images" not in glb.document


def test_same_mesh_same_bytes(mesh_factory):
    assert encode_glb(mesh_factory()) == encode_glb(mesh_factory())


def test_unknown_texture_format(mesh):
    with pytest.raises(UsageError, match="png or jpeg"):
        encode_glb(mesh, texture_format="webp")


def test_write_makes_folders_and_leaves_nothing_behind(mesh, tmp_path):
    path = write_glb(tmp_path / "a" / "b" / "face.glb", mesh)
    assert path.read_bytes() == encode_glb(mesh)
    write_glb(path, mesh, morph_targets=False)
    assert os.listdir(path.parent) == ["face.glb"]
    with pytest.raises(OutputError, match="folder"):
        write_glb(tmp_path / "a", mesh)
