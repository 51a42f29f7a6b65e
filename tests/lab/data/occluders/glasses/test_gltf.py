from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.data.occluders.glasses.gltf import read_gltf, simplified


def _write(folder: Path, **changes: object) -> Path:
    """A triangle pair, moved by its node's matrix; positions and normals interleaved."""
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    normals = np.tile(np.array([[0, 0, 1]], np.float32), (4, 1))
    indices = np.array([0, 1, 2, 0, 2, 3], np.uint16)
    folder.joinpath("scene.bin").write_bytes(np.hstack([points, normals]).tobytes() + indices.tobytes())
    view = {"buffer": 0, "byteLength": 96, "byteStride": 24}
    scene: dict[str, object] = {
        "scenes": [{"nodes": [0]}],
        "nodes": [
            {"children": [1], "matrix": [0, 2, 0, 0, -2, 0, 0, 0, 0, 0, 2, 0, 10, 0, 0, 1]},
            {"mesh": 0},
        ],
        "meshes": [
            {"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": 1}]}
        ],
        "materials": [{}, {"pbrMetallicRoughness": {"baseColorFactor": [0.1, 0.2, 0.3, 0.4]}}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
            {"bufferView": 0, "byteOffset": 12, "componentType": 5126, "count": 4, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 6, "type": "SCALAR"},
        ],
        "bufferViews": [view, {"buffer": 0, "byteOffset": 96, "byteLength": 12}],
        "buffers": [{"uri": "scene.bin"}],
    }
    scene.update(changes)
    path = folder / "scene.gltf"
    path.write_text(json.dumps(scene))
    return path


def test_positions_are_placed_by_the_nodes(tmp_path: Path) -> None:
    mesh = read_gltf(_write(tmp_path))
    expected = [[10, 0, 0], [10, 2, 0], [8, 2, 0], [8, 0, 0]]  # a quarter turn, twice as large, moved
    np.testing.assert_allclose(mesh.vertices, expected, atol=1e-6)
    np.testing.assert_allclose(mesh.normals, [[0, 0, 1]] * 4, atol=1e-6)
    np.testing.assert_array_equal(mesh.triangles, [[0, 1, 2], [0, 2, 3]])
    np.testing.assert_array_equal(mesh.material, [1, 1])
    np.testing.assert_allclose(mesh.colours[1], [0.1, 0.2, 0.3, 0.4], rtol=1e-6)


def test_simplifying_joins_near_vertices_and_drops_what_collapses(tmp_path: Path) -> None:
    mesh = read_gltf(_write(tmp_path))
    assert len(simplified(mesh, 0.5).triangles) == 2
    assert len(simplified(mesh, 100.0).triangles) == 0


@pytest.mark.parametrize(
    "changes",
    [{"buffers": [{"uri": "none.bin"}]}, {"meshes": []}, {"nodes": [{"mesh": 0, "scale": [2, 2, 2]}]}],
)
def test_broken_files_are_named(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"scene\.gltf"):
        read_gltf(_write(tmp_path, **changes))


def test_a_buffer_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path)
    (tmp_path / "scene.bin").write_bytes(b"\0" * 50)
    with pytest.raises(UsageError, match="too short"):
        read_gltf(path)
